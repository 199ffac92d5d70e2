"""One caller asks, the others wait: threads of one process for the flight they share, processes for the lease."""

import random
import time
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock
from uuid import UUID

from django.utils import timezone

from foundation.oauth_client.errors import OAuthError, Unreachable
from foundation.secrets_at_rest import readable
from integrations import circuit_breaker, registration_health
from integrations.connections.renewal import journal, leases
from integrations.connections.renewal.database_connections import (
    refuse_inside_a_transaction,
    release_connection,
    release_scarce_connection,
)
from integrations.connections.renewal.refresh_request import PAUSE, renewed
from integrations.connections.renewal.validity import (
    NoUsableToken,
    Versioned,
    opened,
    refuse_changed_addresses,
    still_usable,
    unreadable,
)
from integrations.models.tokens import Token

WAIT_SECONDS = 50.0  # for somebody else's lease; a holder that died has lost it by then
SHORT_WAIT_SECONDS = 0.5  # with the database connection in the hand

_flights: dict[UUID, "Future[Token]"] = {}
_flights_guard = Lock()


def renew(token: Versioned) -> Token:
    """A newer token than this one (RFC 6749 §6). Safe to call from anywhere at once: the server is asked once."""
    refuse_inside_a_transaction()
    with _flights_guard:
        flight = _flights.get(token.pk)
        joined = flight is not None
        if flight is None:
            flight = _flights[token.pk] = Future()
    if joined:
        return passenger(flight)
    try:
        flight.set_result(pilot(token))
    except BaseException as error:
        flight.set_exception(error)
        raise
    finally:
        with _flights_guard:
            del _flights[token.pk]
    return flight.result()


def passenger(flight: "Future[Token]") -> Token:
    """Most flights are over before closing a connection and opening it again would have paid."""
    with suppress(TimeoutError):
        return flight.result(timeout=SHORT_WAIT_SECONDS)
    release_scarce_connection()
    try:
        return flight.result(timeout=WAIT_SECONDS)
    except TimeoutError:
        raise Unreachable(code="renewal_timeout") from None


def pilot(token: Versioned) -> Token:
    """Take the lease, or wait for what its holder gets. A token that still lives is used meanwhile."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < give_up_at:
        stored = leases.as_stored(token)
        refuse_changed_addresses(stored)
        if stored.version != token.version:
            return opened(stored)
        if not stored.renews_itself:
            return still_usable(stored, NoUsableToken(stored.failure_code or "expired"))
        if not (stored.is_our_own or readable(stored, "refresh_token")):
            return still_usable(stored, unreadable(stored))
        registry = stored.credential.registry
        if not circuit_breaker.allows(registry, registry.token_url):
            return still_usable(stored, Unreachable("provider_down"))
        if not registration_health.allows_renewals(registry):
            return still_usable(stored, registration_health.held_error(registry))
        if attempt := leases.take(stored):
            return renewed(stored, attempt)
        if stored.lives_for():
            return opened(stored)
        if leases.is_pausing(stored):
            raise paused(stored)
        wait_while_held(stored, give_up_at)
    raise Unreachable(code="renewal_timeout")


def paused(token: Token) -> OAuthError:
    """The reason why the last renewal failed, with the wait if the provider asked for one."""
    error = journal.last_failure(token)
    left = (token.lease_expires_at - timezone.now()).total_seconds() if token.lease_expires_at else 0
    if isinstance(error, Unreachable) and left > PAUSE.total_seconds() * 1.5:
        error.retry_after = left
    return error


def wait_while_held(token: Token, give_up_at: float) -> None:
    """Look often enough to lose no more than a tenth. Who waits long leaves the connection to others."""
    begun_at = time.monotonic()
    while leases.is_held(token) and (now := time.monotonic()) < give_up_at:
        if now - begun_at > SHORT_WAIT_SECONDS:
            release_connection()
        pause = min(max((now - begun_at) / 10, 0.01), 0.5)
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
