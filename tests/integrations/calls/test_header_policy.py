"""A call goes to the alias's origin and says what we let it say, whatever the caller writes into it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.errors import OAuthError
from integrations import calls
from integrations.models import Alias, HttpConnection, Token
from integrations.models.tokens import consent
from tests import cast
from tests.integrations.renewing import ASKED, GRANTED
from tests.servers.hostile import HostileServer

BEARER = b"Bearer CANARY-access-1".decode()
API = "/api/contacts"


@pytest.fixture
def connection(server: HostileServer, amira: User) -> HttpConnection:
    """Amira's, signed in."""
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    return HttpConnection.objects.select_related("credential__profile__registry").get()


@pytest.fixture
def evil() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


def get(user: User, connection: HttpConnection, path: str = "/contacts", **call: Any) -> requests.Response:
    return calls.send(user, connection, "GET", path, **call)


LEAVING = [
    "//{evil}/x",
    "///{evil}/x",
    "http://{evil}/x",
    "HTTP://{evil}/x",
    "https:{evil}/x",
    "javascript:alert(1)",
    "\\\\{evil}\\x",
    "/\\{evil}/x",
    "\\/{evil}/x",
    "/%5c{evil}/x",
    "/..",
    "/../admin",
    "/a/../../admin",
    "/./admin",
    "..",
    "/..;/admin",
    "/a;x=1/..;y=2/admin",
    "/%2e%2e/admin",
    "/%2E%2e/admin",
    "/.%2e/admin",
    "/%252e%252e/admin",
    "/%25252e%25252e/admin",
    "/a%2f..%2f..%2fadmin",
    "/a%252f%252e%252e",
    "/a\r\nX-Evil: 1",
    "/a%0d%0aX-Evil: 1",
    "/a%250aX",
    "/a\tb",
    "/a b",
    "/a\x00",
    "/a%00",
    "/a#b",
    "/..%3F",
    "/..%20/admin",
    "/%c0%ae%c0%ae/admin",
    "/%u002e%u002e/admin",
    "/\uff0e\uff0e/admin",
    "/..\uff0fadmin",
    "file:/etc/passwd",
    "\u00a0//{evil}",
    " //{evil}/x",
]


@pytest.mark.parametrize("path", LEAVING)
def test_a_path_cannot_leave_the_alias(
    path: str, server: HostileServer, evil: HostileServer, amira: User, connection: HttpConnection
) -> None:
    try:
        get(amira, connection, path.format(evil=f"127.0.0.1:{evil.port}"))
    except (calls.BadPath, OAuthError):
        assert server.calls == []
    else:
        [call] = server.calls
        assert call.path.startswith("/api/")
    assert evil.connections == 0


def test_nearly_all_of_them_are_refused_before_anything_is_sent() -> None:
    refused = [path for path in LEAVING if is_refused(path.format(evil="evil.example"))]
    assert set(LEAVING) - set(refused) <= {"\u00a0//{evil}"}


def is_refused(path: str) -> bool:
    try:
        calls.target_url("https://api.example/api", path)
    except calls.BadPath:
        return True
    return False


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("", "https://api.example/v1"),
        ("contacts", "https://api.example/v1/contacts"),
        ("/contacts/", "https://api.example/v1/contacts/"),
        ("/@someone/repo", "https://api.example/v1/@someone/repo"),
        ("/a%20b/..c/d..e/...", "https://api.example/v1/a%20b/..c/d..e/..."),
        ("/a%2Fb", "https://api.example/v1/a%2Fb"),
        (
            "/search?q=//evil.example/..&x=https://evil.example",
            "https://api.example/v1/search?q=//evil.example/..&x=https://evil.example",
        ),
        ("/a:b", "https://api.example/v1/a:b"),
        ("people:batchGet", "https://api.example/v1/people:batchGet"),
        ("urn:li:share:1", "https://api.example/v1/urn:li:share:1"),
        ("/a%FF/%C0%FF\uff3cb", "https://api.example/v1/a%FF/%C0%FF\uff3cb"),
    ],
)
def test_an_honest_path_is_left_as_it_is(path: str, url: str) -> None:
    assert calls.target_url("https://api.example/v1", path) == url


