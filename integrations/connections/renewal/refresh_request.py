"""Send one refresh request under the lease, and store the result."""

import random
from copy import copy
from datetime import timedelta
from functools import partial

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from foundation import installation
from foundation.database import insist, release_connection
from foundation.error_boundary import error_boundary
from foundation.oauth_client import client, provider_requests
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unreachable, Unusable
from integrations import circuit_breaker, metrics, registration_health
from integrations.connections.renewal import journal, leases
from integrations.connections.renewal.refusal_review import grants_nothing, review
from integrations.connections.renewal.validity import NoUsableToken, ensure_readable, usable_or_raise
from integrations.models import events
from integrations.models.events import EventKind
from integrations.models.registry import RevocationReach
from integrations.models.revocation_reach import may_be_one_account
from integrations.models.tokens import (
    ANSWER_LOST,
    INTERRUPTED,
    RESTORED,
    Renewal,
    RenewalOutcome,
    Token,
    TokenState,
    create_revocation,
)

INTERNAL_ERROR = "internal_error"
# Errors for callers, or a database that is down: nothing can be written then, and the attempt counts as interrupted.
EXPECTED = (OAuthError, NoUsableToken, OperationalError, InterfaceError)
PAUSE_AFTER_FAULT = timedelta(minutes=1)  # after an internal error
PAUSE = timedelta(seconds=2)  # after a provider was down, in which no process renews this token
QUICK_TRIES = 3  # with that pause
BRAKE, BRAKE_FACTOR = timedelta(seconds=30), 4  # after responses without a token: 30 s, 2 min, 8 min and so on
LONGEST_PAUSE = timedelta(hours=1)  # at most, whatever the server asks for
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
        with metrics.third_party("renewal"):
            answer = send_request(token)
    except OAuthError as error:
        insist(partial(circuit_breaker.record_result, registry, registry.token_url, error))
        error = insist(partial(review, token, attempt, error))
        if isinstance(error, Refused):
            return insist(partial(store_refusal, token, attempt, error))
        insist(partial(store_failure, token, attempt, error))
        if isinstance(error, Misconfigured):
            registry.note_misconfigured(error.code, reason=error.reason or error.description)
        elif grants_nothing(error):
            since = journal.failing_since(token, type(error))
            insist(partial(registration_health.report_unusable, registry, error, since=since))
        return usable_or_raise(token, error)
    stored = insist(partial(store_answer, token, attempt, answer))
    registration_health.note_accepted(registry)
    circuit_breaker.record_result(registry, registry.token_url)
    return stored


def send_request(token: Token) -> TokenAnswer:
    """Send the request, without holding a database connection meanwhile."""
    registry, refresh_token = token.credential.registry, token.refresh_token
    registration = registry.registration().at(token.server)
    scopes = token.credential.profile.scope_values() if token.is_client_credentials else token.requested_scopes
    renewal = registration.profile.self_renewal
    release_connection()
    if token.is_client_credentials:
        return client.client_credentials(registration, scopes=scopes)
    if renewal:
        return provider_requests.renew_with_itself(registration, refresh_token)
    return client.refresh(registration, refresh_token=refresh_token, scopes=scopes, redirect_uri=registry.redirect_url)


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
    """Revoke the new token, unless that could end the sign-in that has taken the place of this one."""
    newer = Token.objects.select_for_update().of(token.user, token.credential).first()
    if newer is None or is_apart_from(token, newer):
        revoke_answer(token, answer, reason="renewed_after_end")


def is_apart_from(token: Token, newer: Token) -> bool:
    """Whether the newer token neither comes from the same sign-in nor ends with what this one was renewed to."""
    is_same_row = newer.pk == token.pk
    is_same_sign_in = is_same_row and newer.signed_in_at == token.signed_in_at  # another renewal has changed the row
    has_kept_refresh_token = journal.fingerprint(token) in {journal.fingerprint(newer)} - {""}
    if is_same_sign_in or has_kept_refresh_token:
        return False
    reach = token.credential.registry.revocation_reach
    if reach == RevocationReach.TOKEN or not may_be_one_account(newer, token):
        return True
    # As far as is known, one revocation ends one token. That is risked for a person who has revoked it, not for others.
    return reach == RevocationReach.UNKNOWN and not is_same_row


