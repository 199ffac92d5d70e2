"""The proxy behind the servers that we recommend: bodies flow, nobody's memory grows, and who hangs up is noticed."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from accounts.models import User
from integrations.models import Alias
from tests import cast
from tests.api.conftest import Program
from tests.api.proxying import TRICKS
from tests.servers.flowing import PATIENCE, PIECE, Flowing
from tests.servers.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

MUCH, LITTLE = 96 << 20, 32 << 20  # bytes that pass, and by how many memory may grow
BASE = "/api/v1/integrations/flowing/proxy/"


@pytest.fixture
def party() -> Iterator[Flowing]:
    with Flowing() as running:
        yield running


@pytest.fixture
def signed_in(party: Flowing, amira: User) -> Alias:
    alias = cast.integration_at(cast.registry_at(party.url), name="flowing", connection_url=f"{party.url}/api")
    cast.signed_in(amira, alias)
    return alias


class Caller:
    """A program with its token, somewhere else."""

    def __init__(self, url: str, authorization: str) -> None:
        self.url, self.authorization = url, authorization
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = authorization

    def raw(self, head: str, *headers: str) -> socket.socket:
        parts = urlsplit(self.url)
        sock = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=PATIENCE)
        lines = [f"{head} HTTP/1.1", f"Host: {parts.netloc}", f"Authorization: {self.authorization}", *headers]
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        return sock


@pytest.fixture(params=["granian", "gunicorn"])
def site(request: pytest.FixtureRequest, signed_in: Alias, tmp_path: Path) -> Iterator[Site]:
    with Site(request.param, tmp_path) as running:
        yield running


def test_bodies_flow_through_both_servers(site: Site, program: Program, party: Flowing) -> None:
    authorization = program("service:flowing").defaults["HTTP_AUTHORIZATION"]
    caller = Caller(f"{site.url}{BASE}", authorization)
    url, session = caller.url, caller.session
    goes_up_and_down(url, session)
    assert party.connections == 1
    what_reads_in_two_ways_is_read_in_one(url, session)
    assert party.connections == 2, "the first was closed by the first such answer, the second by the second"
    what_wants_out_stays_in(caller, party)
    keeps_memory_and_connections(site, url, session, party)
    comes_step_by_step(url, session, party)
    hanging_up_is_passed_on(caller, party)
    those_who_wait_hold_up_nobody(caller, party)


def goes_up_and_down(url: str, session: requests.Session) -> None:
    for query in ("bytes=300000", "bytes=300000&chunked=1", "bytes=0", "bytes=10&chunked=1"):
        answer = session.get(f"{url}source?{query}")
        assert len(answer.content) == int(query.partition("=")[2].partition("&")[0]), query
        assert ("Content-Length" in answer.headers) == ("chunked" not in query)
    assert session.put(f"{url}sink", data=b"x" * 300_000).json() == {"bytes": "300000", "framing": "length"}
    in_chunks = session.post(f"{url}sink", data=iter([b"a" * 70_000, b"b"]))
    assert in_chunks.json() == {"bytes": "70001", "framing": "chunked"}


def what_reads_in_two_ways_is_read_in_one(url: str, session: requests.Session) -> None:
    for _again in range(2):
        answer = session.get(f"{url}odd")
        assert (answer.status_code, answer.text, answer.headers["X-Own"]) == (200, "Bearer CANARY-access-1", "kept")
        assert not {"Content-Length", "Keyrack-Location", "X_Accel_Redirect"} & answer.headers.keys()


def what_wants_out_stays_in(caller: Caller, party: Flowing) -> None:
    party.paths.clear()
    for trick in TRICKS:
        with caller.raw(f"GET {BASE}{trick.format(evil='evil.example')}", "Connection: close") as sock:
            assert sock.recv(64).split()[1] in (b"400", b"414"), trick
    assert party.paths == []


def keeps_memory_and_connections(site: Site, url: str, session: requests.Session, party: Flowing) -> None:
    before, connections = site.peak_memory(), party.connections + 1  # the last answer was one to close after
    with session.get(f"{url}source?bytes={MUCH}", stream=True) as answer:
        assert sum(map(len, answer.iter_content(1 << 20))) == MUCH
    with session.get(f"{url}source?bytes={MUCH}&chunked=1", stream=True) as answer:
        assert sum(map(len, answer.iter_content(1 << 20))) == MUCH
    assert session.put(f"{url}sink", data=_Much()).json()["bytes"] == str(MUCH)
    assert site.peak_memory() - before < LITTLE
    assert party.connections == connections


class _Much:
    """A body of a known length that nobody has in memory."""

    def __len__(self) -> int:
        return MUCH

    def __iter__(self) -> Iterator[bytes]:
        return iter([PIECE] * (MUCH // len(PIECE)))


def comes_step_by_step(url: str, session: requests.Session, party: Flowing) -> None:
    """The next piece is sent when the one before has come through."""
    with session.get(f"{url}steps", stream=True) as answer:
        for number, line in enumerate(filter(None, answer.iter_lines(chunk_size=1))):
            assert line == f"data: {number}".encode()
            party.step.set()
        assert number == 2


def hanging_up_is_passed_on(caller: Caller, party: Flowing) -> None:
    with caller.raw(f"GET {BASE}source?bytes={1 << 40}") as download:
        assert download.recv(64).startswith(b"HTTP/1.1 200")
    assert party.hung_up.wait(PATIENCE)
    complete = len(party.complete)
    with caller.raw(f"PUT {BASE}sink", "Content-Length: 200000") as upload:
        upload.sendall(b"x" * 100_000)
    assert party.cut.wait(PATIENCE)
    assert len(party.complete) == complete


def those_who_wait_hold_up_nobody(caller: Caller, party: Flowing) -> None:
    """Twenty calls at a third party that takes the question and says nothing."""
    with ExitStack() as waiting:
        for _each in range(20):
            waiting.enter_context(caller.raw(f"GET {BASE}hangs"))
        until = time.monotonic() + PATIENCE
        while party.paths.count("/api/hangs") < 20:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert requests.get(f"{caller.url.removesuffix(BASE)}/healthz", timeout=10).status_code == 200


MALFORMED = (
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"1_0\r\nhello\r\n0\r\n\r\n",
    b"zz\r\n",
    b"\r\n\r\n",
    b"5\r\nhellos\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX : y\nz\r\n\r\n",
    b"f" * 9000,
)


@pytest.mark.parametrize("site", ["gunicorn"], indirect=True)
def test_malformed_chunks_are_the_callers_fault(site: Site, program: Program, party: Flowing) -> None:
    """Not a 500 with a mail to the administrators; and nothing of it is passed on as if it were whole.

    Granian tells nobody: to whoever reads, such a body has ended.
    """
    caller = Caller(f"{site.url}{BASE}", program("service:flowing").defaults["HTTP_AUTHORIZATION"])
    for path in (f"{BASE}sink", f"{BASE.replace('flowing', 'nobody')}sink", "/o/token/", "/api/v1/leaked-tokens/"):
        for body in MALFORMED:
            with caller.raw(f"POST {path}", "Transfer-Encoding: chunked", "Content-Type: application/json") as call:
                call.sendall(body)
                answer = call.recv(65536)
            assert b"400" <= answer.split()[1] < b"500", (path, body[:20], answer[:200])
            if path == f"{BASE}sink":
                assert answer.split()[1] == b"400", (body[:20], answer[:200])
    assert party.complete == []


@pytest.mark.parametrize("site", ["gunicorn"], indirect=True)
def test_what_gunicorn_tells_is_used(site: Site, program: Program, party: Flowing) -> None:
    """The raw address, and that a body in chunks broke off; and it breaks off a body itself. Granian does neither."""
    caller = Caller(f"{site.url}{BASE}", program("service:flowing").defaults["HTTP_AUTHORIZATION"])
    with pytest.raises(requests.RequestException):
        caller.session.get(f"{caller.url}breaks")
    with caller.raw(f"GET {BASE}projects/group%2Fproject") as sock:
        assert sock.recv(64).startswith(b"HTTP/1.1 200")
    with caller.raw(f"PUT {BASE}sink", "Transfer-Encoding: chunked") as upload:
        upload.sendall(b"5\r\nhello\r\n")
    assert party.cut.wait(PATIENCE)
    assert (party.paths, party.complete) == (["/api/breaks", "/api/projects/group%2Fproject"], [])