@pytest.mark.parametrize("method", ["GET http://evil.example/", "GET\r\nX: 1", "", "GE T", "GET\u0131", "G3T"])
def test_a_method_is_one_word(method: str, server: HostileServer, amira: User, connection: HttpConnection) -> None:
    with pytest.raises(calls.BadPath):
        calls.send(amira, connection, method, "/contacts")
    assert server.calls == []


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "https://10.0.0.1", "ftp://127.0.0.1/x"])
def test_an_inner_address_is_not_reached_even_if_the_row_names_it(
    url: str, amira: User, connection: HttpConnection
) -> None:
    HttpConnection.objects.update(connection_url=url)
    connection.refresh_from_db(fields=["connection_url"])
    token = Token.objects.get()
    token.agreed = consent.current_agreement(token.credential, token.user_id)
    token.save()
    with pytest.raises(OAuthError):
        get(amira, connection)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_the_answer(
    status: int, server: HostileServer, evil: HostileServer, amira: User, connection: HttpConnection
) -> None:
    server.on(f"GET {API}").answer(status=status, redirect=f"{evil.url}/x")
    response = get(amira, connection, headers={"X-Api-Key": "CANARY-key"})
    assert (response.status_code, response.headers["Location"]) == (status, f"{evil.url}/x")
    assert evil.connections == 0


OURS = [
    "Authorization",
    "authorization ",
    "Authorization\t",
    "Cookie",
    "Host",
    "Connection",
    "Proxy-Authorization",
    "Proxy_Authorization",
    "Proxy-Anything",
    "X-Forwarded-For",
    "X_Forwarded_For",
    "X-Forwarded-Host",
    "Forwarded",
    "Via",
    "X-Real-IP",
    "X-HTTP-Method-Override",
    "Transfer-Encoding",
    "Content-Length",
    "Content_Length",
    "Upgrade",
    "Expect",
    "TE",
    "Bad Name",
    "Bad:Name",
    "",
]


@pytest.mark.parametrize("name", OURS)
def test_what_only_we_may_say_is_not_sent(
    name: str, server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    server.on(f"GET {API}").answer(status=200)
    get(amira, connection, headers={name: "CANARY-from-the-caller", "X-Own": "kept"})
    [call] = server.calls
    assert "CANARY-from-the-caller" not in str(call)
    assert (call.headers["authorization"], call.headers["x-own"]) == (BEARER, "kept")
    assert call.headers["host"] == server.url.removeprefix("http://")


def test_a_header_cannot_carry_a_second_one(server: HostileServer, amira: User, connection: HttpConnection) -> None:
    with pytest.raises(OAuthError) as refused:
        get(amira, connection, headers={"X-Own": "a\r\nAuthorization: Bearer CANARY-evil"})
    assert "CANARY" not in str(refused.value)
    assert server.calls == []


def test_proxies_and_netrc_of_the_environment_change_nothing(
    server: HostileServer,
    evil: HostileServer,
    amira: User,
    connection: HttpConnection,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login evil password CANARY-netrc")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, evil.url)
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    server.on(ASKED).answer(json=GRANTED)
    server.on("POST /revoke").always(status=200)
    server.on(f"GET {API}").answer(status=200)
    get(amira, connection)
    assert server.calls_to(f"GET {API}")[0].headers["authorization"] == "Bearer CANARY-access-2"
    assert [call.path for call in server.calls] == ["/token", API]
    assert evil.connections == 0


def test_cookies_of_one_person_do_not_reach_the_next_call(
    server: HostileServer, amira: User, bob: User, connection: HttpConnection
) -> None:
    cast.signed_in(bob, Alias.objects.get(), access_token="CANARY-bob")
    server.on(f"GET {API}").always(headers={"Set-Cookie": "session=CANARY-cookie; Path=/"})
    get(amira, connection)
    get(bob, connection)
    assert [call.headers.get("cookie") for call in server.calls] == [None, None]
    assert [call.headers["authorization"] for call in server.calls] == [BEARER, "Bearer CANARY-bob"]


def test_the_answer_holds_no_token(server: HostileServer, amira: User, connection: HttpConnection) -> None:
    server.on(f"GET {API}").answer(json={"name": "Ada"})
    assert "CANARY" not in spilled(get(amira, connection))


def spilled(thing: object, depth: int = 5) -> str:
    """Whatever can be read off an object and off what it holds."""
    inner = {**vars(thing)} if hasattr(thing, "__dict__") else {}
    held = [*inner.values(), *(thing.values() if isinstance(thing, dict) else ())]
    held += list(thing) if isinstance(thing, list | tuple) else []
    return repr(thing) + "".join(spilled(part, depth - 1) for part in held if depth)
