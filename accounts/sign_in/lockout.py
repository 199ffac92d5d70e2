"""Lockout: limits of failed attempts, wherever a password or a code is accepted.

Attempts are counted in the database. One is reserved before the work and settled after it. A place is taken by one
conditional UPDATE, so the limit holds for parallel requests in all threads and processes, whatever cache the site has.
A known device of the user has a counter of its own, so that guesses from elsewhere don't lock it.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Case, F, Value, When
from django.db.models.functions import Greatest
from django.http import HttpRequest
from django.utils import timezone

from accounts.audit import log
from accounts.audit.log import Kind
from accounts.models import User
from accounts.sign_in.middleware import LockedOut, TooManyCodes, client_address, counted_address, device_of
from accounts.sign_in.models import AttemptCounter

# Counters -------------------------------------------------------------------------------------------------------------


WAIT_SECONDS = 10.0  # for a running attempt, which returns its place if it succeeds
POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Limit:
    """At most `times` failed attempts within `duration`. The last one locks the counter for another `duration`."""

    counter: str
    times: int
    duration: timedelta


def reserve_places(limits: Sequence[Limit]) -> Limit | None:
    """Take a place at every limit and return None. If one limit is reached, take none and return that limit."""
    for position, limit in enumerate(limits):
        if not reserve_place(limit):
            give_back(limits[:position])
            return limit
    return None


def reserve_place(limit: Limit) -> bool:
    """Take a place at one limit. Waits while running attempts hold the last places."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while not take_place(limit):
        if is_locked(limit) or time.monotonic() > give_up_at:
            return False
        time.sleep(POLL_SECONDS)
    return True


def take_place(limit: Limit) -> bool:
    """Take a place if there is one, starting a new window if the last is over."""
    now = timezone.now()
    rows = AttemptCounter.objects.filter(counter=limit.counter)
    has_room = rows.filter(ends_at__gt=now, running__lt=Value(limit.times) - F("failures"))
    over = rows.filter(ends_at__lte=now)
    restarted = {"failures": 0, "running": 1, "ends_at": now + limit.duration}
    if has_room.update(running=F("running") + 1) or over.update(**restarted):
        return True
    if rows.exists():
        return False
    AttemptCounter.objects.bulk_create([AttemptCounter(counter=limit.counter, ends_at=now)], ignore_conflicts=True)
    return bool(over.update(**restarted) or has_room.update(running=F("running") + 1))


def is_locked(limit: Limit) -> bool:
    return AttemptCounter.objects.filter(
        counter=limit.counter, failures__gte=limit.times, ends_at__gt=timezone.now()
    ).exists()


def give_back(limits: Sequence[Limit]) -> None:
    """Return the places of an attempt that succeeded or was not made. Earlier failures still count."""
    for limit in limits:
        AttemptCounter.objects.filter(counter=limit.counter, running__gt=0).update(running=F("running") - 1)


def count_failure(limits: Sequence[Limit]) -> list[Limit]:
    """Settle a failed attempt. Returns the limits that it reached: of parallel failures, one alone reaches a limit."""
    counted = {"failures": F("failures") + 1, "running": Greatest(F("running") - 1, 0)}
    reached = []
    for limit in limits:
        rows = AttemptCounter.objects.filter(counter=limit.counter)
        if rows.filter(failures=limit.times - 1).update(**counted, ends_at=timezone.now() + limit.duration):
            reached.append(limit)
            continue
        reaches_limit = When(failures=limit.times - 1, then=Value(timezone.now() + limit.duration))
        rows.update(**counted, ends_at=Case(reaches_limit, default=F("ends_at")))
    return reached


def count_use(limit: Limit) -> bool:
    """Count one use of a page that is open to everyone, such as registration; returns whether the limit allows it."""
    if reserve_places([limit]):
        return False
    count_failure([limit])
    return True


# Attempts -------------------------------------------------------------------------------------------------------------


WRONG_CODES = 5
WRONG_CODES_WITHIN = timedelta(minutes=5)


class Attempt:
    """Outcome of an attempt: a failure, unless `has_succeeded` is set."""

    has_succeeded = False


@contextmanager
def limited_attempt(
    request: HttpRequest, user: User | None, *, name: str = "", known_place: str = "", with_code: bool = False
) -> Iterator[Attempt]:
    """Reserve an attempt for the block, which sets `has_succeeded`.

    Raises `LockedOut` before the block, or after it if it fails and reaches a limit. `user` is the account that the
    attempt is for; if there is none, `name` is counted. `known_place` is set if the request comes from where this
    user's programs connect from. `with_code`: the block checks a code of the second step, which has a limit of its own.
    A `ValidationError` in the block is a failure; any other exception does not count.
    """
    limits = limits_of(request, user, name=name, known_place=known_place, with_code=with_code)
    reached = reserve_places(limits)
    if reached is not None:
        raise TooManyCodes if reached.counter.startswith("codes ") else LockedOut
    current = Attempt()
    try:
        yield current
    except ValidationError:
        record_failure(request, user, limits)
        raise
    except BaseException:
        give_back(limits)
        raise
    if current.has_succeeded:
        give_back(limits)
    else:
        record_failure(request, user, limits)


def record_failure(request: HttpRequest, user: User | None, limits: list[Limit]) -> None:
    """Count a failure and log it. Unknown names are not logged: they may be passwords typed into the wrong field."""
    reached = [limit for limit in count_failure(limits) if not limit.counter.startswith("codes ")]
    if user:
        log.write(Kind.SIGN_IN_REFUSED, whose=user, address=client_address(request))
    if reached and user:
        log.write(Kind.LOCKED_OUT, whose=user, address=client_address(request))
    if reached:
        raise LockedOut(was_tried=True)


def limits_of(request: HttpRequest, user: User | None, *, name: str, known_place: str, with_code: bool) -> list[Limit]:
    """The limits of an attempt. The address comes first: once locked, it adds no rows for more invented names."""
    device = device_of(request, user) if user else ""
    if user and (device or known_place):
        counters = [f"device {user.get_username()} {device or known_place}"]
    elif user:
        counters = [f"address {counted_address(request)}", f"name {user.get_username()}"]
    else:
        digest = sha256(name.strip().lower().encode(errors="replace")).hexdigest()
        counters = [f"address {counted_address(request)}", f"unknown name {digest}"]
    limits = [
        Limit(counter=counter, times=settings.SIGN_IN_ATTEMPTS, duration=settings.SIGN_IN_LOCK) for counter in counters
    ]
    if with_code and user:
        codes = Limit(counter=f"codes {user.pk} {device}", times=WRONG_CODES, duration=WRONG_CODES_WITHIN)
        limits.append(codes)
    return limits
