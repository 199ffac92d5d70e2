"""The proxy, as a third party sees it: what is passed on to it, and what is not."""

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from integrations.models import Alias, Token
from tests.api.proxying import API, BASE, BEARER, TRICKS, body, error
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "VERSION-CONTROL"])
@pytest.mark.parametrize("who", ["caller", "session"])
def test_any_method_is_passed_on_as_the_person(
    who: str, method: str, request: pytest.FixtureRequest, server: HostileServer
) -> None:
    server.on(f"{method} {API}").answer(status=201, json={"name": "Ada"}, headers={"X-Total": "1"})
    sender: Client = request.getfixturevalue(who)
    answer = sender.generic(method, f"{BASE}contacts?q=a%20b&c=%2F", b'{"a": 1}', "application/json")
    assert (answer.status_code, body(answer), answer["X-Total"]) == (201, b'{"name": "Ada"}', "1")
    [call] = server.calls
    assert (call.headers["authorization"], call.query, call.body) == (BEARER, "q=a%20b&c=%2F", b'{"a": 1}')
    assert (call.headers["content-type"], call.headers["content-length"]) == ("application/json", "8")


def test_a_head_has_the_length_and_no_body(caller: Client, server: HostileServer) -> None:
    server.on(f"HEAD {API}").answer(headers={"Content-Length": "123"})
    answer = caller.head(f"{BASE}contacts")
    assert (answer["Content-Length"], body(answer)) == ("123", b"")


def test_an_ordinary_call_takes_one_statement(
    caller: Client, signed_in: Alias, server: HostileServer, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Token.objects.update(last_used_at=timezone.now())
    server.on(f"GET {API}").always(json={})
    caller.get(f"{BASE}contacts")
    for alias in ("northwind", signed_in.hex):
        with django_assert_num_queries(1):
            assert caller.get(BASE.replace("northwind", alias) + "contacts").status_code == 200


def test_the_use_is_noted_with_the_program(caller: Client, session: Client, server: HostileServer) -> None:
    server.on(f"GET {API}").always(json={})
    caller.get(f"{BASE}contacts")
    assert Token.objects.get().last_used_by == "REST (Weekly digest)"


def test_the_address_itself_can_be_called(caller: Client, server: HostileServer) -> None:
    server.on("GET /api").answer(json=[])
    assert body(caller.get(BASE)) == b"[]"


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ("projects/group%2Fproject", "/api/projects/group%2Fproject"),
        ("rooms/%23general:x", "/api/rooms/%23general:x"),
        ("a%20b/%C3%A9/%25/(x)*;v=1,2", "/api/a%20b/%C3%A9/%25/(x)*;v=1,2"),
        ("a%FFb", "/api/a%FFb"),
        ("a//b/", "/api/a//b/"),
        ("people:batchGet", "/api/people:batchGet"),
        ("..a/b..;c/x;y=..", "/api/..a/b..;c/x;y=.."),
    ],
)
def test_a_path_arrives_as_it_was_written(sent: str, arrives: str, caller: Client, server: HostileServer) -> None:
    """Where the server hands over the raw address; where it does not, %2F is lost, and what is no UTF-8."""
    server.on(f"GET {arrives}").answer(json={})
    caller.get(f"{BASE}{sent}", RAW_URI=f"{BASE}{sent}?x=1", QUERY_STRING="x=1")
    caller.get(f"{BASE}{sent}", REQUEST_URI=f"http://hub.example{BASE}{sent}")
    caller.get(f"{BASE}{sent}")
    without = arrives.replace("%2F", "/").replace("%FF", "%25FF")
    assert [call.path for call in server.calls] == [arrives, arrives, without]


def test_a_percent_sign_that_encodes_nothing_changes_no_other(caller: Client, server: HostileServer) -> None:
    server.on("GET /api/100%25/a%2Fb").answer(json={})
    caller.get(f"{BASE}100%25/a%2Fb", RAW_URI=f"{BASE}100%/a%2Fb?q=100%&x=%20a", QUERY_STRING="q=100%&x=%20a")
    assert [(call.path, call.query) for call in server.calls] == [("/api/100%25/a%2Fb", "q=100%25&x=%20a")]


