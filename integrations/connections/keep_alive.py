"""Tokens that are renewed before anybody waits for them, and refresh tokens that are used before they idle out.

What is due is read from the rows each time, so a run may end whenever it likes. Hands out work for a part of a minute;
`tokens.renew` does the rest, and knows about leases, pauses and providers that do not answer.
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
from foundation.secrets_at_rest import opens_by_header
from integrations.connections import renewal
from integrations.connections.renewal import NoUsableToken, journal
from integrations.connections.renewal.refresh_request import INTERNAL_ERROR
from integrations.models.tokens import Token, TokenQuerySet, TokenState

HORIZON, HORIZON_SHARE = timedelta(minutes=30), 0.25  # before the end, or of the lifetime: ahead of those who wait
SHORTEST = timedelta(minutes=10)  # a token that lives less would be renewed all day long, just in case
LATELY = timedelta(days=1)  # whoever works with it daily does not wait; what nobody uses costs nobody a request
TOUCH, TOUCH_SHARE = timedelta(days=7), 0.2  # before a refresh token ends that nobody used
EARLIEST, LATEST = 0.6, 1.0  # of these spans, differently for each token, so that a fleet spreads
READ_AT_MOST = 2000
MOST_PER_PROVIDER = 100  # in one run
LANES_PER_PROVIDER = 2  # requests at once
THREADS = 8
HAND_OUT_SECONDS = 22.0  # a renewal that begins by then has ended when the run does
RUN_SECONDS = 45.0

Lane = SimpleQueue[Token]  # what one provider's callers take from


def run() -> None:
    """Safe to repeat, at the same time as well: each token has its lease."""
    began = time.monotonic()
    lanes = list(lanes_of(due(timezone.now())))
    random.shuffle(lanes)  # a slow provider is not always the first in line
    pool = ThreadPoolExecutor(THREADS)
    walks = [pool.submit(walk, lane, began + HAND_OUT_SECONDS) for lane in lanes]
    over, _late = wait(walks, timeout=began + RUN_SECONDS - time.monotonic())
    pool.shutdown(wait=False, cancel_futures=True)
    for ended in over:
        ended.result()


def due(now: datetime) -> list[Token]:
    """What should be renewed now, in no order: whatever fails every time must not always come first."""
    used = Q(expires_at__lte=now + HORIZON, last_used_at__gte=now - LATELY)
    idle = Q(refresh_expires_at__lte=now + TOUCH)
    found = renewable(now).filter(used | idle).order_by("?")[:READ_AT_MOST]
    return [token for token in found if is_due(token, now)]


def is_due(token: Token, now: datetime) -> bool:
    with error_boundary(f"Keeping token {token.hex} alive"):
        return (ends_soon(token, now) or idles_out(token, now)) and is_free(token)
    return False


def renewable(now: datetime) -> TokenQuerySet:
    """With a refresh token that lives, of somebody who may use it, and left alone by everybody else just now."""
    return (
        Token.objects.with_registry()
        .filter(Q(user=None) | Q(user__is_active=True), Q(refresh_expires_at=None) | Q(refresh_expires_at__gt=now))
        .filter(state=TokenState.VALID, failure_code="", refresh_token__isnull=False)
        .filter(integration_type=F("credential__integration_type"))
        .filter(credential__active=True, credential__profile__registry__active=True)
        .exclude(lease_expires_at__gt=now)
    )


def ends_soon(token: Token, now: datetime) -> bool:
    """A caller would have to wait for a new one in a few minutes."""
    if token.expires_at is None or token.last_used_at is None or token.last_used_at < now - LATELY:
        return False
    lifetime = token.expires_at - began_at(token)
    return lifetime >= SHORTEST and token.expires_at - now <= early(token, min(HORIZON, lifetime * HORIZON_SHARE))


def idles_out(token: Token, now: datetime) -> bool:
    """Nobody may have used it for long; the provider forgets what nobody uses."""
    ends_at = token.refresh_expires_at
    if ends_at is None:
        return False
    return ends_at - now <= early(token, min(TOUCH, (ends_at - began_at(token)) * TOUCH_SHARE))


def began_at(token: Token) -> datetime:
    return token.refreshed_at or token.signed_in_at


def early(token: Token, span: timedelta) -> timedelta:
    """The same share of the span for the same token, whenever it is asked."""
    return span * (EARLIEST + (LATEST - EARLIEST) * (token.pk.int % 1000) / 1000)


def is_free(token: Token) -> bool:
    """The provider answers, the keys of both tokens are there, and its owner has agreed to where it would go."""
    registry = token.credential.registry
    sealed = ("access_token", "refresh_token")
    if registry.is_down_at(registry.token_url) or token.address_changes():
        return False
    return all(opens_by_header(token, name) for name in sealed)


def lanes_of(found: list[Token]) -> Iterator[Lane]:
    """A few lanes for each provider, fed from one line. One token is enough to ask whether a set-up works again."""
    lines: dict[UUID, list[Token]] = defaultdict(list)
    for token in found:
        lines[token.credential.registry.pk].append(token)
    for line in lines.values():
        most = 1 if line[0].credential.registry.misconfigured_code else MOST_PER_PROVIDER
        lane: Lane = SimpleQueue()
        for token in line[:most]:
            lane.put(token)
        yield from [lane] * min(LANES_PER_PROVIDER, lane.qsize())


def walk(lane: Lane, until: float) -> None:
    """One after the other, until the time is over or the provider gives nothing: the next run begins again."""
    with suppress(Empty):
        while time.monotonic() < until and keep(lane.get_nowait()):
            pass


def keep(token: Token) -> bool:
    """False when the provider did not give a new one, for a reason that may meet the next token too."""
    try:
        with error_boundary(f"Keeping token {token.hex} alive", expected=(NoUsableToken, OAuthError)):
            return renewal.renew(token).version != token.version or journal.was_broken_off(token)
    except NoUsableToken:
        pass  # that one person must sign in again
    except OAuthError as error:
        return error.code == INTERNAL_ERROR  # a fault of ours with this one token
    finally:
        connection.close()
    return True
