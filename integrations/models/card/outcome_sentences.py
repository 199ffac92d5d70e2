"""Sentences about the outcome of a sign-in: why it ended as it did, and what is true of the integration now."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from foundation.name_lists import isolate_name, join_names, join_sentences, sentence_separator
from foundation.reader_time import date_and_time_words, date_words, time_element
from integrations.models.card.endings import DECISIONS, ENDINGS, Ending, ending_of
from integrations.models.card.integration import Integration
from integrations.models.card.parts import TOKEN_IS_KEPT
from integrations.models.failures import CLOCK
from integrations.models.registry import administrators_sentence
from integrations.models.tokens import AuthorizationAttempt

LONG = timedelta(days=2)  # an end that is further away is shown as a date without a time
# Endings that the person has to read and act on before the window closes.
STAYS_OPEN = {Ending.UNDER_WAY, *DECISIONS, Ending.ACCOUNT_REFUSED, Ending.NO_LONGER_AVAILABLE}
SAYS_NOTHING_STORED = {Ending.UNSAFE, Ending.FAILED}


def names_of(integration: Integration, attempt: AuthorizationAttempt) -> dict[str, str]:
    return {
        "name": isolate_name(integration.title),
        "account": isolate_name(attempt.account_label or _("(account without a name)")),
        "previous": isolate_name(integration.account or _("(account without a name)")),
        "provider": integration.provider,
        "minutes": minutes_between_clocks(attempt.failure_code),
    }


def minutes_between_clocks(failure_code: str) -> str:
    clock = CLOCK.fullmatch(failure_code)
    minutes = int(clock[2]) if clock else 0
    return ngettext("%(minutes)d minute", "%(minutes)d minutes", minutes) % {"minutes": minutes}


def accounts_of_one_name(integration: Integration, attempt: AuthorizationAttempt, names: dict[str, str]) -> str:
    """Explain that the new account is another one with the same name; "" if their names differ."""
    if integration.token is None or attempt.account_label != integration.account:
        return ""
    sentence = _(
        "You signed in to %(name)s as %(account)s. The current account has the same name, but %(name)s says that it "
        "is another account: its id is %(previous_id)s, the new one’s id is %(new_id)s."
    )
    names = names | {"account": isolate_name(attempt.account_label) or _("(account without a name)")}
    return sentence % {**names, "previous_id": integration.token.account_id or "–", "new_id": attempt.account_id or "–"}


def turned_off(integration: Integration, ending: Ending) -> str:
    is_off = ending == Ending.NO_LONGER_AVAILABLE and not integration.is_on
    return _("%(name)s was turned off") if is_off else ""


def sentences_of(
    integration: Integration, attempt: AuthorizationAttempt, names: dict[str, str], *, asked_to_cancel: bool
) -> list[str]:
    """Return why the sign-in changed nothing, and what is true now."""
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
    sentences = [str(cause) % names] if cause else []
    if ending in {Ending.MISCONFIGURED, Ending.CLOCKS_DIFFER} or is_problem_of_registry(integration, ending, attempt):
        sentences.append(administrators_sentence(integration.registry))
    if ending in STAYS_OPEN:
        return sentences
    return [*sentences, *standing_of(integration, says_stored=ending not in SAYS_NOTHING_STORED)]


def is_problem_of_registry(integration: Integration, ending: Ending, attempt: AuthorizationAttempt) -> bool:
    """Whether what keeps this person out has become a problem of the registry, because it keeps others out as well."""
    keeps_out = {Ending.BY_POLICY, Ending.ADMINISTRATOR_FIRST, Ending.SECOND_STEP}
    return ending in keeps_out and integration.registry.misconfigured_code == attempt.failure_code


def standing_of(integration: Integration, *, says_stored: bool = True) -> list[str]:
    """Return what is true of the integration now, whatever the ending of the attempt."""
    sentences: list[str] = []
    if integration.is_token_valid:
        sentences.append(signed_in_still(integration))
    elif says_stored:
        sentences.append(_("Nothing was stored."))
    if standing := str(integration.row.standing) % {"name": isolate_name(integration.title)}:
        sentences.append(standing)
    if integration.row.is_off and integration.applies(TOKEN_IS_KEPT):
        sentences.append(str(TOKEN_IS_KEPT.text))
    return sentences


def signed_in_still(integration: Integration) -> str:
    """Say as whom the person is still signed in, and for how long."""
    account, until = isolate_name(integration.account), integration.works_until
    sentence: str
    if integration.is_shared and account:
        sentence = format_html(_("Keyrack itself is still signed in as <strong>{}</strong>."), account)
    elif account:
        sentence = format_html(_("You are still signed in as <strong>{}</strong>."), account)
    else:
        is_shared = integration.is_shared
        sentence = _("Keyrack itself is still signed in.") if is_shared else _("You are still signed in.")
    if integration.renews_itself and not integration.renewal_is_stuck:
        return join_sentences([sentence, _("The sign-in renews by itself.")])
    if until:
        return join_sentences([sentence, format_html(_("The sign-in is valid until {}."), day_of(until))])
    return sentence


def day_of(moment: datetime) -> SafeString:
    is_far = moment - timezone.now() > LONG
    return time_element(moment, date_words(moment) if is_far else date_and_time_words(moment))


def signed_in_now(integration: Integration, attempt: AuthorizationAttempt, names: dict[str, str]) -> list[str]:
    account = isolate_name(integration.account)
    if account and integration.is_shared:
        sentences: list[str] = [format_html(_("Keyrack itself is signed in as <strong>{}</strong>."), account)]
    elif account and attempt.link:
        user = isolate_name(attempt.user.get_username())
        sentences = [format_html(_("The account of {} there is <strong>{}</strong>."), user, account)]
    elif account:
        sentences = [format_html(_("You are signed in as <strong>{}</strong>."), account)]
    else:
        sentences = [_("%(name)s didn’t say which account you are signed in to.") % names]
    if integration.row.limits_use:
        sentences.append(str(integration.row.standing) % names)
    return sentences


def less_access(integration: Integration, names: dict[str, str]) -> str:
    lists = {"given": join_names(integration.scope_labels), "missing": join_names(integration.missing_scope_labels)}
    if not integration.scope_labels:
        return _("%(name)s gave nothing of what was asked for. Missing: %(missing)s. Some work may fail.") % (
            names | lists
        )
    return _("%(name)s gave: %(given)s. Missing: %(missing)s. Some work may fail.") % (names | lists)


def spoken_of(integration: Integration, ending: Ending) -> str:
    """Return the sentence for the live region when the card is no longer "connecting"."""
    names = {"name": integration.title}
    if ending == Ending.OTHER_ACCOUNT:
        return _("Choose an account in the %(name)s window.") % names
    if ending == Ending.CHOICE:
        return _("One more choice is needed in the %(name)s window.") % names
    if ending in {Ending.CONNECTED, Ending.UNDER_WAY} or not integration.is_token_valid:
        return integration.spoken
    unchanged = _("%(name)s stays connected. Nothing was changed.") % names
    return unchanged if integration.row.goes_without_saying else unchanged + sentence_separator() + integration.spoken
