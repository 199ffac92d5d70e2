"""Guarded HTTP transport: all traffic with third-party servers goes through this package.

Guarantees for every call:

* A name is resolved once and the connection goes to exactly the address that was checked: the public internet or a
  configured network, nothing else. TLS is checked against the name. Plain http only inside a configured network.
* One deadline for the whole exchange, however slowly the server sends, and one limit for its size, compressed or not.
* No redirect is followed, nothing is retried, no cookie is stored, no proxy or .netrc of the environment is used.

requests-hardened covers less than half of this (loopback yes or no, no networks, time per read).
Knows HTTP; of OAuth it knows only the errors, into which it translates those of the libraries.

    sockets     where a connection may go, its deadline and size     framing     where a response begins and ends
    sessions    requests on top of guarded connections                waiting     time spent waiting for others
    sent_requests  what was sent, for masking                        tracing     a hook for traces
"""

import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from time import monotonic
from typing import Any, Self
from weakref import ReferenceType, ref

import urllib3

from foundation.exceptions import Explained
from foundation.oauth_client.errors import OAuthError
from foundation.oauth_client.transport import sessions, sockets
from foundation.oauth_client.transport.framing import length_of
from foundation.oauth_client.transport.sent_requests import request_sent
from foundation.oauth_client.transport.sessions import (
    LocalAnswer,
    Session,
    answer_here,
    check_spelling,
    check_url,
    request,
    translate_errors,
)
from foundation.oauth_client.transport.sockets import DEADLINE, IDLE, MAX_BYTES, Flow, deadline
from foundation.oauth_client.transport.tracing import TracedRequest, requests_of_alias, trace_request, trace_with
from foundation.oauth_client.transport.waiting import count_waiting, waited_seconds

__all__ = [
    "DEADLINE",
    "IDLE",
    "MAX_BYTES",
    "Flow",
    "Interrupted",
    "LocalAnswer",
    "Session",
    "Stream",
    "TracedRequest",
    "answer_here",
    "check_spelling",
    "check_url",
    "configure",
    "deadline",
    "prepare",
    "request",
    "request_sent",
    "requests_of_alias",
    "running_streams",
    "session",
    "stream",
    "trace_with",
    "translate_errors",
    "waited_seconds",
]

PIECE = 128 << 10  # bytes read at once, at most
# Streamed exchanges of this process, from the request to the end of the response. Who forgets to close one loses it.
_running: set[ReferenceType[Flow]] = set()


class Interrupted(Explained):
    """The exchange was ended here, by `Flow.interrupt`. Says nothing about the other server."""

    message = "The exchange was ended here."


def running_streams() -> list[Flow]:
    """Streamed exchanges that run now, in any thread of this process."""
    return [flow for reference in _running.copy() if (flow := reference())]


def configure(allow: Iterable[str]) -> None:
    """Allow networks (CIDR) besides the public internet; plain http only inside them. Drops open connections."""
    sockets.allow_networks(allow)
    sessions.drop_connections()


def prepare() -> None:
    """Load the root certificates now, so that the first call does not have to wait."""
    sessions.trusted_roots()


def session() -> Session:
    """The guarded session of this process, for callers that stream. Read bodies inside `translate_errors()`."""
    return sessions.shared_session()


class Stream:
    """A response whose headers have arrived. Iterate for the body as it arrives, in its content encoding."""

    def __init__(self, raw: urllib3.BaseHTTPResponse, flow: Flow) -> None:
        self._raw, self._flow = raw, flow
        self.status_code = raw.status
        self.headers = raw.headers
        self.length = length_of(raw.headers.getlist("Transfer-Encoding"), raw.headers.getlist("Content-Length"))
        self._ahead: deque[bytes] = deque()  # read by `peek`, and not yet by the iteration
        self._broken: OAuthError | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._ahead:
            return self._ahead.popleft()
        if self._broken:
            raise self._broken
        piece = self._read_piece()
        if not piece:
            self.close()
            raise StopIteration
        return piece

    def _read_piece(self) -> bytes:
        try:
            with count_waiting(), translate_errors():
                piece = self._raw.read1(PIECE, decode_content=False)
        except OAuthError as error:
            _running.discard(ref(self._flow))
            refuse_interrupted(self._flow)
            raise error from None  # the web server would log the cause, with bytes of the body
        refuse_interrupted(self._flow)
        return piece

    def peek(self, size: int, *, seconds: float) -> bytes:
        """The beginning of the body, decoded, which the iteration yields nevertheless, as it came.

        Stops after `size` bytes or, between two pieces, after so many seconds. What breaks meanwhile breaks for the
        iteration.
        """
        ends_at = monotonic() + seconds
        try:
            while sum(map(len, self._ahead)) < size and monotonic() < ends_at:
                piece = self._read_piece()
                if not piece:
                    break
                self._ahead.append(piece)
        except OAuthError as error:
            self._broken = error
        return decode_beginning(b"".join(self._ahead), self.headers.get("Content-Encoding", ""), size)

    def close(self) -> None:
        """Close the stream, and its connection too if the body was not read to its end. Safe to repeat."""
        _running.discard(ref(self._flow))
        self._raw.close()
        self._raw.release_conn()


def decode_beginning(content: bytes, coding: str, size: int) -> bytes:
    """The first bytes of an encoded body, even if its end is missing. b"" if the coding is unknown or broken."""
    coding = coding.strip().lower()
    if coding in {"", "identity"}:
        return content[:size]
    if coding not in {"gzip", "x-gzip", "deflate"}:
        return b""
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(content, size)  # 32: gzip or zlib
    except zlib.error:
        return b""


def stream(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str | bytes],
    body: Iterable[bytes] | None = None,
    deadline: float = DEADLINE,
    idle: float = IDLE,
    subject: Any = None,
) -> Stream:
    """Send a request, and return when the response begins. Neither body is ever held in memory as a whole.

    Redirects are not followed, content is not decoded, nothing is retried. A request body without a Content-Length
    header is sent in chunks. Read the `Stream` to its end, or close it.

    `deadline`: seconds to connect, and again from the last byte of the request to the headers of the response. `idle`:
    seconds for each piece of a body. `subject`: whose exchange it is, for readers of `running_streams`. Raises
    `Interrupted` if it is ended from there, as the iteration does.
    """
    parts = check_spelling(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    flow = Flow(deadline=deadline, idle=idle, subject=subject)
    _running.add(ref(flow, _running.discard))
    try:
        with trace_request(method, url) as trace, sockets.use_limits(flow), count_waiting(), translate_errors():
            raw = sessions.shared_pool(url).urlopen(
                method,
                path,
                body=None if body is None else timed_body(body, flow),
                headers={**headers, **trace.headers},  # type: ignore[dict-item]  # http.client sends bytes as they are
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            trace.status = raw.status
        flow.let_body_pass()
        return Stream(raw, flow)
    except BaseException as error:
        _running.discard(ref(flow))
        if isinstance(error, OAuthError):
            refuse_interrupted(flow)
        raise


def refuse_interrupted(flow: Flow) -> None:
    if flow.is_interrupted:
        _running.discard(ref(flow))
        raise Interrupted from None


def timed_body(body: Iterable[bytes], flow: Flow) -> Iterator[bytes]:
    """The body of the request; the deadline of the response starts after its last piece."""
    flow.let_body_pass()
    yield from body
    flow.wait_for_answer()