def revoke_answer(token: Token, answer: TokenAnswer, *, reason: str) -> None:
    """Create the revocation of new tokens that are not stored."""
    unwanted = copy(token)
    apply_answer(unwanted, answer)
    if token.is_of_another(answer):
        unwanted.account_id, unwanted.account_label = str(answer.claims["sub"])[:255], ""
    create_revocation(unwanted, reason=reason, may_be_gone=True)


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

    After an interruption the refusal is our fault: the process that died had spent the refresh token. After a lost
    answer it may be nobody's. After a restore, it is ours too: the token is one of the backup.
    An access token that lives is used until it expires, unless the API called it dead.
    """
    is_restored = installation.is_of_backup(token.refreshed_at or token.signed_in_at)
    with transaction.atomic(durable=True):
        journal.settle(attempt, RenewalOutcome.REFUSED, error)
        stored = leases.lock_row(token, lease_owner=attempt.hex)
        if stored and journal.follows_an_interruption(attempt):
            end_token(stored, INTERRUPTED, EventKind.RENEWAL_INTERRUPTED, keep_access=stored.lives_for())
        elif stored:
            is_usable = stored.expires_at is not None and stored.lives_for() and not attempt.is_access_token_dead
            code = ANSWER_LOST if journal.follows_a_lost_answer(attempt) else error.code
            code, event = (RESTORED, EventKind.RENEWAL_RESTORED) if is_restored else (code, EventKind.REAUTH_NEEDED)
            end_token(stored, code, event, keep_access=is_usable)
    if stored is None:
        return replacement_of(token, Unreachable("renewal_postponed"))
    if not is_restored:
        registration_health.report_refusal(token.credential.registry, error, token.user_id)
    if stored.usable_for():
        return ensure_readable(stored)
    raise NoUsableToken(stored.failure_code) from error


def end_token(stored: Token, code: str, event: EventKind, *, keep_access: bool = False) -> None:
    stored.give_up(code, keep_access=keep_access)
    events.log_event(stored.user, stored.credential, event)


def store_failure(token: Token, attempt: Renewal, error: OAuthError) -> None:
    with transaction.atomic(durable=True):
        journal.settle(attempt, RenewalOutcome.FAILED, error)
        earlier = (
            journal.failures(attempt.token_id, attempt.version).filter(kind=type(error).__name__.lower()).count() - 1
        )
        pause = pause_after(error, earlier)
        if error.meaning == "keep_token" and token.expires_at is not None:  # not before the access token has ended
            pause = max(pause, min(token.expires_at - timezone.now(), LONGEST_BACK_OFF))
        leases.drop(attempt, pause)


def break_off_renewal(attempt: Renewal, _error: Exception) -> None:
    insist(partial(store_interruption, attempt))


def store_interruption(attempt: Renewal) -> None:
    """Settle the entry as broken and release the lease. Whether the server has responded is not known."""
    with transaction.atomic(durable=True):
        journal.break_off(attempt)
        leases.drop(attempt, PAUSE_AFTER_FAULT)


def pause_after(error: OAuthError, earlier: int = 0) -> timedelta:
    """The pause after a failure. It grows with `earlier` if the provider responds without a token each time.

    It stays short at first if the provider is down, which the circuit breaker handles, and if the registration is
    broken, whose renewals are held.
    """
    jitter = random.uniform(1, 1.5)  # noqa: S311 - not a secret
    is_answer = isinstance(error, Unusable) or bool(error.meaning) or 400 <= error.status < 500
    is_growing = is_answer and not isinstance(error, Misconfigured)
    factor: int = BRAKE_FACTOR ** min(earlier, 8)
    pause = min(BRAKE * factor, LONGEST_BACK_OFF)
    if not is_growing:
        pause = PAUSE if earlier < QUICK_TRIES else BRAKE
    pause *= jitter
    retry_after = (error.retry_after or 0) if isinstance(error, Unreachable) else 0
    return max(pause, min(timedelta(seconds=retry_after), LONGEST_PAUSE))
