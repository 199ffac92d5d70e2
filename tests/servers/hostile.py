"""An HTTP server on loopback that says whatever a test tells it to, however rude, and remembers who called.

    with HostileServer() as server:
        server.on("POST /token").answer(status=503, headers={"Retry-After": "1"})    # once, in the order of the calls
        server.on("POST /token").always(json={"access_token": "a"})                  # whenever nothing is queued
        ...
        assert server.calls_to("POST /token")[0].form == {"grant_type": "client_credentials"}

As an evil host that must never be reached, it needs no script: `assert server.calls == []`; `connections` counts even
those who hang up without a word. What nobody scripted is answered 404. Knows HTTP/1.1 with keep-alive, and TLS when it
is given a certificate; knows nothing of OAuth.
"""

import gzip
import json as json_module
import ssl
import threading
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.servers.threaded import ThreadedServer


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request as it arrived. Header names are lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}

    @property
    def json(self) -> Any:
        return json_module.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer. At most one of json, form, text and body; the rest says how badly it is delivered.

    delay       seconds before the first byte
    drip        seconds between the bytes of the body
    drip_headers  seconds between the bytes of status line and headers
    gzip        compress the body and say so; `bomb` instead sends so many zero bytes, compressed
    truncated   announce more than is sent, then hang up
    endless     after the body, go on sending it until the other side hangs up (without Content-Length)
    close       hang up without a word (after `delay`)
    redirect    a Location; the status is 302 unless told
    raw         send exactly these bytes and hang up
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None
    text: str | None = None
    body: bytes | None = None
    delay: float = 0.0
    drip: float = 0.0
    drip_headers: float = 0.0
    gzip: bool = False
    bomb: int = 0
    truncated: bool = False
    endless: bool = False
    close: bool = False
    redirect: str = ""
    raw: bytes = b""

    def content(self) -> tuple[str, bytes]:
        if self.json is not None:
            return "application/json", json_module.dumps(self.json).encode()
        if self.form is not None:
            from_form = "&".join(f"{name}={value}" for name, value in self.form.items())
            return "application/x-www-form-urlencoded", from_form.encode()
        if self.text is not None:
            return "text/html; charset=utf-8", self.text.encode()
        return "application/octet-stream", self.body or b""

    def encoded(self) -> bytes:
        if self.bomb:
            return _bomb(self.bomb)
        return gzip.compress(self.content()[1]) if self.gzip else self.content()[1]

    def head(self, length: int) -> bytes:
        """Status line and headers; those that the script names win."""
        announced = {"Content-Type": self.content()[0]}
        if not self.endless:
            announced["Content-Length"] = str(length + 1000 if self.truncated else length)
        if self.gzip or self.bomb:
            announced["Content-Encoding"] = "gzip"
        if self.redirect:
            announced["Location"] = self.redirect
        status = self.status or (302 if self.redirect else 200)
        lines = [f"HTTP/1.1 {status} Scripted", *(f"{k}: {v}" for k, v in {**announced, **self.headers}.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    @property
    def hangs_up(self) -> bool:
        return self.truncated or self.endless or self.close or bool(self.raw)


Reply = Answer | Callable[[Call], Answer]

NOT_SCRIPTED = Answer(status=404, text="nobody scripted this")


class Route:
    """What `server.on("POST /token")` gives: the place to queue answers for one method and path."""

    def __init__(self, server: "HostileServer", key: str) -> None:
        self._server = server
        self._key = key

    def answer(self, **fields: Any) -> "Route":
        """Once. Queue several for several calls. Fields are those of Answer."""
        return self.then(Answer(**fields))

    def then(self, *replies: Reply) -> "Route":
        """The same with ready answers, or with functions that look at the call first."""
        self._server.script(self._key, *replies)
        return self

    def always(self, reply: Reply | None = None, **fields: Any) -> "Route":
        """Whenever nothing is queued."""
        self._server.default(self._key, reply or Answer(**fields))
        return self


class HostileServer:
    """Scriptable from any thread, also while it is answering. Leaving the context cuts every answer short."""

    def __init__(self, *, certificate: Path | None = None, host: str = "127.0.0.1") -> None:
        self._lock = threading.Condition()
        self._queues: dict[str, deque[Reply]] = defaultdict(deque)
        self._defaults: dict[str, Reply] = {}
        self._otherwise: Reply = NOT_SCRIPTED
        self._calls: list[Call] = []
        self._connections = 0
        self._http = _Listener((host, 0), self, certificate)
        self.host = host
        self.port: int = self._http.server_address[1]
        self.url = f"{'https' if certificate else 'http'}://{host}:{self.port}"

    def __enter__(self) -> Self:
        self._http.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.stop()

    def on(self, key: str) -> Route:
        """`key` is a method and a path: "POST /token"."""
        return Route(self, key)

    def script(self, key: str, *replies: Reply) -> None:
        with self._lock:
            self._queues[key].extend(replies)

    def default(self, key: str, reply: Reply) -> None:
        with self._lock:
            self._defaults[key] = reply

    def otherwise(self, reply: Reply) -> None:
        """Give this reply wherever nothing is scripted."""
        self._otherwise = reply

    def reset(self) -> None:
        """Forgets scripts and calls alike."""
        with self._lock:
            self._queues.clear()
            self._defaults.clear()
            self._otherwise = NOT_SCRIPTED
            self._calls.clear()
            self._connections = 0

    @property
    def calls(self) -> list[Call]:
        with self._lock:
            return list(self._calls)

    @property
    def connections(self) -> int:
        with self._lock:
            return self._connections

    def wait_for_calls(self, count: int, seconds: float = 30.0) -> bool:
        """Whether so many calls have come, those included that have no answer yet. Also for use by a reply."""
        with self._lock:
            return self._lock.wait_for(lambda: len(self._calls) >= count, seconds)

    def calls_to(self, key: str) -> list[Call]:
        return [call for call in self.calls if f"{call.method} {call.path}" == key]

    def connected(self) -> None:
        with self._lock:
            self._connections += 1

    def reply_to(self, call: Call) -> Answer:
        """Called once per request, by the thread that serves it."""
        key = f"{call.method} {call.path}"
        with self._lock:
            self._calls.append(call)
            self._lock.notify_all()
            queue = self._queues[key]
            reply = queue.popleft() if queue else self._defaults.get(key, self._otherwise)
        return reply if isinstance(reply, Answer) else reply(call)


class _Listener(ThreadedServer):
    def __init__(self, address: tuple[str, int], owner: HostileServer, certificate: Path | None) -> None:
        self.owner = owner
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self._tls and certificate:
            self._tls.load_cert_chain(certificate)
        super().__init__(address, _Conversation)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the thread of the connection, so that a client that dislikes our certificate blocks nobody."""
        self.owner.connected()
        with suppress(OSError):  # the other side hung up, which is what many tests are about
            if self._tls:
                request = self._tls.wrap_socket(request, server_side=True)
            with request:
                super().finish_request(request, client_address)


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30
    server: _Listener

    def __getattr__(self, name: str) -> Any:
        """Every method is welcome: do_GET, do_POST, do_PROPFIND"""
        if name.startswith("do_"):
            return self._converse
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: tests read `calls`."""

    def _converse(self) -> None:
        self._deliver(self.server.owner.reply_to(self._call()))

    def _call(self) -> Call:
        target = urlsplit(self.path)
        return Call(
            method=self.command,
            path=target.path,
            query=target.query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )

    def _deliver(self, answer: Answer) -> None:
        stopping = self.server.stopping
        if stopping.wait(answer.delay) or answer.close:
            self.close_connection = True
            return
        self.close_connection = self.close_connection or answer.hangs_up
        if answer.raw:
            self.wfile.write(answer.raw)
            return
        body = b"" if self.command == "HEAD" else answer.encoded()
        for chunk in _drips(answer.head(len(body)), answer.drip_headers, stopping):
            self.wfile.write(chunk)
        for chunk in _drips(body, answer.drip, stopping):
            self.wfile.write(chunk)
        while answer.endless and not stopping.is_set():
            self.wfile.write(body)


def _bomb(size: int) -> bytes:
    """Piece by piece, so that the tests' own memory does not hide how much the victim takes."""
    packer = zlib.compressobj(wbits=31)
    return b"".join([*(packer.compress(bytes(1 << 16)) for _ in range(size >> 16)), packer.flush()])


def _drips(content: bytes, pause: float, stopping: threading.Event) -> Iterator[bytes]:
    if not pause:
        yield content
        return
    for byte in content:
        if stopping.wait(pause):
            return
        yield bytes([byte])
