"""Deadline, size, redirects, cookies, the environment: limits that no server and no setting can change."""

import inspect
import os
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import urllib3
from requests.auth import HTTPBasicAuth
from requests.cookies import MockRequest, create_cookie

from foundation.oauth_client import transport
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable, Unusable
from foundation.oauth_client.transport.sessions import trusted_roots
from tests.foundation.oauth_client.certificates import authority, issue
from tests.foundation.oauth_client.connections import open_connections
from tests.foundation.oauth_client.names import resolve_to
from tests.servers.hostile import HostileServer

SLOW = [
    {"delay": 20.0},
    {"drip": 0.05, "text": "x" * 400},
    {"drip_headers": 0.15, "text": "x"},
    {"drip": 0.3, "text": "x" * 200, "gzip": True},
    {"drip": 0.1, "body": b"5\r\nhello\r\n" * 40, "headers": {"Transfer-Encoding": "chunked"}},
    {"raw": b"HTTP/1.1 100 Continue\r\n\r\n" * 3, "delay": 20.0},
]


@pytest.mark.parametrize("answer", SLOW, ids=lambda answer: "-".join(answer))
@pytest.mark.slow
def test_the_deadline_holds_however_slowly_the_server_drips(answer: dict[str, object], provider: HostileServer) -> None:
    provider.on("GET /").answer(**answer)
    started = time.monotonic()
    with pytest.raises(Unreachable, match="timeout"):
        transport.request("GET", provider.url + "/", deadline=0.4)
    assert 0.3 < time.monotonic() - started < 10  # the shortest of them would take twenty


@pytest.mark.slow
def test_one_deadline_can_span_several_calls(provider: HostileServer) -> None:
    provider.on("GET /").answer(text="x", delay=0.2).answer(text="x", delay=20.0)
    started = time.monotonic()
    with transport.deadline(1.5):
        transport.request("GET", provider.url + "/", deadline=20)
        with pytest.raises(Unreachable, match="timeout"):
            transport.request("GET", provider.url + "/", deadline=20)
    assert time.monotonic() - started < 15  # the second has what the first left


@pytest.mark.slow
def test_a_streamed_body_obeys_the_deadline_of_its_request(provider: HostileServer) -> None:
    provider.on("GET /").answer(drip=0.05, text="x" * 400)
    with transport.deadline(0.5):
        response = transport.session().get(provider.url + "/", stream=True)
    with transport.translate_errors(), pytest.raises(Unreachable, match="timeout"):
        b"".join(response.iter_content(1))


def test_a_stream_can_be_left_early(provider: HostileServer) -> None:
    provider.on("GET /").answer(text="x" * 100_000).answer(text="next")
    with transport.session().get(provider.url + "/", stream=True) as response:
        assert next(response.iter_content(10)) == b"x" * 10
    assert transport.request("GET", provider.url + "/").text == "next"


@pytest.mark.slow
def test_a_silent_tls_handshake_ends_by_the_deadline() -> None:
    transport.configure(["127.0.0.0/8"])
    started = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unreachable, match="timeout"):
        transport.request("GET", f"https://127.0.0.1:{silent.getsockname()[1]}/", deadline=0.4)
    assert 0.3 < time.monotonic() - started < 5


@pytest.mark.slow
def test_twenty_hanging_calls_end_together(provider: HostileServer) -> None:
    provider.on("GET /").always(delay=20.0)

    def hang(_: int) -> str:
        with pytest.raises(Unreachable) as caught:
            transport.request("GET", provider.url + "/", deadline=0.5)
        return caught.value.code

    started = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(hang, range(20))) == {"timeout"}
    assert time.monotonic() - started < 9.5  # one after another: ten; the server: twenty


BIG = [
    {"text": "x" * 70_000},
    {"bomb": 50_000_000},
    {"endless": True, "text": "x" * 1000},
    {"body": b"5\r\nhello\r\n" * 20_000, "headers": {"Transfer-Encoding": "chunked"}, "truncated": True},
    {"raw": b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000},
]


@pytest.mark.parametrize("answer", BIG, ids=lambda answer: "-".join(answer))
def test_an_answer_that_is_too_large_is_refused(answer: dict[str, object], provider: HostileServer) -> None:
    provider.on("GET /").answer(**answer)
    with pytest.raises(Unusable, match="too_large"):
        transport.request("GET", provider.url + "/", max_bytes=1 << 16)


@pytest.mark.slow
def test_a_bomb_takes_little_memory(provider: HostileServer) -> None:
    provider.on("GET /").answer(bomb=50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(Unusable, match="too_large"):
            transport.request("GET", provider.url + "/")
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_endless_headers_end_cleanly(provider: HostileServer) -> None:
    provider.on("GET /").answer(headers={f"X-{number}": "y" for number in range(200)})
    provider.on("GET /").answer(headers={"X-Long": "y" * 70_000})
    for _ in range(2):
        with pytest.raises(Unusable, match="bad_headers"):
            transport.request("GET", provider.url + "/", deadline=2)


def test_an_answer_within_the_limit_arrives_whole_and_unpacked(provider: HostileServer) -> None:
    provider.on("GET /").answer(text="x" * 60_000, gzip=True)
    assert transport.request("GET", provider.url + "/", max_bytes=1 << 16).text == "x" * 60_000


@pytest.mark.parametrize(
    "answer", [{"truncated": True, "text": "x"}, {"close": True}, {"raw": b"\x00\x01 not http\r\n"}]
)
def test_an_answer_cut_short_is_unreachable(answer: dict[str, object], provider: HostileServer) -> None:
    provider.on("GET /").answer(**answer)
    with pytest.raises(Unreachable):
        transport.request("GET", provider.url + "/", deadline=2)


@pytest.mark.parametrize("length", [7, 500_000])
def test_a_broken_compression_is_unusable(length: int, provider: HostileServer) -> None:
    provider.on("GET /").answer(text="x" * length, headers={"Content-Encoding": "gzip", "Connection": "close"})
    with pytest.raises(Unusable, match="bad_encoding") as refusal:
        transport.request("GET", provider.url + "/")
    assert open_connections(provider) == 0, f"although {refusal} is still there"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["{evil}/token", "/elsewhere", "//[", "http://\udcff".encode("utf-8", "replace").decode()]
)
def test_a_redirect_is_an_answer_and_not_followed(
    status: int, location: str, provider: HostileServer, evil_host: HostileServer
) -> None:
    provider.on("POST /token").answer(status=status, redirect=location.format(evil=evil_host.url))
    response = transport.request("POST", provider.url + "/token", data={"code": "x"})
    assert response.status_code == status
    assert evil_host.connections == 0
    assert len(provider.calls) == 1


def test_connections_are_reused_but_cookies_are_not(provider: HostileServer) -> None:
    provider.on("GET /").always(text="x", headers={"Set-Cookie": "session=1"})
    for _ in range(3):
        transport.request("GET", provider.url + "/")
    assert provider.connections == 1
    assert not any("cookie" in call.headers for call in provider.calls)


def test_the_cookie_jar_takes_nothing() -> None:
    request = MockRequest(requests.Request("GET", "https://provider.example/").prepare())
    jar = transport.session().cookies
    jar.set_cookie_if_ok(create_cookie("session", "1", domain="provider.example"), request)  # type: ignore[arg-type, no-untyped-call]
    assert len(jar) == 0


def test_proxies_and_netrc_of_the_environment_change_nothing(
    provider: HostileServer, evil_host: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, evil_host.url)
    provider.on("GET /").answer(text="x")
    transport.request("GET", provider.url + "/")
    assert "authorization" not in provider.calls[0].headers
    assert evil_host.connections == 0


def test_a_caller_cannot_switch_the_guard_off(provider: HostileServer, evil_host: HostileServer) -> None:
    provider.on("GET /").answer(redirect=evil_host.url)
    answer = transport.session().get(provider.url + "/", allow_redirects=True, proxies={"http": evil_host.url})
    assert answer.status_code == 302
    assert evil_host.connections == 0


TLS_CASES: dict[str, Callable[[Path], Path]] = {
    "self-signed": lambda folder: issue(folder, "provider.example"),
    "expired": lambda folder: issue(folder, "provider.example", signer=authority(folder), days=-1),
    "of another host": lambda folder: issue(folder, "other.example", signer=authority(folder)),
    "of an address": lambda folder: issue(folder, "127.0.0.1", signer=authority(folder)),
}


@pytest.mark.parametrize(
    ("named", "taken"),
    [("Shift_JIS", "Shift_JIS"), ("iso-8859-15", "iso-8859-15"), ("punycode", "utf-8"), ("x", "utf-8")],
)
def test_only_charsets_of_texts_are_taken(named: str, taken: str, provider: HostileServer) -> None:
    """Python decodes others too; punycode takes minutes for a megabyte."""
    provider.on("GET /").always(text="hello", headers={"Content-Type": f"text/plain; charset={named}"})
    assert transport.request("GET", f"{provider.url}/").encoding == taken
    with transport.session() as session:
        assert session.get(f"{provider.url}/").encoding == taken


@pytest.fixture
def _own_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """provider.example resolves to loopback, and the authority in `tmp_path` is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    resolve_to(monkeypatch, ["127.0.0.1"])
    transport.configure(["127.0.0.0/8"])
    trusted_roots.cache_clear()
    yield
    trusted_roots.cache_clear()


@pytest.mark.usefixtures("_own_authority")
@pytest.mark.parametrize("case", TLS_CASES)
def test_a_bad_certificate_is_refused(case: str, tmp_path: Path) -> None:
    certificate = TLS_CASES[case](tmp_path)
    with HostileServer(certificate=certificate) as server:
        for ask in (transport.request, lambda method, url: transport.session().request(method, url, verify=False)):
            with pytest.raises(Unreachable, match="tls_refused"):
                ask("GET", f"https://provider.example:{server.port}/")
        assert server.calls == []


@pytest.mark.usefixtures("_own_authority")
def test_a_good_certificate_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    certificate = issue(tmp_path, "provider.example", signer=authority(tmp_path))
    with HostileServer(certificate=certificate) as server:
        server.on("GET /").always(text="hello", drip=0.01)
        assert transport.request("GET", f"https://provider.example:{server.port}/").text == "hello"
        with pytest.raises(Unreachable, match="timeout"):
            transport.request("GET", f"https://provider.example:{server.port}/", deadline=0.02)


@pytest.mark.usefixtures("_own_authority")
@pytest.mark.parametrize(
    "answer", [{"delay": 20.0}, {"drip": 20.0, "text": "xx"}], ids=lambda answer: next(iter(answer))
)
@pytest.mark.slow
def test_another_thread_can_end_an_exchange_over_tls(answer: dict[str, object], tmp_path: Path) -> None:
    """Before the answer begins, and within its body; long before the server says anything."""

    def interrupt() -> None:
        while not server.calls:
            time.sleep(0.01)
        time.sleep(0.2)
        (flow,) = [flow for flow in transport.running_streams() if flow.subject == "whose"]
        flow.interrupt()

    certificate = issue(tmp_path, "provider.example", signer=authority(tmp_path))
    with HostileServer(certificate=certificate) as server, ThreadPoolExecutor(1) as threads:
        server.on("GET /").answer(**answer)
        other = threads.submit(interrupt)
        with pytest.raises(transport.Interrupted):
            b"".join(transport.stream("GET", f"https://provider.example:{server.port}/", headers={}, subject="whose"))
        other.result()


def _exceptions(module: object) -> list[type[Exception]]:
    bases = (requests.RequestException, urllib3.exceptions.HTTPError)
    exceptions = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, bases)]
    return [kind for kind in exceptions if not issubclass(kind, Warning)]


@pytest.mark.parametrize("kind", _exceptions(requests.exceptions) + _exceptions(urllib3.exceptions))
def test_every_foreign_exception_is_translated(kind: type[Exception]) -> None:
    with pytest.raises(OAuthError), transport.translate_errors():
        raise kind.__new__(kind)


def test_a_header_that_cannot_be_sent_is_not_quoted(provider: HostileServer) -> None:
    with pytest.raises(Misconfigured) as caught:
        transport.request("GET", provider.url + "/", headers={"Authorization": "Bearer CANARY\r\nX: y"})
    assert caught.value.__cause__ is None
    assert "CANARY" not in str(caught.value)


def test_ordinary_auth_callables_work(provider: HostileServer) -> None:
    provider.on("GET /").answer(text="x")
    transport.request("GET", provider.url + "/", auth=HTTPBasicAuth("a", "b"), params={"q": "1"})
    assert provider.calls[0].headers["authorization"] == "Basic YTpi"
    assert provider.calls[0].query == "q=1"


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # the child only looks and leaves
def test_a_forked_child_does_not_inherit_connections() -> None:
    parents = transport.session()
    child = os.fork()
    if child == 0:
        os._exit(0 if transport.session() is not parents else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert transport.session() is parents
