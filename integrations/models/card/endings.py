"""Endings of a sign-in: every way in which one can end, with its texts, and the ending of an attempt.

To add one, add a member of `Ending`, its case in `ending_of`, and a row of `ENDINGS`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

from foundation.oauth_client import error_codes
from foundation.oauth_client.errors import Fault
from integrations.models.failures import failure_of
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt


class Ending(StrEnum):
    CONNECTED = "connected"
    UNDER_WAY = "pending"
    TOO_LATE = "too_late"  # no answer within the attempt's lifetime
    OTHER_ACCOUNT = "other_account"  # the person has to choose
    CHOICE = "choice"  # the person has to choose a site, a tenant or the like
    NOTHING_TO_CHOOSE = "nothing_to_choose"  # the account has no site, no tenant …
    ACCOUNT_KEPT = "account_kept"  # the person kept the earlier account
    ACCOUNT_REFUSED = "account_refused"  # by the setting of the credential
    CANCELLED = "cancelled"  # by the person, on the card
    REPLACED = "replaced"  # by newer sign-ins of the same person
    ENDED = "ended"  # revoked with the token, or by an administrator
    DENIED = "denied"
    UNFINISHED = "unfinished"  # the provider still waits for the person's answer
    PAGE_OVER = "page_over"  # the provider's sign-in page had expired
    BY_POLICY = "by_policy"  # the provider or the person's organization doesn't allow it
    ADMINISTRATOR_FIRST = "administrator_first"  # has to consent at the provider
    SECOND_STEP = "second_step"  # that the password grant can't do
    EMPTY_ANSWER = "empty_answer"  # neither a code nor an error
    NO_LONGER_AVAILABLE = "no_longer_available"
    MISCONFIGURED = "misconfigured"
    CLOCKS_DIFFER = "clocks_differ"
    UNSAFE = "unsafe"
    UNANSWERED = "unanswered"
    FAILED = "failed"


BY_STATUS = {
    AttemptStatus.CONNECTED: Ending.CONNECTED,
    AttemptStatus.CLAIMED: Ending.UNDER_WAY,
    AttemptStatus.OTHER_ACCOUNT: Ending.OTHER_ACCOUNT,
    AttemptStatus.CHOICE: Ending.CHOICE,
}
CANCELLATIONS = {
    "cancelled": Ending.CANCELLED,
    "": Ending.CANCELLED,
    "replaced": Ending.REPLACED,
    "other_account_declined": Ending.ACCOUNT_KEPT,
}
BY_FAULT = {
    Fault.SET_UP: Ending.MISCONFIGURED,
    Fault.ATTACK: Ending.UNSAFE,
    Fault.PROVIDER: Ending.UNANSWERED,
}


def ending_of(attempt: AuthorizationAttempt) -> Ending:
    status, code = AttemptStatus(attempt.status), attempt.failure_code
    if status == AttemptStatus.PENDING:
        return Ending.UNDER_WAY if attempt.seconds_left else Ending.TOO_LATE
    if status == AttemptStatus.CANCELLED:
        return CANCELLATIONS.get(code, Ending.ENDED)
    return ending_of_failure(code, attempt.failure_meaning) if status == AttemptStatus.FAILED else BY_STATUS[status]


def ending_of_failure(code: str, meaning: str = "") -> Ending:
    """The ending for a code, or for what a rule of a provider profile says that it means."""
    row = (failure_of(meaning) if meaning else None) or failure_of(code)
    if row and row.ending:
        return Ending(row.ending)
    if row and row.fault in BY_FAULT:
        return BY_FAULT[row.fault]
    return Ending.DENIED if error_codes.is_denial(code) else Ending.FAILED


DECISIONS = (Ending.OTHER_ACCOUNT, Ending.CHOICE)  # the page asks the person something
STAYS_CONNECTED, TRY_AGAIN = _("%(name)s stays connected"), _("Try again")


@dataclass(frozen=True, kw_only=True)
class EndingRow:
    """Texts of one ending.

    They may contain %(name)s, %(account)s (signed in as), %(previous)s, %(provider)s and %(minutes)s (between clocks).
    """

    heading: Any
    cause: Any = ""
    cause_of_renewal: Any = ""  # if the integration stays as it was; `cause` if empty
    heading_of_renewal: Any = STAYS_CONNECTED
    tone: str = "bad"
    icon: str = "x-circle"
    is_news: bool = True  # worth an alert and a warning; False if the person did it
    retry: Any = TRY_AGAIN
    retry_of_renewal: Any = TRY_AGAIN


ENDINGS: dict[Ending, EndingRow] = {
    Ending.CONNECTED: EndingRow(heading=_("%(name)s is connected"), tone="ok", icon="ok", retry=""),
    Ending.UNDER_WAY: EndingRow(
        heading=_("Almost there"),
        heading_of_renewal=_("Almost there"),
        cause=_("%(name)s has answered; we are fetching your token."),
        tone="info",
        icon="spin",
        retry="",
    ),
    Ending.TOO_LATE: EndingRow(
        heading=_("This sign-in took too long"),
        cause=_("For your safety, each sign-in works once and for 10 minutes."),
        tone="warn",
        icon="clock",
        retry=_("Start again"),
        retry_of_renewal=_("Start again"),
    ),
    Ending.OTHER_ACCOUNT: EndingRow(
        heading=_("A different account?"),
        heading_of_renewal=_("A different account?"),
        tone="warn",
        icon="user",
        retry="",
    ),
    Ending.CHOICE: EndingRow(
        heading=_("One more choice"),
        heading_of_renewal=_("One more choice"),
        tone="info",
        icon="user",
        retry="",
    ),
    Ending.NOTHING_TO_CHOOSE: EndingRow(
        heading=_("This account has nothing to use here"),
        cause=_(
            "%(name)s says that this account has no site or tenant that this integration could work with. "
            "Ask whoever manages %(provider)s for access, or sign in with another account."
        ),
        tone="warn",
        icon="alert",
    ),
    Ending.ACCOUNT_KEPT: EndingRow(
        heading=_("Sign-in cancelled"),
        heading_of_renewal=_("You kept %(previous)s"),
        cause=_("The sign-in as %(account)s was not stored."),
        tone="idle",
        icon="minus",
        is_news=False,
        retry_of_renewal="",
    ),
    Ending.ACCOUNT_REFUSED: EndingRow(
        heading=_("Another account"),
        heading_of_renewal=_("Another account"),
        cause=_(
            "You signed in as %(account)s; this integration stays with %(previous)s. Nothing was changed. "
            "Sign out at %(provider)s and try again."
        ),
    ),
    Ending.CANCELLED: EndingRow(
        heading=_("Sign-in cancelled"),
        cause_of_renewal=_("You cancelled the renewal."),
        tone="idle",
        icon="open",
        is_news=False,
        retry_of_renewal="",
    ),
    Ending.REPLACED: EndingRow(
        heading=_("Sign-in cancelled"),
        cause=_("You began newer sign-ins, so this one was closed."),
        tone="idle",
        icon="open",
        is_news=False,
    ),
    Ending.ENDED: EndingRow(
        heading=_("Sign-in cancelled"),
        cause=_("It was ended here before it was complete."),
        tone="idle",
        icon="open",
        is_news=False,
    ),
    Ending.DENIED: EndingRow(
        heading=_("You didn’t allow access"),
        cause=_("%(name)s says that you chose not to allow Keyrack."),
        cause_of_renewal=_("You didn’t allow access this time, so nothing was renewed."),
        tone="idle",
        icon="open",
        is_news=False,
        retry_of_renewal=_("Renew after all"),
    ),
    Ending.UNFINISHED: EndingRow(
        heading=_("You didn’t allow access"),
        cause=_("%(name)s is still waiting for your answer. Try again, sign in there and allow access."),
        tone="idle",
        icon="open",
        is_news=False,
    ),
    Ending.PAGE_OVER: EndingRow(
        heading=_("The page at %(name)s has expired"),
        cause=_(
            "%(name)s ended its sign-in page before you were signed in there. Start again, and sign in there within a "
            "few minutes."
        ),
        tone="warn",
        icon="clock",
        retry=_("Start again"),
        retry_of_renewal=_("Start again"),
    ),
    Ending.BY_POLICY: EndingRow(
        heading=_("%(name)s doesn’t allow this"),
        cause=_(
            "A rule of %(name)s or of your organization there keeps this account from using Keyrack. Ask the people "
            "who manage your account there, or sign in with another account."
        ),
        tone="warn",
        icon="lock",
    ),
    Ending.ADMINISTRATOR_FIRST: EndingRow(
        heading=_("%(name)s waits for an administrator"),
        cause=_(
            "An administrator of your organization at %(name)s has to allow Keyrack first. Ask them to, then try again."
        ),
        tone="warn",
        icon="lock",
    ),
    Ending.SECOND_STEP: EndingRow(
        heading=_("%(name)s asks for a second step"),
        cause=_(
            "Your password is right, but the second step can’t be done here. Tell your administrator that this "
            "integration needs the grant type Authorization Code."
        ),
        tone="warn",
        icon="key",
    ),
    Ending.EMPTY_ANSWER: EndingRow(
        heading=_("%(name)s gave no answer"),
        cause=_("Some providers do this if you don’t allow access. Try again and allow access there."),
    ),
    Ending.NO_LONGER_AVAILABLE: EndingRow(
        heading=_("You can’t use %(name)s any more"),
        heading_of_renewal=_("You can’t use %(name)s any more"),
        cause=_("An administrator has changed who may use it, or how. Nothing was stored."),
        tone="warn",
        icon="lock",
        retry="",
        retry_of_renewal="",
    ),
    Ending.MISCONFIGURED: EndingRow(
        heading=_("%(name)s isn’t set up correctly"),
        cause=_("You did nothing wrong, and trying again won’t help. Only an administrator can fix this."),
        cause_of_renewal=_(
            "It could not be renewed, because it isn’t set up correctly here. You did nothing wrong, and trying again "
            "won’t help. Only an administrator can fix this."
        ),
        tone="warn",
        icon="alert",
        retry="",
        retry_of_renewal="",
    ),
    Ending.CLOCKS_DIFFER: EndingRow(
        heading=_("The clocks differ"),
        cause=_(
            "The clocks of %(name)s and Keyrack differ by %(minutes)s, so the sign-in can’t be checked. If Keyrack’s "
            "clock is right, %(name)s must set its own."
        ),
        tone="warn",
        icon="clock",
    ),
    Ending.UNSAFE: EndingRow(
        heading=_("This sign-in was stopped"),
        cause=_("The answer did not come from where it should. For your safety nothing was stored."),
    ),
    Ending.UNANSWERED: EndingRow(
        heading=_("%(name)s doesn’t answer"),
        cause=_("You did nothing wrong. Try again in a few minutes. If it stays like this, tell an administrator."),
        cause_of_renewal=_("%(name)s didn’t answer, so nothing was renewed. Try again in a few minutes."),
    ),
    Ending.FAILED: EndingRow(
        heading=_("%(name)s did not complete the sign-in"),
        cause=_("Nothing was stored. Try again."),
        cause_of_renewal=_("%(name)s did not complete the sign-in, so nothing was renewed."),
    ),
}
