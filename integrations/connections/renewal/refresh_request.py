"""Asking the server under the lease, once, and holding on to whatever comes of it."""

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
from integrations.connections.renewal.refusals import reviewed
from integrations.connections.renewal.validity import NoUsableToken, opened, still_usable
from integrations.models import events
from integrations.models.events import EventKind
from integrations.models.registry import RevocationReach
from integrations.models.tokens import INTERRUPTED, Renewal, RenewalOutcome, Token, TokenState, promise

INTERNAL_ERROR = "internal_error"
# Told to callers, or a database that is away: nothing can be written then, and the attempt counts as interrupted.
EXPECTED = (OAuthError, NoUsableToken, OperationalError, InterfaceError)
PAUSE_AFTER_FAULT = timedelta(minutes=1)  # of our own
PAUSE = timedelta(seconds=2)  # after a renewal that failed, nobody asks that server for this token
LONGEST_PAUSE = timedelta(minutes=5)  # however long the server wants us to wait
LONGEST_BACK_OFF = timedelta(minutes=30)  # after answers that give nothing, again and again


def renewed(token: Token, attempt: Renewal) -> Token:
    """What the server gives for it, stored. A refusal is kept as well; anything else takes nothing away.

    An exception that nobody expected ends the attempt in the journal and gives back the lease, after a pause.
    """
    with error_boundary(f"Renewal {attempt.hex}", on_error=partial(break_off, attempt), expected=EXPECTED):
        return ask_and_store(token, attempt)
    stored = leases.as_stored(token)
    return opened(stored) if stored.version != token.version else still_usable(stored, Unusable(INTERNAL_ERROR))


def ask_and_store(token: Token, attempt: Renewal) -> Token:
    registry = token.credential.registry
    try:
        answer = ask(token)
    except OAuthError as error:
        insist(partial(circuit_breaker.note, registry, registry.token_url, error))
        error = insist(partial(reviewed, token, attempt, error))
        if isinstance(error, Refused):
            return insist(partial(give_up, token, attempt, error))
        insist(partial(leave_for_later, attempt, error))
        if isinstance(error, Misconfigured):
            registry.note_misconfigured(error.code, reason=error.reason or error.description)
        return still_usable(token, error)
    stored = insist(partial(store, token, attempt, answer))
    registration_health.note_accepted(registry)
    circuit_breaker.note(registry, registry.token_url)
    return stored


def ask(token: Token) -> TokenAnswer:
    """One request to the authorization server, and no database connection while it lasts."""
    registration, refresh_token = token.credential.registry.registration(), token.refresh_token
    scopes = token.credential.profile.scope_values() if token.is_our_own else []
    release_connection()
    if token.is_our_own:
        return client.client_credentials(registration, scopes=scopes)
    return client.refresh(registration, refresh_token=refresh_token)


def store(token: Token, attempt: Renewal, answer: TokenAnswer) -> Token:
    """Commit the answer. Where the token went away meanwhile, the new one goes the same way: it is to be revoked.

    Whose lease it is by now does not count: as long as nobody else stored anything, this is the newest there is.
    """
    with transaction.atomic(durable=True):
        journal.settle(attempt, RenewalOutcome.RENEWED)
        stored = leases.locked(token)
        if stored is None:
            let_go(token, answer)
        elif stored.is_of_another(answer):
            promise_to_revoke(stored, answer, reason="other_account")
            stop(stored, "other_account", EventKind.OTHER_ACCOUNT)
        else:
            hold(stored, answer)
            stored.save()
    if stored is None:
        return replacement(token)
    if stored.state != TokenState.VALID:
        raise NoUsableToken(stored.failure_code)
    return stored


def let_go(token: Token, answer: TokenAnswer) -> None:
    """Not where the person put something in its place: what we just got may hang on the same grant as theirs."""
    if not (Token.objects.filter(pk=token.pk).exists() or hangs_on_a_newer_grant(token)):
        promise_to_revoke(token, answer, reason="renewed_after_end")


