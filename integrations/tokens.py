"""What keeps a stored token true: current, renew.

One caller asks the server, however many wait: threads of one process share a flight, processes share a lease in the row
(compare-and-swap, any database). No transaction and no database connection is held while the server is asked, and what
it answers is committed alone, before anything else is done with it. Knows nothing of requests, screens or tasks.
"""

import logging
import random
import time
import uuid
from concurrent.futures import Future
from datetime import timedelta
from threading import Lock
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from integrations.models import diary
from integrations.models.diary import EventKind
from integrations.models.registry import GrantType, IntegrationType, OAuth2Credential, RevocationReach
from integrations.models.tokens import Token, TokenState, promise
from integrations.oauth import client
from integrations.oauth.answers import TokenAnswer
from integrations.oauth.errors import Misconfigured, OAuthError, Refused, Unreachable
from integrations.vault import readable

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=45)  # longer than the total deadline of a call to a token endpoint
WAIT_SECONDS = 50.0  # for somebody else's lease; a holder that died has lost it by then
MARGIN = timedelta(seconds=60)  # renewed so much before the end: clocks differ and answers travel
MARGIN_SHARE = 0.1  # of the lifetime, where that is shorter
PAUSE = timedelta(seconds=2)  # after a renewal that failed, nobody asks that server for this token
LONGEST_PAUSE = timedelta(minutes=5)  # however long the server wants us to wait


class NoUsableToken(Exception):
    """This person must authenticate (again). Says nothing about anybody else."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def current(user: User | None, credential: OAuth2Credential, *, minimum_seconds: float = 0) -> Token:
    """A token of exactly this owner that can be used now, renewed if need be.

    `minimum_seconds`: for how long the caller needs it. Raises `NoUsableToken` when only the person can help, and
    `OAuthError` when the provider or the set-up is at fault; the stored token is kept then.
    """
    token = Token.objects.of(user, credential).with_registry().first()
    if token is None and user is None and grants_to_us(credential):
        return first_of_our_own(credential)
    if token is None or token.integration_type != token.credential.integration_type:
        raise NoUsableToken("not_connected")
    if token.user and not token.user.is_active:
        raise NoUsableToken("deactivated")
    if token.state != TokenState.VALID:
        raise NoUsableToken(token.failure_code or "invalid_grant")
    return opened(token) if token.lives_for(enough(token, minimum_seconds)) else renew(token)


def grants_to_us(credential: OAuth2Credential) -> bool:
    return not credential.is_personal and credential.profile.grant_type == GrantType.CLIENT_CREDENTIALS


def first_of_our_own(credential: OAuth2Credential) -> Token:
    """The row comes first, empty and expired, so that however many ask at once find the same lease in it."""
    refuse_inside_a_transaction()
    expired = {"integration_type": IntegrationType.SYSTEM, "expires_at": timezone.now()}
    row, _is_new = Token.objects.with_registry().get_or_create(user=None, credential=credential, defaults=expired)
    return renew(row)


def enough(token: Token, minimum_seconds: float) -> float:
    """How many seconds the token must have left. Never more than a new one would have: renewing would not end."""
    if token.expires_at is None:
        return 0
    lifetime = (token.expires_at - (token.refreshed_at or token.signed_in_at)).total_seconds()
    margin = min(MARGIN.total_seconds(), lifetime * MARGIN_SHARE)
    return max(0, margin, min(minimum_seconds, lifetime - margin))


def opened(token: Token) -> Token:
    """The same token, known to be readable. One whose key is lost is never sent anywhere."""
    if not readable(token, "access_token"):
        raise unreadable(token)
    return token


def unreadable(token: Token) -> NoUsableToken:
    """For the administrator in the log; nothing is written to the row, so that all is well when the key is back."""
    logger.error("Token %s cannot be opened: is its key missing from TOKEN_ENCRYPTION_KEYS?", token.hex)
    return NoUsableToken("unreadable")


_flights: dict[UUID, "Future[Token]"] = {}
_flights_guard = Lock()


def renew(token: Token) -> Token:
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
        flight.set_result(renew_under_lease(token))
    except BaseException as error:
        flight.set_exception(error)
        raise
    finally:
        with _flights_guard:
            del _flights[token.pk]
    return flight.result()


def passenger(flight: "Future[Token]") -> Token:
    release_connection()
    try:
        return flight.result(timeout=WAIT_SECONDS)
    except TimeoutError:
        raise Unreachable(code="renewal_timeout") from None


def refuse_inside_a_transaction() -> None:
    """What the server answers must be committed whatever becomes of the caller, and nobody may wait for it locked."""
    if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise RuntimeError("A token cannot be renewed inside a transaction: ask for it before the transaction begins.")


def renew_under_lease(token: Token) -> Token:
    """Take the lease, or wait for what its holder gets. A token that still lives is used meanwhile."""
    give_up_at, pause = time.monotonic() + WAIT_SECONDS, 0.05
    while time.monotonic() < give_up_at:
        stored = as_stored(token)
        if stored.version != token.version:
            return opened(stored)
        if not stored.renews_itself:
            return still_usable(stored, NoUsableToken("expired"))
        if not (stored.is_our_own or readable(stored, "refresh_token")):
            return still_usable(stored, unreadable(stored))
        if owner := take_lease(stored):
            return ask_the_server(stored, owner)
        if stored.lives_for():
            return opened(stored)
        if is_pausing(stored):
            raise Unreachable(code="renewal_postponed")
        release_connection()
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
        pause = min(pause * 1.5, 0.5)
    raise Unreachable(code="renewal_timeout")


def as_stored(token: Token) -> Token:
    """The row as it is now, if it is there and the provider has not refused it."""
    stored = Token.objects.with_registry().filter(pk=token.pk).first()
    if stored is None or stored.state != TokenState.VALID:
        raise NoUsableToken(stored.failure_code if stored else "not_connected")
    return stored


def is_pausing(token: Token) -> bool:
    """As it was read: the last renewal failed a moment ago."""
    return not token.lease_owner and token.lease_expires_at is not None and token.lease_expires_at > timezone.now()


def still_usable(token: Token, otherwise: Exception) -> Token:
    """The old token while it lives; a failed renewal takes nothing away."""
    if token.lives_for():
        return opened(token)
    raise otherwise


def take_lease(token: Token) -> str:
    """The owner's mark, or "" when somebody else holds it, or nobody while the server is left in peace."""
    now, owner = timezone.now(), uuid.uuid4().hex
    free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=now)
    with transaction.atomic(durable=True):
        rows = Token.objects.filter(free, pk=token.pk, version=token.version, state=TokenState.VALID)
        return owner if rows.update(lease_owner=owner, lease_expires_at=now + LEASE) else ""


