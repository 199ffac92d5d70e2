"""Failures of sign-ins: recorded for the person, and reported to administrators if only they can mend the cause."""

import re

from foundation.oauth_client import error_codes
from foundation.oauth_client.errors import ClockSkew, Fault, Misconfigured, OAuthError
from integrations import registration_health
from integrations.connections import tasks
from integrations.models import events
from integrations.models.card import Ending, ending_of_failure
from integrations.models.events import EventKind
from integrations.models.failures import failure_of
from integrations.models.registry import GrantType, Use
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt, Revocation, RevocationState

# Failures that say nothing about our set-up, however many people meet them.
OF_THE_PERSON = {
    *(Ending.DENIED, Ending.UNFINISHED, Ending.PAGE_OVER, Ending.UNANSWERED, Ending.CLOCKS_DIFFER),
    *(Ending.NO_LONGER_AVAILABLE, Ending.ACCOUNT_REFUSED, Ending.NOTHING_TO_CHOOSE, Ending.MISCONFIGURED),
}
PROBLEM_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")


def fail_attempt(
    attempt: AuthorizationAttempt, code: str, *, reason: str = "", broken: Use | None = None, meaning: str = ""
) -> None:
    """End the sign-in with this code. `broken`: the use for which our registration at the provider is broken.

    If several people fail with the same code and nobody succeeds in between, our set-up is to blame as well.
    """
    events.log_event(attempt.user, attempt.credential, EventKind.SIGN_IN_FAILED, code)
    may_be_ours = not broken and may_be_set_up(attempt, code, meaning)
    if may_be_ours and registration_health.several_failed_sign_in(attempt.registry, code):
        broken, meaning = Use.SIGN_IN, meaning if has_ending(meaning) else "registration_wrong"
    attempt.finish(AttemptStatus.FAILED, failure_code=code, failure_reason=reason, meaning=meaning)
    if broken:
        problem = code if PROBLEM_CODE.fullmatch(code) else "unknown_error"
        attempt.registry.note_misconfigured(problem, use=broken, reason=reason)


def may_be_set_up(attempt: AuthorizationAttempt, code: str, meaning: str) -> bool:
    """Whether a failure like this can be due to our set-up, if it happens to several people."""
    is_password = attempt.credential.profile.grant_type == GrantType.PASSWORD and meaning != "second_step"
    row = failure_of(code)
    is_keyracks = bool(row and row.fault == Fault.KEYRACK) or code in ("internal_error", "registration_changed")
    return not (is_password or is_keyracks or ending_of_failure(code, meaning) in OF_THE_PERSON)


def has_ending(meaning: str) -> bool:
    """Whether the page where a sign-in ends has words of its own for this meaning of a rule."""
    row = failure_of(meaning)
    return bool(row and row.ending)


def fail_with_error(attempt: AuthorizationAttempt, error: OAuthError, *, use: Use = Use.TOKENS) -> None:
    """End the sign-in with this error. `use`: what our registration was used for."""
    is_about_sign_in = error.code in error_codes.ABOUT_SIGN_IN or isinstance(error, ClockSkew)
    broken = Use.SIGN_IN if is_about_sign_in else use
    is_ours = isinstance(error, Misconfigured | ClockSkew)
    reason = error.reason or error.description
    fail_attempt(attempt, error.code, reason=reason, broken=broken if is_ours else None, meaning=error.meaning)


def end_if_cancelled(attempt: AuthorizationAttempt) -> bool:
    """Lock the row and, if the sign-in was cancelled meanwhile, revoke what was fetched since. Within a transaction.

    Ask before each change of the status after the exchange: the cancellation has already been told to its caller.
    """
    if not attempt.was_cancelled():
        return False
    tasks.deliver_soon(attempt.revoke_answer(reason="cancelled"))
    attempt.finish(AttemptStatus.CANCELLED, failure_code=attempt.failure_code)
    return True


def revoke_and_fail(attempt: AuthorizationAttempt, code: str) -> None:
    """Revoke the tokens instead of storing them, and end the sign-in with this code."""
    tasks.deliver_soon(attempt.revoke_answer(reason=code))
    fail_attempt(attempt, code)


def was_asked_to_cancel(attempt: AuthorizationAttempt) -> bool:
    """Whether the tokens of this declined sign-in are being revoked at the provider."""
    if attempt.failure_code != "other_account_declined":
        return False
    declined = Revocation.objects.of(attempt.owner, attempt.credential).filter(reason=attempt.failure_code)
    return declined.filter(created_at__gte=attempt.created_at).exclude(state=RevocationState.UNSUPPORTED).exists()
