"""The proxy, as a browser sees it: what comes back, and that it does nothing to our origin."""

from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from pytest_django import Settings

from tests.api.proxying import API, BASE, body, error
from tests.integrations.renewing import ASKED, GRANTED
from tests.servers.hostile import Answer, Call, HostileServer

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
    "Set_Cookie": "keyrack=CANARY",
    "X_Accel_Redirect": "/CANARY",
    "X-Lighttpd-Send-File": "/CANARY",
    "X-LiteSpeed-Location": "/CANARY",
    "Keyrack-Location": "https://evil.example",
    "HX-Redirect": "https://evil.example",
    "Integrity-Policy": "CANARY",
    "Secure-Session-Registration": "CANARY",
    "Cloudflare-CDN-Cache-Control": "public",
}


@pytest.mark.parametrize("who", ["caller", "session"])
def test_an_answer_does_nothing_to_our_origin(who: str, request: pytest.FixtureRequest, server: HostileServer) -> None:
    their_headers = {
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
    headers = {
        **NOT_OURS,
        **their_headers,
        "Connection": "keep-alive, X-Hop",
        "ETag": '"1"',
        "Link": '<x?page=2>; rel="next"',
    }
    server.on(f"GET {API}").answer(text=page, headers=headers)
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
    ("accepted", "passed_on"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip;q=0.8"),
        ("br", "identity"),
        ("", "identity"),
        ("identity;q=0.5", "identity;q=0.5"),
    ],
)
def test_only_codings_that_we_can_read_are_asked_for(
    accepted: str, passed_on: str, caller: Client, server: HostileServer
) -> None:
    """A refusal in Brotli could not be told from any other answer, and nothing would be renewed."""
    server.on(f"GET {API}").answer(json={})
    caller.get(f"{BASE}contacts", headers={"Accept-Encoding": accepted})
    assert server.calls[0].headers["accept-encoding"] == passed_on


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\x01b\r\n\r\n"]
)
def test_an_odd_answer_breaks_nothing(raw: bytes, caller: Client, server: HostileServer) -> None:
    server.on(f"GET {API}").answer(raw=raw)
    answer = caller.get(f"{BASE}contacts")
    assert answer.status_code in (200, 502)
    assert "X" not in answer
    assert b"HTTP" not in body(answer)


@pytest.mark.parametrize("location", ["a\x0bb", "a\x01b", "a\x7fb"])
def test_an_address_that_is_none_is_not_told(location: str, caller: Client, server: HostileServer) -> None:
    """Servers refuse such a header, with the whole answer."""
    server.on(f"GET {API}").answer(raw=f"HTTP/1.1 302 F\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
    answer = caller.get(f"{BASE}contacts")
    assert (answer.status_code, "Keyrack-Location" in answer) == (302, False)


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"200 OK\r\nContent-Length: 2 \r\n\r\nhi", "2"),
        (b"200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "2"),
        (b"200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 50\r\n\r\n2\r\nhi\r\n0\r\n\r\n", None),
        (b"204 No Content\r\nContent-Length: 2\r\n\r\n", None),
        (b"304 Not Modified\r\nContent-Length: 500\r\n\r\n", "500"),
    ],
)
def test_the_length_is_that_of_the_body_or_not_told(
    head: bytes, length: str | None, caller: Client, server: HostileServer
) -> None:
    server.on(f"GET {API}").answer(raw=b"HTTP/1.1 " + head)
    answer = caller.get(f"{BASE}contacts")
    assert answer.headers.get("Content-Length") == length
    assert body(answer) == (b"hi" if answer.status_code == 200 else b"")


@pytest.mark.parametrize("raw", [b"200 OK\r\nContent-Length: \xb2\r\n\r\nhi", b"101 Switching Protocols\r\n\r\nhi"])
def test_what_cannot_be_read_in_one_way_is_502(raw: bytes, caller: Client, server: HostileServer) -> None:
    server.on(f"GET {API}").answer(raw=b"HTTP/1.1 " + raw)
    assert error(caller.get(f"{BASE}contacts")) == (502, "provider_unusable")


def echo(call: Call) -> Answer:
    """A page for debugging, as many third parties have one."""
    return Answer(status=201, text=f"You said: {call.headers['authorization']}")


@pytest.mark.slow
@pytest.mark.parametrize("who", ["caller", "session"])
def test_who_repeats_the_question_is_passed_on_and_not_logged(
    who: str,
    request: pytest.FixtureRequest,
    server: HostileServer,
    transactional_db: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sender: Client = request.getfixturevalue(who)
    server.on(f"GET {API}").then(echo, Answer(status=401), echo)
    server.on(ASKED).answer(json=GRANTED)
    with caplog.at_level("DEBUG"):
        bodies = [body(sender.get(f"{BASE}contacts")) for _before_and_after_a_renewal in range(2)]
    assert bodies == [b"You said: Bearer CANARY-access-1", b"You said: Bearer CANARY-access-2"]
    assert "CANARY" not in caplog.text


@pytest.mark.parametrize("status", [500, 503, 0])
def test_no_administrator_is_mailed_about_what_a_third_party_says(
    status: int,
    caller: Client,
    server: HostileServer,
    settings: Settings,
    mailoutbox: list[EmailMessage],
) -> None:
    settings.ADMINS = [("Administrator", "admin@hub.example")]
    server.on(f"GET {API}").answer(status=status, close=status == 0)
    assert caller.get(f"{BASE}contacts").status_code == (status or 502)
    assert mailoutbox == []