def ask_the_server(token: Token, owner: str) -> Token:
    registry = token.credential.registry
    try:
        registration, refresh_token = registry.registration(), token.refresh_token
        scopes = token.credential.profile.scope_values() if token.is_our_own else []
        release_connection()
        if token.is_our_own:
            answer = client.client_credentials(registration, scopes=scopes)
        else:
            answer = client.refresh(registration, refresh_token=refresh_token)
    except Refused as error:
        if give_up(token, owner, error.code):
            raise NoUsableToken(error.code) from error
        return replacement(token)
    except OAuthError as error:
        drop_lease(token, owner, pause_after(error))
        if isinstance(error, Misconfigured):
            registry.note_misconfigured(error.code)
        return still_usable(token, error)
    renewed = store(token, owner, answer)
    registry.note_misconfigured("")
    return renewed


def pause_after(error: Exception) -> timedelta:
    if isinstance(error, NoUsableToken):
        return timedelta()  # nobody was asked
    asked = (error.retry_after or 0) if isinstance(error, Unreachable) else 0
    jitter = random.uniform(0.5, 1.5)  # noqa: S311 - not a secret
    return min(max(PAUSE * jitter, timedelta(seconds=asked)), LONGEST_PAUSE)


def release_connection() -> None:
    """Nobody's database connection waits for a third party."""
    if not connection.in_atomic_block:
        connection.close()


def held(token: Token, owner: str) -> Token | None:
    """The row as it was left, if it is still there and nobody renewed or replaced it."""
    rows = Token.objects.select_for_update(of=("self",)).with_registry()
    return rows.filter(pk=token.pk, version=token.version, lease_owner=owner).first()


def store(token: Token, owner: str, answer: TokenAnswer) -> Token:
    """Commit the answer. Where the token went away meanwhile, the new one goes the same way: it is to be revoked."""
    with transaction.atomic(durable=True):
        stored = held(token, owner)
        target = stored or token
        target.take(answer, registry=target.credential.registry)
        target.refreshed_at, target.version = timezone.now(), token.version + 1
        target.lease_owner, target.lease_expires_at = "", None
        if stored:
            stored.save()
            return stored
        if Token.objects.filter(pk=token.pk).exists():
            return replacement(token)
        if hangs_on_a_newer_grant(token):
            raise NoUsableToken("not_connected")
        promise(token, reason="renewed_after_end", orphaned=True)
    raise NoUsableToken("not_connected")


def hangs_on_a_newer_grant(token: Token) -> bool:
    """The person revoked and signed in again meanwhile, at a server where one revocation would end that too."""
    whole_grants = token.credential.registry.revocation_reach == RevocationReach.GRANT
    return whole_grants and Token.objects.of(token.user, token.credential).exists()


def replacement(token: Token) -> Token:
    """What somebody put in its place while we asked for the old one: theirs counts.

    What we just got may hang on the same grant as theirs, so it is left to expire rather than revoked.
    """
    return opened(as_stored(token))


def drop_lease(token: Token, owner: str, pause: timedelta) -> None:
    """Nobody holds it, and for the pause nobody can: whoever waited gives up at once instead of asking in turn."""
    until = timezone.now() + pause
    Token.objects.filter(pk=token.pk, lease_owner=owner).update(lease_owner="", lease_expires_at=until)


def refused(token: Token) -> None:
    """The third party no longer accepts an access token that nothing can renew."""
    give_up(token, token.lease_owner, "invalid_token")


def give_up(token: Token, owner: str, code: str) -> bool:
    """The server said no to exactly this version: only the person can help. False for a newer one, left alone."""
    with transaction.atomic():
        stored = held(token, owner)
        if stored is None:
            return False
        stored.state, stored.failure_code, stored.failed_at = TokenState.NEEDS_REAUTH, code[:100], timezone.now()
        stored.lease_owner, stored.lease_expires_at, stored.version = "", None, stored.version + 1
        stored.save()
        diary.write(stored.user, stored.credential, EventKind.REAUTH_NEEDED)
        return True
