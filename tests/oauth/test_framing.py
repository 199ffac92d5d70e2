"""Where an answer ends: one reading or none, and nothing of it is left over for the next call."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from integrations.oauth import transport
from integrations.oauth.errors import Unusable
from tests.oauth.conftest import LOOPBACK
from tests.servers.hostile import HostileServer

OK = b"HTTP/1.1 200 OK\r\n"
PAUSE = 0.3  # seconds, in which an answer that was given up too early is still on its way

Talk = Callable[..., str]


@pytest.fixture
def talk() -> Iterator[Talk]:
    """A server that gives these answers, one a request and piece by piece, on as few connections as it is let."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answers: list[list[bytes]] = []

        def converse(connection: socket.socket) -> None:
            with connection:
                while connection.recv(65536):
                    for piece in answers.pop(0):
                        connection.sendall(piece)
                        time.sleep(PAUSE)

        def listen() -> None:
            while True:
                try:
                    threading.Thread(target=converse, args=[listener.accept()[0]], daemon=True).start()
                except OSError:
                    return

        def scripted(*wanted: list[bytes]) -> str:
            answers.extend(wanted)
            threading.Thread(target=listen, daemon=True).start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}/"

        transport.configure([LOOPBACK])
        yield scripted
        listener.shutdown(socket.SHUT_RDWR)


def whole(url: str) -> tuple[int, bytes]:
    answer = transport.request("GET", url)
    return answer.status_code, answer.content


def streamed(url: str) -> tuple[int, bytes]:
    answer = transport.stream("GET", url, headers={})
    return answer.status_code, b"".join(answer)


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints\r\nSet-Cookie: a=b", b"199"])
def test_an_interim_answer_is_not_the_answer(interim: bytes, ask: Callable[[str], object], talk: Talk) -> None:
    first = [b"HTTP/1.1 " + interim + b"\r\n\r\n", OK + b"Content-Length: 5\r\n\r\nfirst"]
    url = talk(first, [OK + b"Content-Length: 6\r\n\r\nsecond"])
    assert [ask(url), ask(url)] == [(200, b"first"), (200, b"second")]


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n",
        OK + b"Content-Length: 2, 2\r\n",
        OK + b"Content-Length: +2\r\n",
        OK + b"Content-Length: 0_2\r\n",
        OK + b"Content-Length: -2\r\n",
        OK + b"Content-Length: \xb2\r\n",
        OK + b"Content-Length:\r\n",
        OK + b"Content-Length: %s\r\n" % (b"9" * 5000),
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        OK + b"no header\r\nContent-Length: 2\r\n",
        OK + b"X-Own : a\r\nContent-Length: 2\r\n",
    ],
    ids=lambda head: head[-60:].decode("latin-1"),
)
def test_an_answer_that_ends_in_two_places_is_none(
    head: bytes, ask: Callable[[str], object], provider: HostileServer, caplog: pytest.LogCaptureFixture
) -> None:
    provider.on("GET /").answer(raw=head + b"X-Echo: CANARY-token\r\n\r\nhi")
    with pytest.raises(Unusable) as refused:
        ask(provider.url + "/")
    assert "CANARY" not in f"{refused.value!r} {caplog.text}"


@pytest.mark.parametrize(
    ("head", "body", "length"),
    [
        (b"Content-Length: 2 \r\n", b"hi", 2),
        (b"Content-Length: 2\r\nContent-Length: 2\r\n", b"hi", 2),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 50\r\n", b"2\r\nhi\r\n0\r\n\r\n", None),
        (b"Transfer-Encoding: Chunked\r\n", b"2\r\nhi\r\n0\r\n\r\n", None),
        (b"Transfer-Encoding: identity\r\n", b"hi", None),
        (b"Content-Type: multipart/mixed\r\n", b"hi", None),
        (b"Content-Type: message/http\r\n", b"hi", None),
        (b"", b"hi", None),
    ],
)
def test_one_that_ends_in_one_place_is_read_to_there(
    head: bytes, body: bytes, length: int | None, provider: HostileServer
) -> None:
    provider.on("GET /").answer(raw=OK + head + b"\r\n" + body)
    answer = transport.stream("GET", provider.url + "/", headers={})
    assert (answer.length, b"".join(answer)) == (length, b"hi")


def test_what_breaks_a_body_off_is_not_quoted(provider: HostileServer) -> None:
    """Whoever serves us logs an error that comes while he sends; with all that it came from."""
    provider.on("GET /").answer(raw=OK + b"Transfer-Encoding: chunked\r\n\r\nCANARY-token\r\nhi\r\n0\r\n\r\n")
    answer = transport.stream("GET", provider.url + "/", headers={})
    with pytest.raises(Exception) as broken:  # noqa: PT011 - the traceback is what counts
        b"".join(answer)
    assert "CANARY" not in str(broken.getrepr(style="native", chain=True))
