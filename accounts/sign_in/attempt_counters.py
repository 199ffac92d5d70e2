"""Counters of failed attempts in the database. An attempt is reserved before the work and settled after it.

A place is taken by one conditional UPDATE, so the limit holds for parallel requests in all threads and processes,
whatever cache the site has. Knows neither requests nor users: a counter is a text.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Case, F, Value, When
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts.sign_in.models import AttemptCounter

WAIT_SECONDS = 10.0  # for a running attempt, which returns its place if it succeeds
POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Limit:
    """At most `times` failed attempts within `duration`. The last one locks the counter for another `duration`."""

    counter: str
    times: int
    duration: timedelta


def reserve(limits: Sequence[Limit]) -> Limit | None:
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
    return [limit for limit in limits if count_one_failure(limit)]


def count_one_failure(limit: Limit) -> bool:
    rows = AttemptCounter.objects.filter(counter=limit.counter)
    counted = {"failures": F("failures") + 1, "running": Greatest(F("running") - 1, 0)}
    if rows.filter(failures=limit.times - 1).update(**counted, ends_at=timezone.now() + limit.duration):
        return True
    reaches_limit = When(failures=limit.times - 1, then=Value(timezone.now() + limit.duration))
    rows.update(**counted, ends_at=Case(reaches_limit, default=F("ends_at")))
    return False


def forget_past() -> None:
    """Delete counters whose window is over."""
    AttemptCounter.objects.filter(ends_at__lte=timezone.now()).delete()
