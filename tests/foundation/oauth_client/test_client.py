"""Requests to an authorization server, byte by byte, and which of its responses are trusted."""

import base64
import logging
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import parse_qs, unquote_plus

import pytest

from foundation.oauth_client import client
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.client import Registration
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unreachable, Unusable
from foundation.oauth_client.provider_profile import parse_profile
from tests.servers.hostile import HostileServer

Register = Callable[..., Registration]
TOKEN = {"access_token": "CANARY-access", "refresh_token": "CANARY-refresh", "token_type": "Bearer", "expires_in": 60}
VERIFIER = "v" * 43


def exchange(registration: Registration, **changes: str) -> TokenAnswer:
    arguments = {
        "code": "CANARY-code",
        "redirect_uri": "https://hub.example/back",
        "code_verifier": VERIFIER,
        **changes,
    }
    return client.exchange(registration, **arguments)


def test_an_exchange_sends_the_code_and_nothing_else(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").answer(json={**TOKEN, "scope": "read"})
    answer = exchange(register())
    assert provider.calls[0].form == {
        "grant_type": "authorization_code",
        "code": "CANARY-code",
        "redirect_uri": "https://hub.example/back",
        "code_verifier": VERIFIER,
    }
    assert provider.calls[0].headers["accept"] == "application/json"
    assert (answer.access_token, answer.refresh_token, answer.scopes) == ("CANARY-access", "CANARY-refresh", ("read",))


def test_an_exchange_without_pkce_sends_no_verifier(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").answer(json=TOKEN)
    exchange(register(pkce=False), code_verifier="")
    assert "code_verifier" not in provider.calls[0].form


SECRETS = ["simple", "a:b%c+d e", "€uro-☃", "&=?#/\\\"'", "~!*()"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("grant", ["exchange", "refresh", "revoke"])
def test_a_secret_of_any_script_arrives_in_basic(
    grant: str, secret: str, register: Register, provider: HostileServer
) -> None:
    provider.on("POST /token").always(json=TOKEN)
    speak(grant, register(client_id="käy:rack", client_secret=secret))
    scheme, _, pair = provider.calls[0].headers["authorization"].partition(" ")
    name, _, password = base64.b64decode(pair).decode("ascii").partition(":")
    assert (scheme, unquote_plus(name), unquote_plus(password)) == ("Basic", "käy:rack", secret)
    assert "client_id" not in provider.calls[0].form
    assert "client_secret" not in provider.calls[0].form


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("grant", ["exchange", "refresh", "revoke"])
def test_a_secret_of_any_script_arrives_in_the_body(
    grant: str, secret: str, register: Register, provider: HostileServer
) -> None:
    provider.on("POST /token").always(json=TOKEN)
    speak(grant, register(client_secret=secret, client_authentication="client_secret_post"))
    form = provider.calls[0].form
    assert (form["client_id"], form["client_secret"]) == ("keyrack", secret)
    assert "authorization" not in provider.calls[0].headers


@pytest.mark.parametrize("grant", ["exchange", "refresh", "revoke"])
def test_a_public_client_only_says_its_name(grant: str, register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").always(json=TOKEN)
    speak(grant, register(client_authentication="none"))
    assert provider.calls[0].form["client_id"] == "keyrack"
    assert "client_secret" not in provider.calls[0].form
    assert "authorization" not in provider.calls[0].headers


def speak(grant: str, registration: Registration) -> None:
    if grant == "exchange":
        exchange(registration)
    elif grant == "refresh":
        client.refresh(registration, refresh_token="r")
    else:
        client.post(registration, registration.token_url, {"token": "t"})


def test_an_unknown_client_authentication_is_refused(register: Register, provider: HostileServer) -> None:
    with pytest.raises(Misconfigured, match="bad_client_authentication"):
        exchange(register(client_authentication="private_key_jwt"))
    assert provider.calls == []


def test_a_refresh_sends_the_token_and_the_scopes_only_where_the_provider_wants_them(
    register: Register, provider: HostileServer
) -> None:
    provider.on("POST /token").always(json={"access_token": "b"})
    answer = client.refresh(register(), refresh_token="r+&=", scopes=["a", "b"])
    wants_scopes = parse_profile({"token_request": {"refresh_parameters": {"scope": "{scope}"}}})
    client.refresh(register(profile=wants_scopes), refresh_token="r", scopes=["a", "b"])
    assert provider.calls[0].form == {"grant_type": "refresh_token", "refresh_token": "r+&="}
    assert provider.calls[1].form["scope"] == "a b"
    assert answer.refresh_token == ""


@pytest.mark.parametrize("scope", ["read", "read write more", "read,write", ["read"], None])
def test_a_changed_scope_loses_no_token(scope: object, register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").always(json={**TOKEN, "scope": scope})
    for answer in (
        exchange(register()),
        client.refresh(register(), refresh_token="r", scopes=["read", "write"]),
        client.password(register(), username="u", password="p", scopes=["read", "write"]),
        client.client_credentials(register(), scopes=["read", "write"]),
    ):
        assert answer.access_token == "CANARY-access"


@pytest.mark.parametrize("password", ["simple", " ends in space ", "p+ä%&=☃", "x" * 4096])
def test_a_password_arrives_unchanged_and_once(password: str, register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").answer(status=400, json={"error": "invalid_grant"})
    with pytest.raises(Refused, match="invalid_grant"):
        client.password(register(), username="amira", password=password, scopes=["read"])
    assert [call.form for call in provider.calls] == [
        {"grant_type": "password", "username": "amira", "password": password, "scope": "read"}
    ]


def test_client_credentials_ask_for_the_scopes(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").answer(json=TOKEN)
    client.client_credentials(register(scope_separator=","), scopes=["a", "b"])
    assert provider.calls[0].form == {"grant_type": "client_credentials", "scope": "a,b"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_call_follows_a_redirect(
    status: int, register: Register, provider: HostileServer, evil_host: HostileServer
) -> None:
    evil_host.on("POST /").always(json=TOKEN)
    for key in ("POST /token", "POST /introspect", "GET /userinfo"):
        provider.on(key).always(status=status, redirect=evil_host.url + "/")
    registration = register(client_authentication="client_secret_post")
    calls: list[Callable[[], object]] = [
        lambda: exchange(registration),
        lambda: client.refresh(registration, refresh_token="r"),
        lambda: client.introspect(registration, "t"),
        lambda: client.userinfo(registration, "t"),
    ]
    for call in calls:
        with pytest.raises(Misconfigured, match="redirected"):
            call()
    assert evil_host.connections == 0


@pytest.mark.parametrize("charset", ["idna", "punycode", "undefined", "rot13", "utf-16", "x" * 100])
def test_a_hostile_charset_reaches_no_decoder(charset: str, register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").always(json=TOKEN, headers={"Content-Type": f"application/json; charset={charset}"})
    assert exchange(register()).access_token == "CANARY-access"
    assert client.refresh(register(), refresh_token="r").access_token == "CANARY-access"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"status": 500, "text": "<html>"}, Unreachable),
        ({"status": 429, "headers": {"Retry-After": "3"}}, Unreachable),
        ({"close": True}, Unreachable),
        ({"truncated": True, "json": TOKEN}, Unreachable),
        ({"status": 401, "json": {"error": "invalid_client"}}, Misconfigured),
        ({"status": 400, "json": {"error": "invalid_grant"}}, Refused),
        ({"text": "<html>Sign in</html>"}, Unusable),
        ({"bomb": 5_000_000}, Unusable),
        ({"body": b'{"a":' * 100_000}, Unusable),
        ({"json": ["a"]}, Unusable),
        ({"json": {"access_token": "a\r\nX: y"}}, Unusable),
        ({"form": {"error": "bad_refresh_token"}}, Refused),
    ],
)
def test_a_failure_on_the_wire_is_one_of_ours(
    answer: dict[str, object], kind: type[OAuthError], register: Register, provider: HostileServer
) -> None:
    provider.on("POST /token").answer(**answer).answer(**answer)
    with pytest.raises(kind):
        exchange(register())
    with pytest.raises(kind):
        client.refresh(register(), refresh_token="r")
    assert len(provider.calls) == 2


def test_no_provider_at_all_is_unreachable(register: Register) -> None:
    with pytest.raises(Unreachable, match="connection_failed"):
        exchange(register(token_url="http://127.0.0.1:1/token"))


def test_plain_http_is_restored_for_exactly_the_token_endpoint(register: Register, provider: HostileServer) -> None:
    provider.on("POST /a b/token").always(json=TOKEN)
    provider.on("POST /t%C3%B6ken").always(json=TOKEN)
    assert exchange(register(token_url=provider.url.replace("http://", "HTTP://") + "/töken")).access_token
    assert provider.calls[0].path == "/t%C3%B6ken"


def test_https_is_never_spoken_as_http(register: Register, provider: HostileServer) -> None:
    with pytest.raises(Unreachable):
        exchange(register(token_url=provider.url.replace("http://", "https://") + "/token"))
    assert provider.calls == []


def test_debug_logging_tells_no_secret(
    register: Register, provider: HostileServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.on("POST /token").always(json=TOKEN)
    logging.getLogger("tests.foundation.oauth_client").debug("debug is on")
    exchange(register())
    client.refresh(register(client_authentication="client_secret_post"), refresh_token="CANARY-old")
    client.password(register(), username="amira", password="CANARY-password")
    log = "\n".join(record.getMessage() for record in caplog.records)
    assert "debug is on" in log
    assert "CANARY" not in log
    assert b64encode(b"keyrack:CANARY-client-secret").decode() not in log


@pytest.mark.slow
@pytest.mark.parametrize("name", ["requests_oauthlib.oauth2_session", "oauthlib.oauth2.rfc6749"])
def test_importing_the_client_is_enough_to_silence_the_libraries(name: str) -> None:
    statement = (
        f"import logging, foundation.oauth_client.client; print(logging.getLogger({name!r}).getEffectiveLevel())"
    )
    program = f"import logging; logging.basicConfig(level=logging.DEBUG); {statement}"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(process.stdout) == logging.INFO


def test_an_error_carries_no_secret(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").answer(status=400, json={"error": "CANARY", "error_description": "CANARY"})
    with pytest.raises(OAuthError) as caught:
        exchange(register())
    members = {
        name: value for name, value in vars(caught.value).items() if name != "reason"
    }  # masked, for administrators
    assert "CANARY" not in f"{caught.value!r} {caught.value} {members}"


def test_a_registration_hides_its_secret(register: Register) -> None:
    assert "CANARY" not in repr(register())


@pytest.mark.parametrize(
    ("value", "active"), [(True, True), (False, False), ("true", False), (1, False), (None, False)]
)
def test_only_true_is_active(value: object, active: bool, register: Register, provider: HostileServer) -> None:
    provider.on("POST /introspect").answer(json={"active": value, "sub": "1"})
    introspection = client.introspect(register(), "t", hint="access_token")
    assert (introspection.active, introspection.claims["sub"]) == (active, "1")
    assert provider.calls[0].form == {"token": "t", "token_type_hint": "access_token"}
    assert provider.calls[0].headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize("token", ["plain", "tökén-☃-密", "x" * 12_000])
def test_userinfo_carries_the_token_unchanged_in_the_header(
    token: str, register: Register, provider: HostileServer
) -> None:
    provider.on("GET /userinfo").answer(json={"sub": "1"})
    assert client.userinfo(register(), token) == {"sub": "1"}
    sent = provider.calls[0].headers["authorization"].encode("latin-1")
    assert sent == b"Bearer " + token.encode()
    assert parse_qs(provider.calls[0].query) == {}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"text": "<html>"}, Unusable),
        ({"json": [1]}, Unusable),
        ({"status": 403}, Unreachable),
        ({"status": 503}, Unreachable),
        ({"status": 401}, Misconfigured),
        ({"status": 401, "json": {"error": "invalid_token"}}, Refused),
        ({"form": {"sub": "1"}}, Unusable),
    ],
)
def test_userinfo_that_is_no_document_is_an_error(
    answer: dict[str, object], kind: type[OAuthError], register: Register, provider: HostileServer
) -> None:
    provider.on("GET /userinfo").answer(**answer)
    with pytest.raises(kind):
        client.userinfo(register(), "t")
