"""Streamed exchanges: neither the body of the request nor that of the response is ever held in memory as a whole.

Uses the same guarded connections and pool as buffered requests. Redirects are not followed, content is not decoded,
nothing is retried. Read a `Stream` to its end, or close it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import urllib3

from foundation.oauth_client.errors import OAuthError
from foundation.oauth_client.transport import limits, sessions
from foundation.oauth_client.transport.framing import length_of
from foundation.oauth_client.transport.limits import DEADLINE, IDLE, Flow

PIECE = 128 << 10  # bytes read at once, at most


class Stream:
    """A response whose headers have arrived. Iterate for the body as it arrives, in its content encoding."""

    def __init__(self, raw: urllib3.BaseHTTPResponse) -> None:
        self._raw = raw
        self.status_code = raw.status
        self.headers = raw.headers
        self.length = length_of(raw.headers.getlist("Transfer-Encoding"), raw.headers.getlist("Content-Length"))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            with sessions.translate_errors():
                piece = self._raw.read1(PIECE, decode_content=False)
        except OAuthError as error:
            raise error from None  # the web server would log the cause, with bytes of the body
        if not piece:
            self.close()
            raise StopIteration
        return piece

    def close(self) -> None:
        """Close the stream, and its connection too if the body was not read to its end. Safe to repeat."""
        self._raw.close()
        self._raw.release_conn()


def stream(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str | bytes],
    body: Iterable[bytes] | None = None,
    deadline: float = DEADLINE,
    idle: float = IDLE,
) -> Stream:
    """Send a request, and return when the response begins. A body without a Content-Length header is sent in chunks.

    `deadline`: seconds to connect, and again from the last byte of the request to the headers of the response. `idle`:
    seconds for each piece of a body.
    """
    parts = sessions.check_spelling(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    flow = Flow(deadline=deadline, idle=idle)
    with limits.use_limits(flow), sessions.translate_errors():
        raw = sessions.shared_pool(url).urlopen(
            method,
            path,
            body=None if body is None else timed_body(body, flow),
            headers=headers,  # type: ignore[arg-type]  # http.client sends bytes as they are
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
    flow.let_body_pass()
    return Stream(raw)


def timed_body(body: Iterable[bytes], flow: Flow) -> Iterator[bytes]:
    """The body of the request; the deadline of the response starts after its last piece."""
    flow.let_body_pass()
    yield from body
    flow.wait_for_answer()
