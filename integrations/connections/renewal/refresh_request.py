"""Send one refresh request under the lease, review a refusal, and store the result.

A refusal means that the sign-in has ended, that our registration is broken, or that neither is certain yet.
"""

import random
from copy import copy
from datetime import timedelta
from functools import partial

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from foundation.database import insist, release_connection
from foundation.error_boundary import error_boundary
from foundation.oauth_client import client, provider_requests
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.client_check import ClientCheck, Verdict
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unexplained, Unreachable, Unusable
from integrations import circuit_breaker, registration_health
from integrations.connections.renewal import journal, leases
from integrations.connections.renewal.validity import NoUsableToken, ensure_readable, usable_or_raise
from integrations.models import events
from integrations.models.events import EventKind
from integrations.models.failures import CLIENT_REFUSED, UNEXPLAINED_REFUSALS
from integrations.models.registry import ApplicationRegistry, RevocationReach
from integrations.models.tokens import INTERRUPTED, Renewal, RenewalOutcome, Token, TokenState, create_revocation

INTERNAL_ERROR = "internal_error"
# Errors for callers, or a database that is down: nothing can be written then, and the attempt counts as interrupted.
EXPECTED = (OAuthError, NoUsableToken, OperationalError, InterfaceError)
PAUSE_AFTER_FAULT = timedelta(minutes=1)  # after an internal error
PAUSE = timedelta(seconds=2)  # after a provider was down, in which no process renews this token
QUICK_TRIES = 3  # with that pause
BRAKE, BRAKE_FACTOR = timedelta(seconds=30), 4  # after responses without a token: 30 s, 2 min, 8 min and so on
LONGEST_PAUSE = timedelta(hours=1)  # at most, whatever the server asks for
LONGEST_BACK_OFF = timedelta(minutes=30)  # at most, after repeated responses without a token
UNEXPLAINED_AT_MOST = timedelta(days=1)  # after that, the person must sign in again


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
        if token.granted_at > timezone.now() - timedelta(seconds=renewal.not_before):
            raise Unreachable("too_early")
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

    After an interruption the refusal is our fault: the process that died had spent the refresh token. An access token
    that lives is used until it expires, unless the API called it dead.
    """
    with transaction.atomic(durable=True):
        journal.settle(attempt, RenewalOutcome.REFUSED, error)
        stored = leases.lock_row(token, lease_owner=attempt.hex)
        if stored and journal.follows_an_interruption(attempt):
            end_token(stored, INTERRUPTED, EventKind.RENEWAL_INTERRUPTED, keep_access=stored.lives_for())
        elif stored:
            is_usable = stored.expires_at is not None and stored.lives_for() and not attempt.is_access_token_dead
            end_token(stored, error.code, EventKind.REAUTH_NEEDED, keep_access=is_usable)
    if stored is None:
        return replacement_of(token, Unreachable("renewal_postponed"))
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


def review(token: Token, attempt: Renewal, error: OAuthError) -> OAuthError:
    """The error to act upon. `Refused` only if it is about this token, and our registration is accepted.

    If that is in doubt, checks our registration at the provider first, with the lease prolonged.
    """
    if token.is_client_credentials and isinstance(error, Refused | Unexplained):
        return Misconfigured(error.code)  # there is no person whose grant could be refused
    if not (isinstance(error, Refused | Unexplained) or is_ambiguous(error) or grants_nothing(error)):
        return error
    registry = token.credential.registry
    registry.refresh_from_db(fields=["registration_changed_at", "registration_accepted_at", "unknown_token_answer"])
    if isinstance(error, Refused) and not registry.is_unproven:
        return error
    is_suspect = registry.is_unproven or registration_health.several_refused(registry, error.code, token.user_id)
    if grants_nothing(error) and not is_suspect:
        return error
    check = registration_health.last_check(registry)
    if check is None or not is_conclusive(check, error):
        leases.extend(attempt)
        release_connection()
        check = registration_health.check_registration(registry)
    reviewed = conclude(registry, error, check, is_suspect=is_suspect) or retriable_error(token, error)
    if isinstance(reviewed, Refused) and not isinstance(error, Refused):
        registration_health.report_unexplained_end(registry, error, token.user_id)
    return reviewed


def is_ambiguous(error: OAuthError) -> bool:
    """Whether it is unauthorized_client, which Gitea and Atlassian also send for a dead refresh token."""
    return error.code == "unauthorized_client" and error.status != 401


def grants_nothing(error: OAuthError) -> bool:
    """Whether the response has neither tokens nor a refusal: an HTML page, or an unknown code with status 200.

    Never final for a person; but a server may respond like this to a client that it does not know.
    """
    is_page = isinstance(error, Unreachable) and error.status == 403
    return is_page or (isinstance(error, Unusable) and not isinstance(error, Unexplained))


def is_conclusive(check: ClientCheck, error: OAuthError) -> bool:
    return isinstance(error, Refused) or check.unknown_token_answer == error.fingerprint


def conclude(
    registry: ApplicationRegistry, error: OAuthError, check: ClientCheck | None, *, is_suspect: bool
) -> OAuthError | None:
    """The error that follows from the check, or None. `check` is None while another caller is checking."""
    if check is None:  # the result of the other caller is not known yet, so nothing is final
        return registration_health.held_error(registry) if registration_health.is_held(registry) else None
    if check.verdict == Verdict.REFUSED:
        return registration_health.hold_renewals(registry, CLIENT_REFUSED, reason=error.reason)
    if check.verdict == Verdict.ACCEPTED:
        # The server responds to a dead token as it does to one that it never issued.
        is_final = is_conclusive(check, error) and not grants_nothing(error)
        return with_words_of(error, Refused(error.code)) if is_final else None
    if is_suspect and not isinstance(error, Misconfigured):
        return registration_health.hold_renewals(registry, UNEXPLAINED_REFUSALS, reason=error.reason)
    return None


def retriable_error(token: Token, error: OAuthError) -> OAuthError:
    """The error to report while the token is kept and tried again; `Refused` after a day, so the person signs in."""
    if isinstance(error, Misconfigured) or grants_nothing(error):
        return error
    since = journal.failing_since(token, Unexplained)
    if since is not None and since < timezone.now() - UNEXPLAINED_AT_MOST and not token.lives_for():
        return with_words_of(error, Refused(error.code))
    return with_words_of(error, Unexplained(error.code, error.description))


def with_words_of(error: OAuthError, other: OAuthError) -> OAuthError:
    """The other error, with what the response of this one said."""
    other.status, other.fingerprint = error.status, error.fingerprint
    other.reason, other.meaning, other.claims = error.reason, error.meaning, error.claims
    return other
