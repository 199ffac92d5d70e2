"""What comes of an answer: tokens that are kept, a choice between two accounts, or the reason why not."""

from collections.abc import Callable

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from foundation.error_boundary import error_boundary
from foundation.oauth_client import error_codes
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import ClockSkew, Misconfigured, OAuthError
from integrations import circuit_breaker, registration_health
from integrations.connections import tasks
from integrations.connections.authorization.access import NotAvailable, still_available
from integrations.connections.authorization.account import account_of
from integrations.models import events, revocation_reach
from integrations.models.events import EventKind
from integrations.models.registry import OtherAccount, RevocationReach, Use
from integrations.models.tokens import (
    AttemptStatus,
    AuthorizationAttempt,
    Revocation,
    RevocationState,
    Token,
)


def take(attempt: AuthorizationAttempt, fetch: Callable[[], TokenAnswer], *, named: str = "") -> None:
    """Fetch the tokens and keep them, or write down why not. `NotAvailable` when there is nobody to keep them for.

    `named`: what the person called the account, for where the provider has no word for it.
    """
    answer = None
    try:
        with error_boundary(f"Sign-in {attempt.hex}", expected=(OAuthError, NotAvailable)):
            answer = fetch()
    except OAuthError as error:
        circuit_breaker.note(attempt.registry, attempt.registry.token_url, error)
        fail_with(attempt, error)
        return
    if answer is None:
        fail(attempt, "internal_error")
        return
    if not attempt.hold(answer):
        tasks.hurry(attempt.let_go(reason="no_longer_available", orphaned=True))
        raise NotAvailable
    registration_health.note_accepted(attempt.registry, use=Use.SIGN_IN)
    circuit_breaker.note(attempt.registry, attempt.registry.token_url)
    attempt.account_id, label = account_of(attempt.registry, answer, agreed=attempt.agreed)
    attempt.account_label = label or named
    settle(attempt)


def fail(attempt: AuthorizationAttempt, code: str, *, reason: str = "", broken: Use | None = None) -> None:
    """End the sign-in with this code. `broken`: what our registration at the provider cannot be used for."""
    attempt.finish(AttemptStatus.FAILED, failure_code=code, failure_reason=reason)
    events.write(attempt.user, attempt.credential, EventKind.SIGN_IN_FAILED, code)
    if broken:
        attempt.registry.note_misconfigured(code, use=broken, reason=reason)


def fail_with(attempt: AuthorizationAttempt, error: OAuthError, *, use: Use = Use.TOKENS) -> None:
    """End the sign-in for what the provider, or our own registration, said. `use`: what was tried."""
    is_about_sign_in = error.code in error_codes.ABOUT_SIGN_IN or isinstance(error, ClockSkew)
    broken = Use.SIGN_IN if is_about_sign_in else use
    reason = error.reason or error.description
    fail(attempt, error.code, reason=reason, broken=broken if isinstance(error, Misconfigured | ClockSkew) else None)


def settle(attempt: AuthorizationAttempt) -> None:
    """Keep what was fetched, or ask about another account, or let it go if the person may not have it any more."""
    try:
        settle_once(attempt)
    except IntegrityError:  # two first sign-ins at once: the other one's row is there now
        settle_once(attempt)


def settle_once(attempt: AuthorizationAttempt) -> None:
    with transaction.atomic():
        if attempt.was_cancelled():
            tasks.hurry(attempt.let_go(reason="cancelled"))
            attempt.finish(AttemptStatus.CANCELLED, failure_code=attempt.failure_code)
            return
        answer = attempt.fetched()
        stored = Token.objects.select_for_update().of(attempt.owner, attempt.credential).first()
        if answer is None:
            fail(attempt, "unreadable")
        elif not still_available(attempt):
            refuse(attempt, "no_longer_available")
        elif stored and is_other_account(stored, attempt):
            meet_another_account(attempt)
        else:
            keep(attempt, answer, stored)


def refuse(attempt: AuthorizationAttempt, code: str) -> None:
    """What was fetched is not kept."""
    tasks.hurry(attempt.let_go(reason=code))
    fail(attempt, code)