@pytest.mark.parametrize("raw", [True, False])
def test_a_path_that_tries_something_is_refused(raw: bool, caller: Client, server: HostileServer) -> None:
    with HostileServer() as evil:
        for trick in TRICKS:
            address = BASE + trick.format(evil=f"127.0.0.1:{evil.port}")
            answer = caller.get(address, RAW_URI=address if raw else "")
            assert error(answer) == (400, "invalid_request"), trick
        assert evil.connections == 0
    assert server.calls == []


@pytest.mark.parametrize(
    "raw",
    [
        "/api/v1/integrations/other/proxy/contacts",
        f"{BASE}invoices",
        f"{BASE}contacts/more",
        "/api/v1/integrations%2Fnorthwind%2Fproxy/contacts",
        "contacts",
        "*",
    ],
)
def test_an_address_that_reads_in_two_ways_is_refused(raw: str, caller: Client, server: HostileServer) -> None:
    assert error(caller.get(f"{BASE}contacts", RAW_URI=raw)) == (400, "invalid_request")
    assert server.calls == []


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
@pytest.mark.parametrize("who", ["caller", "session"])
def test_what_would_repeat_the_token_is_not_sent(
    who: str, method: str, request: pytest.FixtureRequest, server: HostileServer
) -> None:
    sender: Client = request.getfixturevalue(who)
    assert error(sender.generic(method, f"{BASE}contacts")) == (405, "method_not_allowed")
    assert server.calls == []


NOT_PASSED_ON = {
    "Cookie": "CANARY-cookie=1",
    "Host": "testserver",
    "Proxy-Authorization": "CANARY-1",
    "X-Forwarded-For": "CANARY-2",
    "X-Forwarded-Host": "CANARY-3",
    "Forwarded": "CANARY-4",
    "Via": "CANARY-5",
    "X-Real-Ip": "CANARY-6",
    "X-Http-Method-Override": "CANARY-7",
    "X-Csrftoken": "CANARY-8",
    "Origin": "https://CANARY-9",
    "Referer": "https://CANARY-10",
    "Sec-Fetch-Mode": "CANARY-11",
    "Te": "CANARY-12",
    "Upgrade": "CANARY-13",
    "Expect": "CANARY-14",
    "Keep-Alive": "CANARY-15",
    "X-Hop": "CANARY-16",
    "Keyrack-Anything": "CANARY-17",
    "Cf-Connecting-Ip": "CANARY-18",
    "Proxy": "http://CANARY-19",
    "X-Forwarded": "CANARY-20",
    "X-Forward-For": "CANARY-21",
    "Client-Ip": "CANARY-22",
    "Fly-Client-Ip": "CANARY-23",
    "Remote-User": "CANARY-24",
    "X-Remote-Addr": "CANARY-25",
    "X-Host": "CANARY-26",
    "X-Envoy-Original-Path": "CANARY-27",
    "Front-End-Https": "CANARY-28",
}


def test_what_is_between_the_caller_and_us_stays_there(caller: Client, server: HostileServer) -> None:
    server.on(f"GET {API}").answer(json={})
    caller.cookies["keyrack"] = "CANARY-session"
    passed_on = {"X-Own": "kept", "Accept": "text/csv", "If-None-Match": '"1"', "Range": "bytes=0-9"}
    caller.get(f"{BASE}contacts", headers={**NOT_PASSED_ON, "Connection": "close, X-Hop", **passed_on})
    [call] = server.calls
    sent = str(call).replace(BEARER, "")
    assert "CANARY" not in sent
    assert {name.lower(): value for name, value in passed_on.items()}.items() <= call.headers.items()
    assert call.headers["host"] == server.url.removeprefix("http://")
    assert call.headers["user-agent"] == "Keyrack"
