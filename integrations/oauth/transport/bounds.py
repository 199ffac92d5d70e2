"""How long an exchange may last and how much may come back. Knows clocks and numbers, not sockets."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic

from integrations.oauth.errors import Unreachable

DEADLINE = 20.0
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Bounds:
    ends_at: float
    max_bytes: int

    def seconds_left(self) -> float:
        seconds = self.ends_at - monotonic()
        if seconds <= 0:
            raise Unreachable("timeout")
        return seconds


_current: ContextVar[Bounds | None] = ContextVar("bounds", default=None)


def current() -> Bounds:
    return _current.get() or Bounds(monotonic() + DEADLINE, MAX_BYTES)


@contextmanager
def within(seconds: float, max_bytes: int | None = None) -> Iterator[None]:
    """Whatever is inside ends in so many seconds. Never extends an outer deadline; keeps an outer size unless told."""
    ends_at = monotonic() + seconds
    outer = _current.get()
    if outer is not None:
        ends_at = min(ends_at, outer.ends_at)
        max_bytes = outer.max_bytes if max_bytes is None else max_bytes
    token = _current.set(Bounds(ends_at, MAX_BYTES if max_bytes is None else max_bytes))
    try:
        yield
    finally:
        _current.reset(token)
