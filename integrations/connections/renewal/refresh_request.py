"""Send one refresh request under the lease, and store its result."""

import random
from copy import copy
from datetime import timedelta
from functools import partial

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from foundation.error_boundary import error_boundary
from foundation.oauth_client import client
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unreachable, Unusable
from integrations import circuit_breaker, registration_health
from integrations.connections.renewal import journal, leases
from integrations.connections.renewal.database_connections import insist, release_connection
from integrations.connections.renewal.refusals import review
from integrations.connections.renewal.validity import NoUsableToken, ensure_readable, usable_or_raise
from integrations.models import events
from integrations.models.events import EventKind
from integrations.models.registry import RevocationReach
from integrations.models.tokens import INTERRUPTED, Renewal, RenewalOutcome, Token, TokenState, create_revocation

INTERNAL_ERROR = "internal_error"
# Errors for callers, or a database that is down: nothing can be written then, and the attempt counts as interrupted.
EXPECTED = (OAuthError, NoUsableToken, OperationalError, InterfaceError)
PAUSE_AFTER_FAULT = timedelta(minutes=1)  # after an internal error
PAUSE = timedelta(seconds=2)  # after a failed renewal, in which no process renews this token
LONGEST_PAUSE = timedelta(minutes=5)  # at most, whatever the server asks for
LONGEST_BACK_OFF = timedelta(minutes=30)  # at most, after repeated responses without a token


def renew_and_store(token: Token, attempt: Renewal) -> Token:
    """Renew the token and store the result. A refusal is stored too; any other failure leaves the token as it is.

    An unexpected exception settles the journal entry and releases the lease, after a pause.
    """
    with error_boundary(f"Renewal {attempt.hex}", on_error=partial(break_off_renewal, attempt), expected=EXPECTED):
        return ask_and_store(token, attempt)
    return replacement_of(token, Unusable(INTERNAL_ERROR))


def ask_and_store(token: Token, attempt: Renewal) -> Token:
    registry = token.credential.registry
    try:
        answer = send_request(token)
    except OAuthError as error:
        insist(partial(circuit_breaker.record_result, registry, registry.token_url, error))
        error = insist(partial(review, token, attempt, error))
        if isinstance(error, Refused):
            return insist(partial(store_refusal, token, attempt, error))
        insist(partial(store_failure, attempt, error))
        if isinstance(error, Misconfigured):
            registry.note_misconfigured(error.code, reason=error.reason or error.description)
        return usable_or_raise(token, error)
    stored = insist(partial(store_answer, token, attempt, answer))
    registration_health.note_accepted(registry)
    circuit_breaker.record_result(registry, registry.token_url)
    return stored


def send_request(token: Token) -> TokenAnswer:
    """Send the request, without holding a database connection meanwhile."""
    registration, refresh_token = token.credential.registry.registration(), token.refresh_token
    scopes = token.credential.profile.scope_values() if token.is_client_credentials else []
    release_connection()
    if token.is_client_credentials:
        return client.client_credentials(registration, scopes=scopes)
    return client.refresh(registration, refresh_token=refresh_token)


def store_answer(token: Token, attempt: Renewal, answer: TokenAnswer) -> Token:
    """Commit the new token. If the row was deleted or replaced meanwhile, revoke the new token instead.

    The present holder of the lease does not matter: as long as the version is the same, this token is the newest.
    """
    with transaction.atomic(durable=True):
        journal.settle(attempt, RenewalOutcome.RENEWED)
        stored = leases.lock_row(token)
        if stored is None:
            revoke_unless_replaced(token, answer)
        elif stored.is_of_another(answer):
            revoke_answer(stored, answer, reason="other_account")
            end_token(stored, "other_account", EventKind.OTHER_ACCOUNT)
        else:
            apply_answer(stored, answer)
            stored.save()
    if stored is None:
        return replacement_of(token, Unreachable("renewal_postponed"))
    if stored.state != TokenState.VALID:
        raise NoUsableToken(stored.failure_code)
    return stored


def revoke_unless_replaced(token: Token, answer: TokenAnswer) -> None:
    """Revoke the new token, unless the person has signed in again and both may belong to the same grant."""
    if not (Token.objects.filter(pk=token.pk).exists() or shares_newer_grant(token)):
        revoke_answer(token, answer, reason="renewed_after_end")


