"""Keep tokens alive: renew access tokens before a caller has to wait, and use refresh tokens before they idle out.

Due tokens are read from the database in each run, so a run may stop at any time. Starts renewals for a part of a
minute; `renewal.renew` handles leases, pauses and providers that do not answer.
"""

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from uuid import UUID

from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from foundation.error_boundary import error_boundary
from foundation.oauth_client.errors import OAuthError
from foundation.secrets_at_rest import has_key
from integrations.connections import renewal
from integrations.connections.renewal import NoUsableToken, journal
from integrations.connections.renewal.refresh_request import INTERNAL_ERROR
from integrations.models.tokens import Token, TokenQuerySet, TokenState, refresh_token_is_over

HORIZON, HORIZON_SHARE = timedelta(minutes=30), 0.25  # before expiry, or of the lifetime: before callers would renew
SHORTEST = timedelta(minutes=10)  # tokens with a shorter lifetime would be renewed all day long without being used
LATELY = timedelta(days=1)  # only tokens used within this time are renewed ahead
TOUCH, TOUCH_SHARE = timedelta(days=7), 0.2  # before an unused refresh token expires, or of its lifetime
EARLIEST, LATEST = 0.6, 1.0  # of these spans, different for each token, to spread the load
READ_AT_MOST = 2000
MOST_PER_PROVIDER = 100  # in one run
LANES_PER_PROVIDER = 2  # requests at once
THREADS = 8
HAND_OUT_SECONDS = 22.0  # a renewal that begins by then has ended when the run does
RUN_SECONDS = 45.0

Lane = SimpleQueue[Token]  # the tokens of one provider, shared by its threads


def run() -> None:
    """Renew what is due. Safe to repeat, also in parallel: each token has its lease."""
    started_at = time.monotonic()
    lanes = list(lanes_of(due(timezone.now())))
    random.shuffle(lanes)  # so that a slow provider is not always first
    pool = ThreadPoolExecutor(THREADS)
    futures = [pool.submit(renew_lane, lane, started_at + HAND_OUT_SECONDS) for lane in lanes]
    finished, _unfinished = wait(futures, timeout=started_at + RUN_SECONDS - time.monotonic())
    pool.shutdown(wait=False, cancel_futures=True)
    for future in finished:
        future.result()


def due(now: datetime) -> list[Token]:
    """Tokens to renew now, in random order, so that one that always fails does not always come first."""
    used = Q(expires_at__lte=now + HORIZON, last_used_at__gte=now - LATELY)
    idle = Q(refresh_expires_at__gt=now, refresh_expires_at__lte=now + TOUCH)
    candidates = renewable_tokens(now).filter(used | idle).order_by("?")[:READ_AT_MOST]
    return [token for token in candidates if is_due(token, now)]


def is_due(token: Token, now: datetime) -> bool:
    with error_boundary(f"Keeping token {token.hex} alive"):
        return (ends_soon(token, now) or idles_out(token, now)) and is_free(token)
    return False


def renewable_tokens(now: datetime) -> TokenQuerySet:
    """Tokens with a live refresh token and an active owner, on which no lease is held."""
    return (
        Token.objects.with_registry()
        .filter(Q(user=None) | Q(user__is_active=True))
        .exclude(refresh_token_is_over(now))
        .filter(state=TokenState.VALID, failure_code="", refresh_token__isnull=False)
        .filter(integration_type=F("credential__integration_type"))
        .filter(credential__active=True, credential__profile__registry__active=True)
        .exclude(lease_expires_at__gt=now)
    )


def ends_soon(token: Token, now: datetime) -> bool:
    """Whether it was used lately and expires soon, so that a caller would have to wait for a new one."""
    if token.expires_at is None or token.last_used_at is None or token.last_used_at < now - LATELY:
        return False
    lifetime = token.expires_at - began_at(token)
    return lifetime >= SHORTEST and token.expires_at - now <= early_span(token, min(HORIZON, lifetime * HORIZON_SHARE))


def idles_out(token: Token, now: datetime) -> bool:
    """Whether the refresh token expires soon, which using it prevents at many providers."""
    ends_at = token.refresh_expires_at
    if ends_at is None or ends_at <= now:  # past and still tried, as an end that is only assumed
        return False
    return ends_at - now <= early_span(token, min(TOUCH, (ends_at - began_at(token)) * TOUCH_SHARE))


def began_at(token: Token) -> datetime:
    return token.refreshed_at or token.signed_in_at


def early_span(token: Token, span: timedelta) -> timedelta:
    """A share of the span that is always the same for the same token."""
    return span * (EARLIEST + (LATEST - EARLIEST) * (token.pk.int % 1000) / 1000)


def is_free(token: Token) -> bool:
    """Whether the provider is up, the keys of both tokens are configured, and the owner has agreed to the addresses."""
    registry = token.credential.registry
    sealed = ("access_token", "refresh_token")
    if registry.is_down_at(registry.token_url) or token.address_changes():
        return False
    return all(has_key(token, name) for name in sealed)


def lanes_of(tokens: list[Token]) -> Iterator[Lane]:
    """One queue per provider, repeated for each thread that uses it. A misconfigured registry gets a single token."""
    by_registry: dict[UUID, list[Token]] = defaultdict(list)
    for token in tokens:
        by_registry[token.credential.registry.pk].append(token)
    for group in by_registry.values():
        limit = 1 if group[0].credential.registry.misconfigured_code else MOST_PER_PROVIDER
        lane: Lane = SimpleQueue()
        for token in group[:limit]:
            lane.put(token)
        yield from [lane] * min(LANES_PER_PROVIDER, lane.qsize())


def renew_lane(lane: Lane, ends_at: float) -> None:
    """Renew the tokens of one queue, until the time is over or the provider does not answer."""
    with suppress(Empty):
        while time.monotonic() < ends_at and renew_token(lane.get_nowait()):
            pass


def renew_token(token: Token) -> bool:
    """Renew one token. False if that failed for a reason that may also affect the next token of this provider."""
    try:
        with error_boundary(f"Keeping token {token.hex} alive", expected=(NoUsableToken, OAuthError)):
            return renewal.renew(token).version != token.version or journal.was_broken_off(token)
    except NoUsableToken:
        pass  # concerns this person alone, who must sign in again
    except OAuthError as error:
        return error.code == INTERNAL_ERROR  # concerns this token alone
    finally:
        connection.close()
    return True
