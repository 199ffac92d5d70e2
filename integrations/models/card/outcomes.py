"""Outcome of a sign-in: the current state of the integration combined with the ending of the attempt.

Only `compose_outcome` combines the two; result window, live region and toasts show it. A sign-in that fails leaves
the integration as it was, and each of them says so.
"""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from integrations.models.card.endings import DECISIONS, ENDINGS, Ending, EndingRow, ending_of
from integrations.models.card.integration import Integration
from integrations.models.card.outcome_sentences import (
    STAYS_OPEN,
    less_access,
    names_of,
    sentences_of,
    signed_in_now,
    spoken_of,
    standing_of,
    turned_off,
)
from integrations.models.card.parts import TOKEN_IS_KEPT
from integrations.models.tokens import AuthorizationAttempt

CLOSES_AT_ONCE, CLOSES_WHEN_READ = 900, 8000  # milliseconds until the window closes itself


@dataclass(frozen=True, kw_only=True)
class Button:
    control: str  # id on the page
    label: str
    url: str
    weight: str = ""
    leaves: bool = False  # closes the window, if it is a pop-up


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Contents of result window and live region. `sentences` may contain markup; values in it are escaped."""

    ending: Ending
    tone: str
    icon: str
    badge: str
    heading: str
    sentences: list[str]
    spoken: str
    buttons: list[Button]
    is_unchanged: bool  # the integration is connected, as before
    is_alert: bool = False
    closes_after: int = 0  # milliseconds; 0: stays open

    @property
    def asks_others(self) -> bool:
        """Whether the people who manage the account at the provider can change it, so that a request to them helps."""
        return self.ending in {Ending.BY_POLICY, Ending.ADMINISTRATOR_FIRST}


def compose_outcome(
    integration: Integration,
    attempt: AuthorizationAttempt,
    *,
    registry_url: str = "",
    asked_to_cancel: bool = False,
) -> Outcome:
    """Compose the outcome, for any state of the integration and any ending of the attempt.

    `registry_url`: admin page of the registry, for users who may change it. `asked_to_cancel`: the provider has been
    asked to cancel the tokens of this sign-in.
    """
    ending = ending_of(attempt)
    row, names = ENDINGS[ending], names_of(integration, attempt)
    if ending == Ending.CONNECTED:
        return connected_outcome(integration, row, names, attempt)
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
        is_alert=ending not in {Ending.UNDER_WAY, *DECISIONS} and (row.is_news or not is_unchanged),
        closes_after=CLOSES_WHEN_READ if closes else 0,
    )


def connected_outcome(
    integration: Integration, row: EndingRow, names: dict[str, str], attempt: AuthorizationAttempt
) -> Outcome:
    """Outcome of a successful attempt. Its token may have been revoked, refused or turned off since."""
    back = Button(
        control="back", label=label_back(integration, attempt), url=back_url(integration, attempt), leaves=True
    )
    if not integration.is_token_valid:
        return Outcome(
            ending=Ending.CONNECTED,
            tone=integration.tone,
            icon=integration.icon,
            badge=integration.badge,
            heading=str(integration.row.heading_after_sign_in) % names,
            sentences=[
                *([] if is_kept(integration) else [_("This sign-in succeeded, but has been ended since.")]),
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
            Button(control="keep", label=pgettext("the new sign-in", "Keep"), url=back.url, leaves=True),
            Button(control="retry", label=_("Try again"), url=integration.initiator_url, weight="ghost"),
        ]
        if missing
        else [back],
        is_unchanged=False,
        closes_after=CLOSES_AT_ONCE if attempt.popup and not missing else 0,
    )


def is_kept(integration: Integration) -> bool:
    """Whether the sign-in is there, although it can't be used now."""
    return integration.row.is_held or (integration.row.is_off and integration.applies(TOKEN_IS_KEPT))


def tone_of(row: EndingRow, ending: Ending, *, is_unchanged: bool) -> str:
    if not is_unchanged or ending in STAYS_OPEN:
        return "warn" if ending == Ending.ACCOUNT_REFUSED else row.tone
    return "warn" if row.is_news else "idle"


def badge_of(integration: Integration, ending: Ending) -> str:
    if ending == Ending.UNDER_WAY:
        return _("Connecting")
    if ending in DECISIONS:
        return _("Please choose")
    return _("Nothing changed") if integration.is_token_valid else integration.badge


def buttons_of(
    integration: Integration, attempt: AuthorizationAttempt, row: EndingRow, *, registry_url: str
) -> list[Button]:
    """Return a button to go on and one to go back. Back comes first if nothing is wrong."""
    back = Button(control="back", label=label_back(integration, attempt), url=integration.home_url, leaves=True)
    label = str(row.retry_of_renewal if integration.is_token_valid else row.retry)
    if ending_of(attempt) in DECISIONS:
        return []
    if ending_of(attempt) == Ending.UNDER_WAY:
        return [Button(control="look-again", label=_("Look again"), url=""), ghost_button(back)]
    if registry_url:
        return [
            Button(control="mend", label=_("Open the Application Registry"), url=registry_url, weight="primary"),
            ghost_button(back),
        ]
    if not label or not integration.is_on:
        return [back]
    retry = Button(control="retry", label=label, url=integration.initiator_url, weight="primary")
    return [retry, ghost_button(back)] if row.is_news else [back, ghost_button(retry)]


def ghost_button(button: Button) -> Button:
    return Button(control=button.control, label=button.label, url=button.url, weight="ghost", leaves=button.leaves)


def label_back(integration: Integration, attempt: AuthorizationAttempt) -> str:
    if attempt.next_path and ending_of(attempt) == Ending.CONNECTED:
        return _("Continue")
    return _("Back to the credential") if integration.is_shared else _("Back to my integrations")


def back_url(integration: Integration, attempt: AuthorizationAttempt) -> str:
    return attempt.next_path or integration.home_url
