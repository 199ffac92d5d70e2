"""A call whose bodies flow, however large they are: what the proxy is made of.

Of a question's body only its beginning is kept, and only while a repetition could need it.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from time import monotonic

from foundation.oauth_client import transport
from integrations.calls.buffered import DEADLINE
from integrations.calls.header_policy import BadPath, allowed_headers, method_of, passing, spoken, target
from integrations.calls.retries import IDEMPOTENT, Terms, answered, guarded
from integrations.connections import renewal

PIECE = 64 << 10  # bytes
KEPT = 256 << 10  # bytes of a question's body, so that it can be asked once more


class Cut(BadPath):
    """The caller hung up in the middle of his body: what has come is not what he meant."""


class Body:
    """What a caller sends, read as it is passed on. `length` in bytes; None: until there is no more."""

    def __init__(self, read: Callable[[int], bytes], *, length: int | None) -> None:
        self.read, self.length = read, length
        self.kept: list[bytes] | None = []
        self.passed = 0

    def __iter__(self) -> Iterator[bytes]:
        """From the beginning, if `can_begin_anew`."""
        yield from list(self.kept or ())
        while piece := self.next_piece():
            self.passed += len(piece)
            self.keep(piece)
            yield piece
        if self.length is not None and self.passed < self.length:
            raise Cut("The body is shorter than its Content-Length.")

    def next_piece(self) -> bytes:
        wanted = PIECE if self.length is None else min(PIECE, self.length - self.passed)
        try:
            return self.read(wanted) if wanted else b""
        except (OSError, ValueError):
            raise Cut("The body could not be read to its end.") from None

    def keep(self, piece: bytes) -> None:
        if self.passed > KEPT:
            self.kept = None
        elif self.kept is not None:
            self.kept.append(piece)

    @property
    def can_begin_anew(self) -> bool:
        return self.kept is not None


class Streamed:
    """A third party's answer: its status, its headers as they may be passed on, and `body` as it comes.

    Read it to its end or close it; else its connection stays open for as long as the third party likes.
    """

    def __init__(self, answer: transport.Stream) -> None:
        self.status_code, self.length = answer.status_code, answer.length
        self.headers = passing(answer.headers.items())
        self.body = answer

    def close(self) -> None:
        self.body.close()


def stream(
    call: renewal.ReadyCall,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body: Body | None = None,
    timeout: float = DEADLINE,
    used_by: str = "",
    retries: int = 0,
) -> Streamed:
    """Call the third party; returns when its answer begins. `path` may have a query behind it.

    `timeout`: seconds until then, counted anew from the end of the question's body; a body may take as long as it
    moves. Everything else as in `send`; a question whose body is longer than 256 KiB is never asked twice.
    """
    method = method_of(method)
    url = target(call.connection_url, path)
    said = {**allowed_headers(headers), **framing(body)}
    said.setdefault("User-Agent", "Keyrack")

    def ask(access_token: str, seconds: float) -> transport.Stream:
        told = spoken(said, call.registry, access_token)
        asked = partial(transport.stream, method, url, headers=told, body=body, deadline=seconds)
        return guarded(asked, call.registry, call.connection_url, seconds, release=renewal.release_scarce_connection)

    def repeatable() -> bool:
        return method in IDEMPOTENT and (body is None or body.can_begin_anew)

    answer = answered(ask, call, Terms(ends_at=monotonic() + timeout, retries=retries, repeatable=repeatable))
    renewal.note_use(call, used_by)
    renewal.release_scarce_connection()
    return Streamed(answer)


def framing(body: Body | None) -> dict[str, str]:
    return {} if body is None or body.length is None else {"Content-Length": str(body.length)}
