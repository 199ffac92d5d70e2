"""The proxy, as a browser sees it: what comes back, and that it does nothing to our origin."""

from typing import Any

import pytest
from django.test import Client

from tests.api.proxying import API, BASE, body
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


NOT_OURS = {
    "Set-Cookie": "keyrack=CANARY; Path=/",
    "Strict-Transport-Security": "max-age=1",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Credentials": "true",
    "Clear-Site-Data": '"*"',
    "Service-Worker-Allowed": "/",
    "Refresh": "0; url=https://evil.example",
    "WWW-Authenticate": 'Basic realm="Keyrack"',
    "Proxy-Authenticate": "Basic",
    "Alt-Svc": 'h3="evil.example:443"',
    "Report-To": "{}",
    "Origin-Trial": "x",
    "SourceMap": "/x",
    "Public-Key-Pins": "x",
    "Keep-Alive": "timeout=5",
    "X-Hop": "CANARY",
}


@pytest.mark.parametrize("who", ["caller", "session"])
def test_an_answer_does_nothing_to_our_origin(who: str, request: pytest.FixtureRequest, server: HostileServer) -> None:
    theirs = {
        "Content-Security-Policy": "script-src *",
        "X-Content-Type-Options": "none",
        "Cache-Control": "public, s-maxage=600",
        "X-Frame-Options": "ALLOWALL",
        "Cross-Origin-Opener-Policy": "unsafe-none",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Referrer-Policy": "unsafe-url",
        "Permissions-Policy": "camera=*",
    }
    page = "<script>alert(1)</script>"
    told = {**NOT_OURS, **theirs, "Connection": "keep-alive, X-Hop", "ETag": '"1"', "Link": '<x?page=2>; rel="next"'}
    server.on(f"GET {API}").answer(text=page, headers=told)
    sender: Client = request.getfixturevalue(who)
    answer = sender.get(f"{BASE}contacts")
    assert (body(answer).decode(), answer["Content-Type"]) == (page, "text/html; charset=utf-8")
    assert not {name.lower() for name in NOT_OURS} & {name.lower() for name in answer.headers}
    assert not answer.cookies
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["Referrer-Policy"] == "same-origin"
    assert "camera=()" in answer["Permissions-Policy"]
    assert (answer["ETag"], answer["Link"]) == ('"1"', '<x?page=2>; rel="next"')


@pytest.mark.parametrize("status", [201, 301, 302, 307])
def test_where_an_answer_leads_is_told_and_not_followed(status: int, caller: Client, server: HostileServer) -> None:
    with HostileServer() as evil:
        server.on(f"GET {API}").answer(status=status, redirect=f"{evil.url}/x")
        answer = caller.get(f"{BASE}contacts")
        assert (answer.status_code, answer["Keyrack-Location"]) == (status, f"{evil.url}/x")
        assert "Location" not in answer
        assert evil.connections == 0


@pytest.mark.parametrize("status", [204, 304, 400, 403, 404, 418, 429, 500, 503])
def test_any_status_is_the_third_partys_word(status: int, caller: Client, server: HostileServer) -> None:
    has_body = status not in (204, 304)
    fields: dict[str, Any] = {"text": "their words"} if has_body else {}
    server.on(f"GET {API}").answer(status=status, headers={"Retry-After": "7"}, **fields)
    answer = caller.get(f"{BASE}contacts")
    assert (answer.status_code, answer["Retry-After"]) == (status, "7")
    assert body(answer) == (b"their words" if has_body else b"")
    assert len(server.calls) == 1


def test_what_is_compressed_stays_so(caller: Client, server: HostileServer) -> None:
    server.on(f"GET {API}").answer(text="a" * 1000, gzip=True)
    answer = caller.get(f"{BASE}contacts", headers={"Accept-Encoding": "gzip"})
    assert answer["Content-Encoding"] == "gzip"
    assert body(answer).startswith(b"\x1f\x8b")
    assert server.calls[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\x01b\r\n\r\n"]
)
def test_an_odd_answer_breaks_nothing(raw: bytes, caller: Client, server: HostileServer) -> None:
    server.on(f"GET {API}").answer(raw=raw)
    answer = caller.get(f"{BASE}contacts")
    assert answer.status_code in (200, 502)
    assert "X" not in answer
    assert b"HTTP" not in body(answer)