def hangs_on_a_newer_grant(token: Token) -> bool:
    """They revoked and signed in again meanwhile, at a server where one revocation would end that too."""
    whole_grants = token.credential.registry.revocation_reach == RevocationReach.GRANT
    return whole_grants and Token.objects.of(token.user, token.credential).exists()


def promise_to_revoke(token: Token, answer: TokenAnswer, *, reason: str) -> None:
    nobodys = copy(token)
    hold(nobodys, answer)
    promise(nobodys, reason=reason, orphaned=True)


def hold(token: Token, answer: TokenAnswer) -> None:
    token.take(answer, registry=token.credential.registry)
    token.refreshed_at, token.version = timezone.now(), token.version + 1
    token.lease_owner, token.lease_expires_at = "", None


def replacement(token: Token) -> Token:
    """What somebody put in its place while we asked for the old one: theirs counts."""
    stored = leases.as_stored(token)
    return opened(stored) if stored.version != token.version else still_usable(stored, Unreachable("renewal_postponed"))


def give_up(token: Token, attempt: Renewal, error: Refused) -> Token:
    """The server said no to exactly this version. A newer one, or one that another asks for by now, is left alone.

    After an interruption the refusal is our fault, not the person's: whoever died had spent the refresh token. What
    that one left behind, an access token that lives, is used to its end.
    """
    with transaction.atomic(durable=True):
        journal.settle(attempt, RenewalOutcome.REFUSED, error)
        stored = leases.locked(token, lease_owner=attempt.hex)
        if stored and journal.follows_an_interruption(attempt):
            stop(stored, INTERRUPTED, EventKind.RENEWAL_INTERRUPTED, keep_access=stored.lives_for())
        elif stored:
            stop(stored, error.code, EventKind.REAUTH_NEEDED)
    if stored is None:
        return replacement(token)
    if stored.usable_for():
        return opened(stored)
    raise NoUsableToken(stored.failure_code) from error


def stop(stored: Token, code: str, event: EventKind, *, keep_access: bool = False) -> None:
    stored.give_up(code, keep_access=keep_access)
    events.write(stored.user, stored.credential, event)


def refused(token: Token) -> None:
    """The third party no longer accepts an access token that nothing can renew."""
    with transaction.atomic():
        stored = leases.locked(token)
        if stored:
            stop(stored, token.failure_code or "invalid_token", EventKind.REAUTH_NEEDED)


def leave_for_later(attempt: Renewal, error: OAuthError) -> None:
    with transaction.atomic(durable=True):
        journal.settle(attempt, RenewalOutcome.FAILED, error)
        earlier = (
            journal.failures(attempt.token_id, attempt.version).filter(kind=type(error).__name__.lower()).count() - 1
        )
        leases.drop(attempt, pause_after(error, earlier))


def break_off(attempt: Renewal, _error: Exception) -> None:
    insist(partial(leave_broken_off, attempt))


def leave_broken_off(attempt: Renewal) -> None:
    """Whether the server has answered is not known, so a refusal that follows is ours to explain."""
    with transaction.atomic(durable=True):
        journal.break_off(attempt)
        leases.drop(attempt, PAUSE_AFTER_FAULT)


def pause_after(error: OAuthError, earlier: int = 0) -> timedelta:
    """Longer each time where the provider answers and does not give; `earlier` counts such answers to this token.

    Not where it is away, which circuits look after, nor for a broken registration, which is mended for all at once.
    """
    jitter = random.uniform(0.5, 1.5)  # noqa: S311 - not a secret
    grows = isinstance(error, Unusable) or (400 <= error.status < 500 and not isinstance(error, Misconfigured))
    times: int = 4 ** min(earlier, 8) if grows else 1
    grown = min(PAUSE * times, LONGEST_BACK_OFF) * jitter
    asked = (error.retry_after or 0) if isinstance(error, Unreachable) else 0
    return max(grown, min(timedelta(seconds=asked), LONGEST_PAUSE))
