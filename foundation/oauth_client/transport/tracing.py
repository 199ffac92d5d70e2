"""A hook around each request to a third party, for traces. Knows no library of traces; without one, it does nothing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class TracedRequest:
    """One request as traces may know it. `headers` are added by the tracer; `status` is 0 if no answer came."""

    method: str
    host: str
    alias: str
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 0


Tracer = Callable[[TracedRequest], AbstractContextManager[None]]

_tracer: Tracer | None = None
_alias: ContextVar[str] = ContextVar("alias", default="")


def trace_with(tracer: Tracer | None) -> None:
    """Enter the tracer's context around each request of this process."""
    global _tracer
    _tracer = tracer


@contextmanager
def requests_of_alias(alias: str) -> Iterator[None]:
    """A context whose requests belong to calls of this alias."""
    token = _alias.set(alias)
    try:
        yield
    finally:
        _alias.reset(token)


@contextmanager
def trace_request(method: str, url: str) -> Iterator[TracedRequest]:
    """A context that sends one request. Set the status of the answer on what it yields."""
    request = TracedRequest(method.upper(), urlsplit(url).hostname or "", _alias.get())
    if _tracer is None:
        yield request
        return
    with _tracer(request):
        yield request
