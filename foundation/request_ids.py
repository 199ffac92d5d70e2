"""Request id: the name of one request in logs, from the proxy in front of the site to the tasks that it starts."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import ParamSpec, TypeVar
from uuid import uuid4

HEADER = "X-Request-ID"
A_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")  # no more than may be in a log and in a header

_current: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """The id of the request that this thread works for; "" if there is none."""
    return _current.get()


def new_request_id() -> str:
    return uuid4().hex


def accepted_request_id(presented: object) -> str:
    """The id that a caller sent, or a new one if it sent none or one that could be anything else than an id."""
    is_valid = isinstance(presented, str) and A_REQUEST_ID.fullmatch(presented)
    return str(presented) if is_valid else new_request_id()


@contextmanager
def request_id(name: str) -> Iterator[None]:
    """A context whose log lines and tasks have this id."""
    token = _current.set(name)
    try:
        yield
    finally:
        _current.reset(token)


P = ParamSpec("P")
R = TypeVar("R")


def for_threads(function: Callable[P, R]) -> Callable[P, R]:
    """The same function for other threads, where it works for the request and the trace of this one."""
    context = copy_context()

    def in_context(*args: P.args, **kwargs: P.kwargs) -> R:
        return context.copy().run(function, *args, **kwargs)

    return in_context