def meet_another_account(attempt: AuthorizationAttempt) -> None:
    """Nothing that is stored changes: the person chooses, unless the administrator has chosen already."""
    if attempt.credential.other_account == OtherAccount.ASK:
        attempt.finish(AttemptStatus.OTHER_ACCOUNT)
        return
    decline(attempt, reason="other_account_refused")
    fail(attempt, "other_account_refused")


def decline(attempt: AuthorizationAttempt, *, reason: str) -> None:
    """Tokens of an account that is not wanted here. Left to expire where another sign-in hangs on the same grant."""
    if hangs_together(attempt):
        attempt.answer = ""
    else:
        tasks.hurry(attempt.let_go(reason=reason))


def hangs_together(attempt: AuthorizationAttempt) -> bool:
    """Somebody is signed in as this account elsewhere, and revoking what was fetched might end that too."""
    if attempt.registry.revocation_reach == RevocationReach.TOKEN:
        return False
    there = Token.objects.filter(credential__profile__registry=attempt.registry, account_id=attempt.account_id)
    return there.exists()


def is_other_account(stored: Token, attempt: AuthorizationAttempt) -> bool:
    return bool(stored.account_id and attempt.account_id and stored.account_id != attempt.account_id)


def keep(attempt: AuthorizationAttempt, answer: TokenAnswer, stored: Token | None) -> None:
    """The fetched tokens become the person's only ones for this credential; in place, not beside."""
    fresh = attempt.token(answer)
    supersede(attempt)
    if stored:
        if must_be_revoked(stored, attempt):
            tasks.hurry(stored.promise_copy(reason="replaced"))
        fresh.pk, fresh.version = stored.pk, stored.version + 1
        fresh.last_used_at, fresh.last_used_by = stored.last_used_at, stored.last_used_by
        fresh._state.adding = False
    fresh.save()
    attempt.finish(AttemptStatus.CONNECTED)
    account = attempt.account_label
    if stored and is_other_account(stored, attempt) and stored.account_label == account:
        account = f"{account} ({attempt.account_id})".strip()  # two accounts of one name
    detail = f"{_('for the system')} {account}".strip() if attempt.is_shared else account
    events.write(attempt.user, attempt.credential, EventKind.CONNECTED, detail)


def must_be_revoked(stored: Token, attempt: AuthorizationAttempt) -> bool:
    """Whether the tokens that are replaced are revoked at the provider.

    Not where one revocation ends everything that the person granted: it would end the new tokens too. Where that is not
    known, only when the old ones belong to another account, or to a sign-in that ran at the same time.
    """
    reach = attempt.registry.revocation_reach
    if is_other_account(stored, attempt) or reach == RevocationReach.TOKEN:
        return True
    return reach == RevocationReach.UNKNOWN and stored.signed_in_at > attempt.created_at


def supersede(attempt: AuthorizationAttempt) -> None:
    """Promises that would end the new grant are not kept, seen or not; the others only leave the card."""
    for revocation in revocation_reach.promises_against(attempt):
        revocation.settle(RevocationState.SUPERSEDED)
    promises = Revocation.objects.of(attempt.owner, attempt.credential).unkept()
    promises.filter(dismissed_at__isnull=True).update(dismissed_at=timezone.now())


def was_asked_to_cancel(attempt: AuthorizationAttempt) -> bool:
    """Whether the provider is being told that the tokens of this declined sign-in are not wanted."""
    if attempt.failure_code != "other_account_declined":
        return False
    declined = Revocation.objects.of(attempt.owner, attempt.credential).filter(reason=attempt.failure_code)
    return declined.filter(created_at__gte=attempt.created_at).exclude(state=RevocationState.UNSUPPORTED).exists()


def choose(user: User, attempt: AuthorizationAttempt, *, switch: bool) -> None:
    """The person's word on another account than before: take it, or stay and let the new tokens go. Once."""
    if attempt.user_id != user.pk or attempt.status != AttemptStatus.OTHER_ACCOUNT:
        return
    with transaction.atomic():
        if not attempt.claim(AttemptStatus.CLAIMED, while_in=AttemptStatus.OTHER_ACCOUNT):
            return
        answer = attempt.fetched()
        if switch and answer and still_available(attempt):
            keep(attempt, answer, Token.objects.select_for_update().of(attempt.owner, attempt.credential).first())
        else:
            decline(attempt, reason="other_account_declined")
            attempt.finish(AttemptStatus.CANCELLED, failure_code="other_account_declined")
