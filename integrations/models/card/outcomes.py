"""What is true after a sign-in, in words: the state of the integration now, and how the attempt ended.

`compose` is the only place that joins the two. Result window, live region and toasts read what it returns. A sign-in
that did not succeed leaves the integration as it was, and then each of them says so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from integrations.models.card.bidi import isolated
from integrations.models.card.endings import ENDINGS, Ending, EndingRow, ending_of
from integrations.models.card.integration import Integration
from integrations.models.card.states import State
from integrations.models.registry import who_was_told
from integrations.models.registry.health import CLOCK
from integrations.models.tokens import AuthorizationAttempt

LONG = timedelta(days=2)  # an end that is further away is named by its day alone
CLOSES_AT_ONCE, CLOSES_WHEN_READ = 900, 8000  # milliseconds until the window closes itself
# Endings that the person has to read, and do something about, before the window may go.
STAYS_OPEN = {Ending.UNDER_WAY, Ending.OTHER_ACCOUNT, Ending.ACCOUNT_REFUSED, Ending.NO_LONGER_AVAILABLE}
SAYS_NOTHING_STORED = {Ending.UNSAFE, Ending.FAILED}


@dataclass(frozen=True, kw_only=True)
class Button:
    control: str  # its id on the page
    label: str
    url: str
    weight: str = ""
    leaves: bool = False  # closes the window, where it is one


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What result window and live region say. `sentences` may hold markup, escaped already."""

    ending: Ending
    tone: str
    icon: str
    badge: str
    heading: str
    sentences: list[str]
    spoken: str
    buttons: list[Button]
    is_unchanged: bool  # the integration is connected, as it was before
    is_alert: bool = False
    closes_after: int = 0  # milliseconds; 0: it stays


def compose(
    integration: Integration,
    attempt: AuthorizationAttempt,
    *,
    registry_url: str = "",
    asked_to_cancel: bool = False,
) -> Outcome:
    """What is true now, for any state of the integration and any ending of the attempt.

    `registry_url`: where the set-up can be mended, for those who may. `asked_to_cancel`: the provider has been asked to
    cancel what this sign-in brought.
    """
    ending = ending_of(attempt)
    row, names = ENDINGS[ending], names_of(integration, attempt)
    if ending == Ending.CONNECTED:
        return connected(integration, row, names, attempt)
    is_unchanged = integration.is_token_valid
    is_to_mend = ending == Ending.MISCONFIGURED and bool(registry_url)
    heading = row.heading_of_renewal if is_unchanged and not is_to_mend else row.heading
    closes = attempt.popup and is_unchanged and not row.is_news
    return Outcome(
        ending=ending,
        tone="bad" if is_to_mend else tone_of(row, ending, is_unchanged=is_unchanged),
        icon="minus" if is_unchanged and ending not in STAYS_OPEN and not is_to_mend else row.icon,
        badge=_("Misconfigured") if is_to_mend else badge_of(integration, ending),
        heading=str(turned_off(integration, ending) or heading) % names,
        sentences=sentences_of(integration, attempt, names, asked_to_cancel=asked_to_cancel),
        spoken=spoken_of(integration, ending),
        buttons=buttons_of(integration, attempt, row, registry_url=registry_url if is_to_mend else ""),
        is_unchanged=is_unchanged,
        is_alert=ending not in {Ending.UNDER_WAY, Ending.OTHER_ACCOUNT} and (row.is_news or not is_unchanged),
        closes_after=CLOSES_WHEN_READ if closes else 0,
    )


def names_of(integration: Integration, attempt: AuthorizationAttempt) -> dict[str, str]:
    return {
        "name": isolated(integration.title),
        "account": isolated(attempt.account_label or _("another account")),
        "previous": isolated(integration.account or _("the account it had before")),
        "provider": integration.provider,
        "minutes": minutes_between_clocks(attempt.failure_code),
    }


def minutes_between_clocks(failure_code: str) -> str:
    clock = CLOCK.fullmatch(failure_code)
    minutes = int(clock[2]) if clock else 0
    return ngettext("%(minutes)d minute", "%(minutes)d minutes", minutes) % {"minutes": minutes}


