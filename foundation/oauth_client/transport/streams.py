"""An exchange whose bodies flow: neither the question's nor the answer's is ever held as a whole.

The same guarded connections and the same pool as everything else. Redirects are answers, no content is decoded, nothing
is retried. Whoever gets a `Stream` reads it to its end or closes it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import urllib3

from foundation.oauth_client.errors import OAuthError
from foundation.oauth_client.transport import limits, sessions
from foundation.oauth_client.transport.framing import length_of
from foundation.oauth_client.transport.limits import DEADLINE, IDLE, Flow

PIECE = 128 << 10  # bytes, at most, that are read at once


class Stream:
    """An answer that has begun. Iterating gives the body as it comes, in the encoding in which it is sent."""

    def __init__(self, raw: urllib3.BaseHTTPResponse) -> None:
        self._raw = raw
        self.status_code = raw.status
        self.headers = raw.headers
        self.length = length_of(raw.headers.getlist("Transfer-Encoding"), raw.headers.getlist("Content-Length"))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            with sessions.translated():
                piece = self._raw.read1(PIECE, decode_content=False)
        except OAuthError as error:
            raise error from None  # nobody may be left to catch it but a server that logs what their bytes were
        if not piece:
            self.close()
            raise StopIteration
        return piece

    def close(self) -> None:
        """A body that was not read to its end takes its connection with it. Safe to repeat."""
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
    """Ask, and return when the answer begins. A body without a Content-Length among the headers is sent in chunks.

    `deadline`: seconds to connect, and again from the last byte of the question to the answer's headers. `idle`:
    seconds in which each step of a body must be done.
    """
    parts = sessions.check_spelling(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    flow = Flow(deadline=deadline, idle=idle)
    with limits.obeyed(flow), sessions.translated():
        raw = sessions.shared_pool(url).urlopen(
            method,
            path,
            body=None if body is None else passing(body, flow),
            headers=headers,  # type: ignore[arg-type]  # http.client sends bytes as they are
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
    flow.let_body_pass()
    return Stream(raw)


def passing(body: Iterable[bytes], flow: Flow) -> Iterator[bytes]:
    """The answer is waited for from when the last piece is on its way."""
    flow.let_body_pass()
    yield from body
    flow.wait_for_answer()
