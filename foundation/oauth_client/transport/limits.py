"""Limits of an exchange: deadline and size. Knows no sockets."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic
from typing import TypeAlias

from foundation.oauth_client.errors import Unreachable

DEADLINE = 20.0
MAX_BYTES = 1 << 20
IDLE = 60.0  # seconds in which a streamed body must make progress
LONGEST = 6 * 3600.0  # seconds, for any exchange


@dataclass(frozen=True)
class Bounds:
    """Limits of a buffered exchange."""

    ends_at: float
    max_bytes: int

    def seconds_left(self) -> float:
        seconds = self.ends_at - monotonic()
        if seconds <= 0:
            raise Unreachable("timeout")
        return seconds


class Flow:
    """Limits of a streamed exchange of any size. They change as the exchange goes on.

    `deadline`: seconds from the end of the request to the start of the response. `idle`: seconds for each piece of a
    body.
    """

    max_bytes = sys.maxsize >> 1

    def __init__(self, *, deadline: float, idle: float) -> None:
        self.deadline, self.idle = deadline, idle
        self.ends_at = monotonic() + LONGEST
        self._due_at: float | None = None
        self.wait_for_answer()

    def wait_for_answer(self) -> None:
        self._due_at = monotonic() + self.deadline

    def let_body_pass(self) -> None:
        self._due_at = None

    def seconds_left(self) -> float:
        now = monotonic()
        seconds = min(self.ends_at - now, self.idle if self._due_at is None else self._due_at - now)
        if seconds <= 0:
            raise Unreachable("timeout")
        return seconds


Limits: TypeAlias = Bounds | Flow

_current: ContextVar[Limits | None] = ContextVar("bounds", default=None)


def current() -> Limits:
    return _current.get() or Bounds(monotonic() + DEADLINE, MAX_BYTES)


@contextmanager
def within(seconds: float, max_bytes: int | None = None) -> Iterator[None]:
    """Limit the calls in the block. Never extends an outer deadline; `max_bytes` defaults to the outer one."""
    ends_at = monotonic() + seconds
    outer = _current.get()
    if outer is not None:
        ends_at = min(ends_at, outer.ends_at)
        max_bytes = outer.max_bytes if max_bytes is None else max_bytes
    with use_limits(Bounds(ends_at, MAX_BYTES if max_bytes is None else max_bytes)):
        yield


@contextmanager
def use_limits(limits: Limits) -> Iterator[None]:
    token = _current.set(limits)
    try:
        yield
    finally:
        _current.reset(token)