def accounts_of_one_name(integration: Integration, attempt: AuthorizationAttempt, names: dict[str, str]) -> str:
    """What tells two accounts of one name apart; "" where their names do."""
    if integration.token is None or attempt.account_label != integration.account:
        return ""
    told = _(
        "You signed in to %(name)s as %(account)s. The account so far has the same name, but %(name)s says that it "
        "is another account: its id is %(previous_id)s, the new one is %(new_id)s."
    )
    names = names | {"account": isolated(attempt.account_label) or _("an account without a name")}
    return told % {**names, "previous_id": integration.token.account_id, "new_id": attempt.account_id}


def connected(
    integration: Integration, row: EndingRow, names: dict[str, str], attempt: AuthorizationAttempt
) -> Outcome:
    """The attempt succeeded. What came of it may have been revoked, refused or turned off since."""
    back = Button(
        control="back", label=label_back(integration, attempt), url=back_url(integration, attempt), leaves=True
    )
    if not integration.is_token_valid:
        is_held = integration.state == State.ADDRESS_CHANGED
        return Outcome(
            ending=Ending.CONNECTED,
            tone=integration.tone,
            icon=integration.icon,
            badge=integration.badge,
            heading=(_("%(name)s was moved since") if is_held else _("%(name)s is no longer connected")) % names,
            sentences=[
                *([] if is_held else [_("This sign-in succeeded, but has been ended since.")]),
                *standing_of(integration, says_stored=False),
            ],
            spoken=integration.spoken,
            buttons=[back],
            is_unchanged=False,
        )
    missing = integration.missing_scope_labels
    return Outcome(
        ending=Ending.CONNECTED,
        tone="warn" if missing else row.tone,
        icon="alert" if missing else row.icon,
        badge=_("Connected"),
        heading=_("Connected, with less access") if missing else str(row.heading) % names,
        sentences=[less_access(integration, names)] if missing else signed_in_now(integration, attempt, names),
        spoken=integration.spoken,
        buttons=[
            Button(control="keep", label=_("Keep"), url=back.url, leaves=True),
            Button(control="retry", label=_("Try again"), url=integration.initiator_url, weight="ghost"),
        ]
        if missing
        else [back],
        is_unchanged=False,
        closes_after=CLOSES_AT_ONCE if attempt.popup and not missing else 0,
    )


def tone_of(row: EndingRow, ending: Ending, *, is_unchanged: bool) -> str:
    if not is_unchanged or ending in STAYS_OPEN:
        return "warn" if ending == Ending.ACCOUNT_REFUSED else row.tone
    return "warn" if row.is_news else "idle"


def badge_of(integration: Integration, ending: Ending) -> str:
    if ending == Ending.UNDER_WAY:
        return _("Connecting")
    if ending == Ending.OTHER_ACCOUNT:
        return _("Please choose")
    return _("Nothing changed") if integration.is_token_valid else integration.badge


def turned_off(integration: Integration, ending: Ending) -> str:
    is_off = ending == Ending.NO_LONGER_AVAILABLE and not integration.is_on
    return _("%(name)s was turned off") if is_off else ""


def sentences_of(
    integration: Integration, attempt: AuthorizationAttempt, names: dict[str, str], *, asked_to_cancel: bool
) -> list[str]:
    """Why nothing came of it, and what is true now."""
    ending = ending_of(attempt)
    row, one_name = ENDINGS[ending], accounts_of_one_name(integration, attempt, names)
    if one_name and ending == Ending.OTHER_ACCOUNT:
        return [one_name, _("Nothing has changed yet.")]
    if one_name and ending == Ending.ACCOUNT_REFUSED:
        return [one_name, _("Nothing was changed. Sign out at %(provider)s and try again.") % names]
    if turned_off(integration, ending):
        return [_("An administrator turned this integration off."), *standing_of(integration)]
    cause = (row.cause_of_renewal if integration.is_token_valid else "") or row.cause
    if ending == Ending.ACCOUNT_KEPT and asked_to_cancel:
        cause = _("The sign-in as %(account)s was not stored, and we have asked %(name)s to cancel it.")
    said = [str(cause) % names] if cause else []
    if ending in {Ending.MISCONFIGURED, Ending.CLOCKS_DIFFER}:
        said.append(who_was_told(integration.registry))
    if ending in STAYS_OPEN:
        return said
    return [*said, *standing_of(integration, says_stored=ending not in SAYS_NOTHING_STORED)]


def standing_of(integration: Integration, *, says_stored: bool = True) -> list[str]:
    """What is true of the integration now, whatever the attempt came to."""
    said: list[str] = []
    if integration.is_token_valid:
        said.append(signed_in_still(integration))
    elif says_stored:
        said.append(_("Nothing was stored."))
    if standing := str(integration.row.standing) % {"name": isolated(integration.title)}:
        said.append(standing)
    if integration.state == State.DISABLED and integration.has_token:
        said.append(_("Your token is kept but not used."))
    return said


