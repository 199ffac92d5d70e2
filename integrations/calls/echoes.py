"""Access tokens that this context has sent to third parties, for callers that must not pass them on.

A third party may repeat the request in its answer. Whoever hands answers to somebody without a right to the token
removes what was sent from them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

SHORTEST = 8  # characters of a token; what is shorter would be found by chance

_sent: ContextVar[set[str] | None] = ContextVar("sent_access_tokens", default=None)


@contextmanager
def collecting_sent_tokens() -> Iterator[set[str]]:
    """Yield a set that holds each token which `calls.send` sends within the block."""
    sent: set[str] = set()
    reset = _sent.set(sent)
    try:
        yield sent
    finally:
        _sent.reset(reset)


def note_sent_token(access_token: str) -> None:
    sent = _sent.get()
    if sent is not None:
        sent.add(access_token)
