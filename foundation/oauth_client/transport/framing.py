"""HTTP/1.1 connections on guarded sockets, with strict framing of responses (RFC 9112 §6.3).

A response whose framing is ambiguous is rejected.

http.client and urllib3 are lenient: they take "103 Early Hints" for the response, "gzip, chunked" for no framing at all
and "1_0" for ten bytes, and fail with a ValueError at a chunk of -5. Left-over bytes would be read as the response to
the next call on the same connection, which may be another person's.

So chunked bodies are decoded here, below both libraries, which see a body that lasts until the end of the stream.
"""

import io
import re
import socket
from collections.abc import Sequence
from http.client import CONTINUE, SWITCHING_PROTOCOLS, HTTPException, HTTPResponse, LineTooLong
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from foundation.oauth_client.errors import Unreachable, Unusable
from foundation.oauth_client.transport.sockets import GuardedSocket, current_limits, dial

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

A_NUMBER = re.compile(r"[0-9]{1,18}")
# RFC 9112 §7.1: chunk-size [ chunk-ext ] CRLF. Whitespace is allowed before an extension only.
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")
LONGEST_CHUNK_LINE = 4096  # bytes
LONGEST_TRAILER_SECTION = 64 << 10  # bytes

# Charsets of texts. Python knows others by name, one of which takes minutes for a megabyte (punycode).
_TEXT_CHARSET = re.compile(
    r"us-ascii|ascii|utf[-_]?(8|16|32)([-_]?[lb]e)?|(iso[-_]?8859|latin|windows|cp)[-_]?\d{1,4}|koi8[-_][rut]"
    r"|shift[-_]?jis|sjis|windows-31j|euc[-_]?(jp|kr|cn)|iso-2022-(jp|kr)|gb2312|gbk|gb18030|big5(-hkscs)?|macintosh|mac[-_]?roman",
    re.IGNORECASE,
)


def text_charset(name: str) -> str:
    """The charset that a response names, if it is one of texts, else UTF-8."""
    return name if _TEXT_CHARSET.fullmatch(name) else "utf-8"


class Answer(HTTPResponse):
    """http.client's response, with strict framing."""

    def _read_status(self) -> tuple[str, int, str]:
        """Skip all interim responses (RFC 9110 §15.2), as http.client does with "100 Continue" alone."""
        version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed leaves it out
        if status == SWITCHING_PROTOCOLS:
            raise Unusable("not_http", "the server switched to another protocol")
        return version, CONTINUE if status < 200 else status, reason

    def begin(self) -> None:
        try:
            super().begin()
        except HTTPException as error:
            if type(error) not in {HTTPException, LineTooLong}:
                raise
            raise Unusable("bad_headers", "there are too many header lines, or too long ones") from None
        unread = self.msg.get_payload()
        if unread and isinstance(unread, str):
            raise Unusable("bad_headers", "a line that is no header hides those that follow")
        codings, lengths = self.msg.get_all("Transfer-Encoding", []), self.msg.get_all("Content-Length", [])
        length_of(codings, lengths)
        if codings and coding_of(codings) == "chunked":
            self._decode_chunks(is_dubious=bool(lengths) or self.version < 11)

    def _decode_chunks(self, *, is_dubious: bool) -> None:
        """Decode the body, and hide the coding from the libraries, which would decode again.

        A Content-Length beside it is ignored (§6.3), but then the connection is not reused, nor one of HTTP/1.0 (§6.1).
        """
        del self.msg["Transfer-Encoding"], self.msg["Content-Length"]
        self.chunked = False
        has_body = self.length is None
        if has_body:
            self.fp = io.BufferedReader(ChunkedBody(self.fp))
        if is_dubious or not (has_body or self._method == "HEAD"):  # type: ignore[attr-defined]  # typeshed leaves it out
            self.will_close = True


class ChunkedBody(io.RawIOBase):
    """The content of a chunked body (RFC 9112 §7.1), read up to the end of its trailer section."""

    def __init__(self, source: BinaryIO) -> None:
        self.source = source
        self.left = 0  # bytes of the current chunk
        self.has_begun = self.has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        if not (self.left or self.has_ended):
            self.next_chunk()
        if self.has_ended:
            return 0
        target = memoryview(buffer)
        piece = self.source.read1(min(len(target), self.left))  # type: ignore[attr-defined]  # a BufferedReader
        if not piece:
            raise Unreachable("truncated", "the connection ended within a chunk")
        self.left -= len(piece)
        target[: len(piece)] = piece
        return len(piece)

    def next_chunk(self) -> None:
        if self.has_begun and self.source.read(2) != b"\r\n":
            raise Unusable("bad_framing", "a chunk is not as long as it says")
        self.has_begun = True
        line = self.source.readline(LONGEST_CHUNK_LINE)
        if not line:
            raise Unreachable("truncated", "the connection ended between two chunks")
        size = CHUNK_LINE.fullmatch(line)
        if size is None:
            raise Unusable("bad_framing", "the size of a chunk is not one hexadecimal number")
        self.left = int(size[1], 16)
        if self.left == 0:
            self.skip_trailers()
            self.has_ended = True

    def skip_trailers(self) -> None:
        """Read past the trailer section. A server may close the connection here: the content is complete."""
        left = LONGEST_TRAILER_SECTION
        while (line := self.source.readline(left)) not in (b"\r\n", b""):
            left -= len(line)
            if not line.endswith(b"\r\n") or left <= 0:
                raise Unusable("bad_framing", "the last chunk is not followed by a trailer section")

    def close(self) -> None:
        self.source.close()
        super().close()


def coding_of(codings: Sequence[str]) -> str:
    return ", ".join(codings).strip(" \t").lower()


def length_of(codings: Sequence[str], lengths: Sequence[str]) -> int | None:
    """The Content-Length, also in response to HEAD. None: the body is chunked, or lasts until the connection closes."""
    coding = coding_of(codings)
    if coding not in {"", "chunked", "identity"}:
        raise Unusable("bad_framing", "the body has a transfer coding that was not requested")
    distinct = {length.strip(" \t") for length in lengths}
    if coding == "chunked" or not distinct:
        return None
    length = distinct.pop()
    if distinct or not A_NUMBER.fullmatch(length):
        raise Unusable("bad_length", "the length of the body is not one number")
    return int(length)


class _Connection(HTTPConnection):
    plain: ClassVar[bool] = True
    response_class = Answer

    def _new_conn(self) -> socket.socket:
        """Open a guarded socket in place of urllib3's. connect() adds TLS, checked against the name."""
        return dial(self.host, self.port, plain=self.plain)

    def connect(self) -> None:
        super().connect()
        self._obey()

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._obey()
        super().request(*args, **kwargs)

    def _obey(self) -> None:
        if self.sock is not None:
            cast(GuardedSocket, self.sock).obey(current_limits())


class _TLSConnection(_Connection, HTTPSConnection):
    plain = False


class Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection
