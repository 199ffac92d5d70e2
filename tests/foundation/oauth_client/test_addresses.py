"""Where outbound calls may go: the public internet and configured networks, in whatever spelling."""

import socket
import time

import pytest

from foundation.oauth_client import transport
from foundation.oauth_client.errors import Misconfigured, Unreachable
from tests.foundation.oauth_client.names import resolve_spellings, resolve_to
from tests.servers.hostile import HostileServer

NOT_PUBLIC = [
    "localhost",
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.0.0.2",
    "0.0.0.0",  # noqa: S104  # nothing binds to it here; it must not be dialled
    "0",
    "127。0。0。1",
    "①②⑦.0.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[0:0:0:0:0:0:0:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::1]",
    "[2001:0:7f00:1::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[100::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[5f00::1]",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
]

MISSPELLED = [
    "https://user@provider.example/",
    "https://user:password@provider.example/",
    "https://provider.example#@127.0.0.1/",
    "https://provider.example\\@127.0.0.1/",
    "https://provider.example\\.evil.example/",
    "https://provider.example:0/",
    "https://provider.example:99999/",
    "https:///path",
    "https:provider.example",
    "//provider.example/",
    "provider.example",
    "ftp://provider.example/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "unix:///run/x",
]


@pytest.mark.parametrize("host", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_never_dialled(
    host: str, evil_host: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_spellings(monkeypatch)
    with pytest.raises(Misconfigured) as caught:
        transport.request("POST", f"https://{host}:{evil_host.port}/token", data={"code": "x"}, deadline=3)
    assert caught.value.code in {"blocked_address", "bad_request"}
    assert evil_host.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]"])
def test_plain_http_does_not_reach_loopback_either(
    host: str, evil_host: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_spellings(monkeypatch)
    with pytest.raises(Misconfigured, match="blocked_address"):
        transport.request("GET", f"http://{host}:{evil_host.port}/")
    assert evil_host.connections == 0


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:2800:220:1::1", "172.32.0.1", "100.128.0.1"])
def test_a_public_address_is_permitted(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, [address])
    transport.check_url("https://provider.example/token")


@pytest.mark.parametrize("url", MISSPELLED)
def test_a_url_that_parsers_could_disagree_about_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="bad_url"):
        transport.request("GET", url)


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\x00", "\x7f", " ", "\u2028", "\u200b", "\\"])
def test_a_url_with_control_characters_is_refused(character: str) -> None:
    with pytest.raises(Misconfigured, match="bad_url"):
        transport.request("GET", f"https://provider.example/a{character}b")


def test_plain_http_to_the_public_internet_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, ["93.184.216.34"])
    with pytest.raises(Misconfigured, match="insecure_url"):
        transport.request("GET", "http://provider.example/")


def test_plain_http_inside_a_configured_network_works(provider: HostileServer) -> None:
    provider.on("GET /").answer(text="hello")
    assert transport.request("GET", provider.url + "/").text == "hello"


def test_taking_a_network_back_closes_the_way_also_for_open_connections(provider: HostileServer) -> None:
    provider.on("GET /").always(text="hello")
    transport.request("GET", provider.url + "/")
    transport.configure([])
    with pytest.raises(Misconfigured, match="blocked_address"):
        transport.request("GET", provider.url + "/")


def test_a_network_that_cannot_be_read_changes_nothing(provider: HostileServer) -> None:
    provider.on("GET /").answer(text="hello")
    with pytest.raises(ValueError, match="bogus"):
        transport.configure(["10.0.0.0/8", "bogus"])
    assert transport.request("GET", provider.url + "/").ok


def test_a_name_that_turns_private_after_the_check_is_not_dialled(
    evil_host: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    url = f"https://rebinding.example:{evil_host.port}/token"
    transport.check_url(url)
    with pytest.raises(Misconfigured, match="blocked_address"):
        transport.request("POST", url, data={"code": "x"})
    assert evil_host.connections == 0


def test_a_name_is_resolved_once_and_the_answer_that_was_checked_is_dialled(
    provider: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = resolve_to(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    provider.on("GET /").answer(text="hello")
    assert transport.request("GET", f"http://once.example:{provider.port}/").ok
    assert resolver.questions == 1


def test_of_a_mixed_answer_only_the_permitted_address_is_dialled(
    provider: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, ["169.254.169.254", "::1", "127.0.0.1"])
    provider.on("GET /").answer(text="hello")
    assert transport.request("GET", f"http://mixed.example:{provider.port}/", deadline=2).ok


def test_a_dead_address_does_not_keep_the_next_one_from_its_turn(
    provider: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport.configure(["127.0.0.0/8", "::1/128"])
    resolve_to(monkeypatch, ["::1", "127.0.0.1"])
    provider.on("GET /").answer(text="hello")
    assert transport.request("GET", f"http://two.example:{provider.port}/", deadline=2).ok


def test_a_name_that_nobody_knows_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match="dns_failed"):
        transport.request("GET", "https://nowhere.example/")


@pytest.mark.slow
def test_a_resolver_that_hangs_does_not_outlast_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(8))
    started = time.monotonic()
    with pytest.raises(Unreachable, match="timeout"):
        transport.request("GET", "https://slow.example/", deadline=0.2)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
def test_a_host_that_cannot_be_a_name_is_misconfigured(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_spellings(monkeypatch)
    with pytest.raises(Misconfigured):
        transport.request("GET", f"https://{host}/")