def signed_in_still(integration: Integration) -> str:
    """For whom, and for how long."""
    account, until = isolated(integration.account), integration.works_until
    if integration.is_shared:
        words = _("Keyrack itself is still signed in as <strong>{account}</strong>{rest}")
    else:
        words = _("You are still signed in as <strong>{account}</strong>{rest}")
    if not account:
        words = (
            _("Keyrack itself is still signed in{rest}")
            if integration.is_shared
            else _("You are still signed in{rest}")
        )
    rest = "."
    if integration.renews_itself and not integration.renewal_is_stuck:
        rest = _(", and it renews by itself.")
    elif until:
        rest = _(", until {day}.").format(day=day_of(until))
    return format_html(words, account=account, rest=rest)


def day_of(moment: datetime) -> str:
    local = timezone.localtime(moment)
    # Translators: dates in Django's date format letters ("14 Feb 2027", "14 Feb 2027, 17:42")
    return date_format(local, _("j M Y") if moment - timezone.now() > LONG else _("j M Y, H:i"))


def signed_in_now(integration: Integration, attempt: AuthorizationAttempt, names: dict[str, str]) -> list[str]:
    account = isolated(integration.account)
    if account and integration.is_shared:
        said: list[str] = [format_html(_("Keyrack itself is signed in as <strong>{}</strong>."), account)]
    elif account:
        said = [format_html(_("You are signed in as <strong>{}</strong>."), account)]
    else:
        said = [_("%(name)s didn’t tell as whom you are signed in.") % names]
    if integration.state in {State.PROVIDER_DOWN, State.MISCONFIGURED, State.NOT_RENEWED}:
        said.append(str(integration.row.standing) % names)
    return said


def less_access(integration: Integration, names: dict[str, str]) -> str:
    lists = {
        "given": ", ".join(integration.scope_labels) or _("nothing"),
        "missing": ", ".join(integration.missing_scope_labels),
    }
    return _("%(name)s gave: %(given)s. Missing: %(missing)s. Some work may fail.") % (names | lists)


def spoken_of(integration: Integration, ending: Ending) -> str:
    """For the live region of the dashboard, when the card has come back from "connecting"."""
    names = {"name": integration.title}
    if ending == Ending.OTHER_ACCOUNT:
        return _("Choose an account in the %(name)s window.") % names
    if ending in {Ending.CONNECTED, Ending.UNDER_WAY} or not integration.is_token_valid:
        return integration.spoken
    unchanged = _("%(name)s stays connected. Nothing was changed.") % names
    is_plain = integration.state in {State.CONNECTED, State.CONNECTING}
    return unchanged if is_plain else f"{unchanged} {integration.spoken}"


def buttons_of(
    integration: Integration, attempt: AuthorizationAttempt, row: EndingRow, *, registry_url: str
) -> list[Button]:
    """One that leads on, and one that leads back. Where nothing is wrong, back comes first."""
    back = Button(control="back", label=label_back(integration, attempt), url=integration.home_url, leaves=True)
    label = str(row.retry_of_renewal if integration.is_token_valid else row.retry)
    if ending_of(attempt) == Ending.OTHER_ACCOUNT:
        return []
    if ending_of(attempt) == Ending.UNDER_WAY:
        return [Button(control="look-again", label=_("Look again"), url=""), light(back)]
    if registry_url:
        return [
            Button(control="mend", label=_("Open the Application Registry"), url=registry_url, weight="primary"),
            light(back),
        ]
    if not label or not integration.is_on:
        return [back]
    retry = Button(control="retry", label=label, url=integration.initiator_url, weight="primary")
    return [retry, light(back)] if row.is_news else [back, light(retry)]


def light(button: Button) -> Button:
    return Button(control=button.control, label=button.label, url=button.url, weight="ghost", leaves=button.leaves)


def label_back(integration: Integration, attempt: AuthorizationAttempt) -> str:
    if attempt.next_path and ending_of(attempt) == Ending.CONNECTED:
        return _("Continue")
    return _("Back to the credential") if integration.is_shared else _("Back to my integrations")


def back_url(integration: Integration, attempt: AuthorizationAttempt) -> str:
    return attempt.next_path or integration.home_url