def shares_newer_grant(token: Token) -> bool:
    """Whether the person has signed in again, at a provider where one revocation ends all tokens of the grant."""
    ends_whole_grant = token.credential.registry.revocation_reach == RevocationReach.GRANT
    return ends_whole_grant and Token.objects.of(token.user, token.credential).exists()


def revoke_answer(token: Token, answer: TokenAnswer, *, reason: str) -> None:
    """Create the revocation of new tokens that are not stored."""
    orphan = copy(token)
    apply_answer(orphan, answer)
    create_revocation(orphan, reason=reason, orphaned=True)


def apply_answer(token: Token, answer: TokenAnswer) -> None:
    token.take(answer, registry=token.credential.registry)
    token.refreshed_at, token.version = timezone.now(), token.version + 1
    token.lease_owner, token.lease_expires_at = "", None


def replacement_of(token: Token, error: OAuthError) -> Token:
    """The token that has replaced this one during the renewal; otherwise this one while it is valid."""
    stored = leases.reload(token)
    if stored.version != token.version:
        return ensure_readable(stored)
    return usable_or_raise(stored, error)


def store_refusal(token: Token, attempt: Renewal, error: Refused) -> Token:
    """Store the refusal of this version. A newer one, or one that another process renews now, is left alone.

    After an interruption the refusal is our fault: the process that died had spent the refresh token. The access token
    that it left behind is used until it expires.
    """
    with transaction.atomic(durable=True):
        journal.settle(attempt, RenewalOutcome.REFUSED, error)
        stored = leases.lock_row(token, lease_owner=attempt.hex)
        if stored and journal.follows_an_interruption(attempt):
            end_token(stored, INTERRUPTED, EventKind.RENEWAL_INTERRUPTED, keep_access=stored.lives_for())
        elif stored:
            end_token(stored, error.code, EventKind.REAUTH_NEEDED)
    if stored is None:
        return replacement_of(token, Unreachable("renewal_postponed"))
    if stored.usable_for():
        return ensure_readable(stored)
    raise NoUsableToken(stored.failure_code) from error


def end_token(stored: Token, code: str, event: EventKind, *, keep_access: bool = False) -> None:
    stored.give_up(code, keep_access=keep_access)
    events.log_event(stored.user, stored.credential, event)


def reject_token(token: Token) -> None:
    """Store that a third party rejects an access token that cannot be renewed."""
    with transaction.atomic():
        stored = leases.lock_row(token)
        if stored:
            end_token(stored, token.failure_code or "invalid_token", EventKind.REAUTH_NEEDED)


def store_failure(attempt: Renewal, error: OAuthError) -> None:
    with transaction.atomic(durable=True):
        journal.settle(attempt, RenewalOutcome.FAILED, error)
        earlier = (
            journal.failures(attempt.token_id, attempt.version).filter(kind=type(error).__name__.lower()).count() - 1
        )
        leases.drop(attempt, pause_after(error, earlier))


def break_off_renewal(attempt: Renewal, _error: Exception) -> None:
    insist(partial(store_interruption, attempt))


def store_interruption(attempt: Renewal) -> None:
    """Settle the entry as broken and release the lease. Whether the server has responded is not known."""
    with transaction.atomic(durable=True):
        journal.break_off(attempt)
        leases.drop(attempt, PAUSE_AFTER_FAULT)


def pause_after(error: OAuthError, earlier: int = 0) -> timedelta:
    """The pause after a failure. It grows with `earlier` if the provider responds without a token each time.

    It does not if the provider is down, which the circuit breaker handles, or if the registration is broken.
    """
    jitter = random.uniform(0.5, 1.5)  # noqa: S311 - not a secret
    is_growing = isinstance(error, Unusable) or (400 <= error.status < 500 and not isinstance(error, Misconfigured))
    factor: int = 4 ** min(earlier, 8) if is_growing else 1
    pause = min(PAUSE * factor, LONGEST_BACK_OFF) * jitter
    retry_after = (error.retry_after or 0) if isinstance(error, Unreachable) else 0
    return max(pause, min(timedelta(seconds=retry_after), LONGEST_PAUSE))
