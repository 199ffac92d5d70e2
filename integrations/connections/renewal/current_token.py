"""A token that can be used now, renewed if necessary.

Single flight: one caller renews while others wait, threads for a shared future, processes for the lease.
"""

import random
import time
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from threading import Lock
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from foundation import installation
from foundation.database import (
    refuse_inside_a_transaction,
    release_connection,
    release_scarce_connection,
)
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable
from foundation.secrets_at_rest import value_or_blank
from integrations import circuit_breaker, registration_health
from integrations.connections.renewal import journal, leases
from integrations.connections.renewal.refresh_request import PAUSE, renew_and_store
from integrations.connections.renewal.validity import (
    NoUsableToken,
    Versioned,
    ensure_readable,
    is_due,
    refuse_changed_addresses,
    unreadable_error,
    usable_or_raise,
)
from integrations.models import admission
from integrations.models.registry import Alias, GrantType, IntegrationType, OAuth2Credential
from integrations.models.tokens import Token, TokenState

LONG_AGO = timedelta(days=1)  # whatever the clocks of other processes say
WAIT_SECONDS = 50.0  # for another process's lease; that of a dead process has expired by then
SHORT_WAIT_SECONDS = 0.5  # while holding the database connection
_renewals: dict[UUID, "Future[Token]"] = {}
_renewals_guard = Lock()


def current(
    user: User | None, credential: OAuth2Credential, *, minimum_seconds: float = 0, connection_url: str = ""
) -> Token:
    """A token of exactly this owner that can be used now, renewed if necessary.

    `minimum_seconds`: for how long the caller needs it; if nobody has told the end of the stored one, it is renewed
    when it is old. `connection_url`: where it is going to be sent. Raises
    `NoUsableToken` if only the person can help, also if they have not confirmed an address of the set-up, and
    `OAuthError` if the provider or the set-up is at fault; the stored token is kept in that case.
    """
    token = Token.objects.of(user, credential).with_registry().first()
    if token is None and user is None and grants_to_us(credential):
        return create_system_token(credential)
    if token is None or token.integration_type != token.credential.integration_type:
        raise NoUsableToken("not_connected")
    if token.user and not token.user.is_active:
        raise NoUsableToken("deactivated")
    if token.state != TokenState.VALID:
        raise NoUsableToken(token.failure_code or "invalid_grant")
    refuse_changed_addresses(token, connection_url)
    return refuse_lost_access(renew(token)) if is_due(token, minimum_seconds) else ensure_readable(token)


def refuse_lost_access(renewed: Token) -> Token:
    """The renewed token, unless its person may not use it any more. A provider has many seconds to answer.

    Raises `NoUsableToken`. The token stays stored, for what ends sign-ins to revoke.
    """
    if renewed.user_id is None:
        return renewed
    aliases = Alias.objects.personal_using(renewed.credential)
    if not admission.filter_admitted(renewed.user_id, aliases).exists():
        raise NoUsableToken("no_longer_available")
    return renewed


def grants_to_us(credential: OAuth2Credential) -> bool:
    return not credential.is_personal and credential.profile.grant_type == GrantType.CLIENT_CREDENTIALS


def create_system_token(credential: OAuth2Credential) -> Token:
    """Create the row of the system's token, expired and empty, for parallel callers to share its lease; renew it."""
    refuse_inside_a_transaction()
    expired = {"integration_type": IntegrationType.SYSTEM, "expires_at": timezone.now() - LONG_AGO}
    row, _is_new = Token.objects.with_registry().get_or_create(user=None, credential=credential, defaults=expired)
    return renew(row)


def renew(token: Versioned, *, is_rejected: bool = False) -> Token:
    """A newer token than this one (RFC 6749 §6). However many callers there are, one request is sent.

    `is_rejected`: an API called the access token dead, so it is not used to its end if the renewal is refused.
    """
    refuse_inside_a_transaction()
    with _renewals_guard:
        future = _renewals.get(token.pk)
        is_under_way = future is not None
        if future is None:
            future = _renewals[token.pk] = Future()
    if is_under_way:
        return wait_for_result(future)
    try:
        future.set_result(renew_under_lease(token, is_rejected=is_rejected))
    except BaseException as error:
        future.set_exception(error)
        raise
    finally:
        with _renewals_guard:
            del _renewals[token.pk]
    return future.result()


def wait_for_result(future: "Future[Token]") -> Token:
    """Wait for the thread that renews. Closing the database connection pays off only after a short wait."""
    with suppress(TimeoutError):
        return future.result(timeout=SHORT_WAIT_SECONDS)
    release_scarce_connection()
    try:
        return future.result(timeout=WAIT_SECONDS)
    except TimeoutError:
        raise Unreachable(code="renewal_timeout") from None


def renew_under_lease(token: Versioned, *, is_rejected: bool = False) -> Token:
    """Take the lease and renew, or wait for its holder. A token that is still valid is used meanwhile."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < give_up_at:
        stored = leases.reload(token)
        refuse_changed_addresses(stored)
        if stored.version != token.version:
            return ensure_readable(stored)
        if not stored.renews_itself:
            over = NoUsableToken(stored.failure_code or "expired")
            if is_rejected:
                raise over
            return usable_or_raise(stored, over)
        if not (stored.is_client_credentials or value_or_blank(stored, "refresh_token")):
            return usable_or_raise(stored, unreadable_error(stored))
        if installation.is_held():
            return usable_or_raise(stored, Misconfigured("restore_undecided"))
        registry = stored.credential.registry
        if not circuit_breaker.allows(registry, registry.token_url):
            return usable_or_raise(stored, Unreachable("provider_down"))
        if not registration_health.allows_renewals(registry):
            return usable_or_raise(stored, registration_health.held_error(registry))
        if seconds := journal.seconds_until_allowed(stored):
            return usable_or_raise(stored, Unreachable("wait", retry_after=seconds))
        if attempt := leases.take(stored):
            attempt.is_access_token_dead = is_rejected
            return renew_and_store(stored, attempt)
        if stored.lives_for():
            return ensure_readable(stored)
        if leases.is_pausing(stored):
            raise pause_error(stored)
        wait_while_held(stored, give_up_at)
    raise Unreachable(code="renewal_timeout")


def pause_error(token: Token) -> OAuthError:
    """The error of the last renewal, with the remaining time if the provider asked us to wait."""
    error = journal.last_failure(token)
    seconds_left = (token.lease_expires_at - timezone.now()).total_seconds() if token.lease_expires_at else 0
    if isinstance(error, Unreachable) and seconds_left > PAUSE.total_seconds() * 1.5:
        error.retry_after = seconds_left
    return error


def wait_while_held(token: Token, give_up_at: float) -> None:
    """Poll the lease, at intervals that grow. Releases the database connection if the wait is long."""
    started_at = time.monotonic()
    while leases.is_held(token) and (now := time.monotonic()) < give_up_at:
        if now - started_at > SHORT_WAIT_SECONDS:
            release_connection()
        pause = min(max((now - started_at) / 10, 0.01), 0.5)
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
