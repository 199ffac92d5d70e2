"""Where an answer begins and ends, in one reading (RFC 9112 section 6.3). An answer that has two is none.

http.client takes what it can get: "103 Early Hints" for the answer, "gzip, chunked" for no framing at all, "1_0" for
ten bytes. What is left over would be read as the answer to the next call on this connection, or on the one that ours
is passed on through; and that may be somebody else's.
"""

import re
from collections.abc import Sequence
from http.client import CONTINUE, SWITCHING_PROTOCOLS, HTTPResponse

from integrations.oauth.errors import Unusable

A_NUMBER = re.compile(r"[0-9]{1,18}")


class Answer(HTTPResponse):
    """http.client's, only stricter."""

    def _read_status(self) -> tuple[str, int, str]:
        """Interim answers (RFC 9110 section 15.2) are passed over, all of them as "100 Continue" always was."""
        version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed leaves it out
        if status == SWITCHING_PROTOCOLS:
            raise Unusable("not_http", "the server speaks another protocol, unasked")
        return version, CONTINUE if status < 200 else status, reason

    def begin(self) -> None:
        super().begin()
        unread = self.msg.get_payload()
        if unread and isinstance(unread, str):
            raise Unusable("bad_headers", "a line that is no header hides those that follow")
        length_of(self.msg.get_all("Transfer-Encoding", []), self.msg.get_all("Content-Length", []))


def length_of(codings: Sequence[str], lengths: Sequence[str]) -> int | None:
    """Bytes of the body, or of that for which a HEAD stands. None: it goes on until it ends."""
    coding = ", ".join(codings).strip().lower()
    if coding not in {"", "chunked", "identity"}:
        raise Unusable("bad_framing", "the body is transferred in a coding that nobody asked for")
    told = {length.strip() for length in lengths}
    if coding == "chunked" or not told:
        return None
    length = told.pop()
    if told or not A_NUMBER.fullmatch(length):
        raise Unusable("bad_length", "the length of the body is not one number")
    return int(length)
