"""A third party whose bodies flow: it sends and takes any amount, keeps none of it, and says what it saw.

    GET  …/source?bytes=N           so many bytes, with a Content-Length; &chunked=1 without
    GET  …/steps                    one piece, the next when `step` is set, and so on; ends when `last` is set
    GET  …/breaks                   a piece of a chunked body, then nothing more
    GET  …/odd                      an answer that is read in two ways, and repeats who asked
    GET  …/hangs                    takes the question and says nothing
    PUT, POST …/sink                takes the body and says its length

Knows HTTP/1.1 and nothing of OAuth.
"""

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.servers.threaded import ThreadedServer

PIECE = b"x" * (64 << 10)
WAYS = {"source", "steps", "breaks", "hangs", "odd"}
PATIENCE = 60.0  # seconds, for what must happen anyway


class Steps:
    """Steps that a test makes. All streams that have begun take each of them, also one that comes to it later."""

    def __init__(self) -> None:
        self.count, self._condition = 0, threading.Condition()

    def set(self) -> None:
        with self._condition:
            self.count += 1
            self._condition.notify_all()

    def wait_for_more_than(self, count: int) -> bool:
        with self._condition:
            return self._condition.wait_for(lambda: self.count > count, PATIENCE)


class Flowing(ThreadedServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.connections = 0
        self.paths: list[str] = []
        self.complete: list[int] = []  # lengths of the bodies that came to their end
        self.step, self.hung_up, self.cut = Steps(), threading.Event(), threading.Event()

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        with suppress(OSError):
            super().finish_request(request, client_address)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: Flowing

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        self.server.paths.append(asked.path)
        name = asked.path.rpartition("/")[2]
        way = getattr(self, name) if name in WAYS else self.say
        try:
            way({name: values[0] for name, values in parse_qs(asked.query).items()})
        except ConnectionError:
            self.server.hung_up.set()
            self.close_connection = True

    def do_PUT(self) -> None:
        length = sum(map(len, self.pieces()))
        if self.server.cut.is_set():
            self.close_connection = True
            return
        self.server.complete.append(length)
        self.say({"bytes": str(length), "framing": self.headers.get("Transfer-Encoding", "length")})

    do_POST = do_PUT  # noqa: N815  # the name that http.server looks for

    def say(self, told: dict[str, str]) -> None:
        body = json.dumps(told).encode()
        self.head({"Content-Type": "application/json", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def head(self, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def source(self, asked: dict[str, str]) -> None:
        left, chunked = int(asked["bytes"]), "chunked" in asked
        self.head({"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(left)})
        while left:
            piece = PIECE[:left]
            self.wfile.write(_chunk(piece) if chunked else piece)
            left -= len(piece)
        if chunked:
            self.wfile.write(_chunk(b""))

    def steps(self, asked: dict[str, str]) -> None:
        """Each step is asked for by `step`; the body has three."""
        before = self.server.step.count
        self.head({"Transfer-Encoding": "chunked", "Content-Type": "text/event-stream"})
        for number in range(3):
            self.wfile.write(_chunk(f"data: {number}\n\n".encode()))
            assert self.server.step.wait_for_more_than(before + number)
        self.wfile.write(_chunk(b""))

    def breaks(self, asked: dict[str, str]) -> None:
        self.head({"Transfer-Encoding": "chunked"})
        self.wfile.write(_chunk(b"a beginning"))
        self.close_connection = True

    def hangs(self, asked: dict[str, str]) -> None:
        self.server.stopping.wait(PATIENCE)
        self.close_connection = True

    def odd(self, asked: dict[str, str]) -> None:
        """Early hints before it, a length beside chunks, blanks at ends, and an address with a control character."""
        told = self.headers["Authorization"]
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n")
        framing = {"Transfer-Encoding": "chunked", "Content-Length": "50 "}
        self.head({**framing, "Location": "a\x0bb", "X-Echo": told, "X-Own": "kept \t", "X_Accel_Redirect": "/x"})
        self.wfile.write(b"".join(map(_chunk, [told[:12].encode(), told[12:].encode(), b""])))

    def pieces(self) -> Any:
        """Sets `cut` where the other side hangs up before the end."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline() or b"-1", 16):
                if size < 0:
                    self.server.cut.set()
                    return
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.rfile.read1(min(left, len(PIECE)))
            if not piece:
                self.server.cut.set()
                return
            left -= len(piece)
            yield piece


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
