"""Framing of responses: unambiguous or rejected, and no bytes are left over for the next call."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from foundation.oauth_client import transport
from foundation.oauth_client.errors import Unreachable, Unusable
from tests.foundation.oauth_client.conftest import LOOPBACK
from tests.servers.hostile import HostileServer

OK = b"HTTP/1.1 200 OK\r\n"
PAUSE = 0.3  # seconds, in which an answer that was given up too early is still on its way

Talk = Callable[..., str]


@pytest.fixture
def talk() -> Iterator[Talk]:
    """A server that sends scripted responses, one per request and piece by piece, on persistent connections."""
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

        def scripted(*responses: list[bytes]) -> str:
            answers.extend(responses)
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
@pytest.mark.slow
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
    """The web server logs exceptions that are raised while it sends, with their causes."""
    provider.on("GET /").answer(raw=OK + b"Transfer-Encoding: chunked\r\n\r\nCANARY-token\r\nhi\r\n0\r\n\r\n")
    answer = transport.stream("GET", provider.url + "/", headers={})
    with pytest.raises(Exception) as broken:  # noqa: PT011 - the traceback is what counts
        b"".join(answer)
    assert "CANARY" not in str(broken.getrepr(style="native", chain=True))


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize(
    "lines",
    [b"X-A: b\r\n" * 3000, b'Link: </?page=2>; rel="next"\r\n' * 3000, b"Link: <" + b"x" * 70_000 + b">\r\n"],
    ids=["many", "links", "long"],
)
def test_headers_without_end_are_an_answer_that_cannot_be_used(
    lines: bytes, ask: Callable[[str], object], provider: HostileServer
) -> None:
    """Not silence: that would count as a provider that does not answer."""
    provider.on("GET /").answer(raw=OK + lines + b"Content-Length: 0\r\n\r\n")
    with pytest.raises(Unusable, match="bad_headers"):
        ask(f"{provider.url}/")


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BAD_CHUNKS = [
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b"5 5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"0_5\r\nhello\r\n0\r\n\r\n",
    b"\xb25\r\nhello\r\n0\r\n\r\n",
    b"\r\nhello\r\n0\r\n\r\n",
    b";a=b\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\r\n0\r\n\r\n",  # a line ends with CR LF
    b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    b"5;a\x00b\r\nhello\r\n0\r\n\r\n",
    b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
    b"0" * 16 + b"5\r\nhello\r\n0\r\n\r\n",
    b"f" * 17 + b"\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhellos\r\n0\r\n\r\n",  # longer than it says
    b"5\r\nhello0\r\n\r\n",
    b"5\r\nhello\r\n-0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX: y\n\r\n",
    b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
]


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("body", BAD_CHUNKS, ids=lambda body: repr(body[:24]))
def test_a_chunk_whose_size_can_be_read_in_two_ways_is_none(
    body: bytes, ask: Callable[[str], object], provider: HostileServer
) -> None:
    provider.on("GET /").answer(raw=CHUNKED + body)
    with pytest.raises(Unusable) as refused:
        ask(provider.url + "/")
    assert refused.value.code == "bad_framing"


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize(
    "body", [b"", b"5\r\nhel", b"5\r\nhello\r\n", b"5\r\nhello\r\n5;a=b\r\n", b"ffffffffffffffff\r\nhello"]
)
def test_a_chunked_body_that_breaks_off_is_no_answer(
    body: bytes, ask: Callable[[str], object], provider: HostileServer
) -> None:
    provider.on("GET /").answer(raw=CHUNKED + body)
    with pytest.raises(Unreachable) as broken:
        ask(provider.url + "/")
    assert broken.value.code == "truncated"


@pytest.mark.slow
@pytest.mark.parametrize("ask", [whole, streamed])
def test_chunks_are_joined_and_the_connection_serves_the_next_call(ask: Callable[[str], object], talk: Talk) -> None:
    chunked = b'5;a=b;c="d e"\r\nfirst\r\n00000006 ;x\r\nsecond\r\n0\r\nX-Trailer: 1\r\n\r\n'
    url = talk(
        [CHUNKED, *(bytes([byte]) for byte in chunked[:8]), chunked[8:]], [OK + b"Content-Length: 5\r\n\r\nthird"]
    )
    assert ask(url) == (200, b"firstsecond")
    [reused] = open_sockets(url)
    assert ask(url) == (200, b"third")
    assert open_sockets(url) == [reused]


def open_sockets(url: str) -> list[object]:
    """Sockets in the pool that wait for the next call to this origin."""
    connections = transport.sessions.shared_pool(url).pool
    assert connections is not None
    return [connection.sock for connection in connections.queue if connection and connection.sock]


@pytest.mark.parametrize(
    "head",
    [
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["two framings", "HTTP/1.0", "no body"],
)
def test_a_connection_whose_framing_is_doubtful_serves_no_other_call(head: bytes, talk: Talk) -> None:
    """RFC 9112 §6.1 and §6.3: the bytes that follow may belong to another framing of the same response."""
    url = talk([head], [OK + b"Content-Length: 4\r\n\r\nnext"])
    answer = transport.request("GET", url)
    assert answer.content in (b"hi", b"")
    assert open_sockets(url) == []
