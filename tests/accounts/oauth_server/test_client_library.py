"""Third-party OAuth client libraries sign a user in at Keyrack, each in a process of its own."""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from tests.accounts import programs
from tests.conftest import client_of
from tests.servers import installed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SERVERS = Path(installed.__file__).parent
NPM = ("openid-client", "oauth4webapi", "simple-oauth2", "passport-oauth2")
INTROSPECTING = {"openid-client", "oauth4webapi", "authlib"}  # the others have nothing for it
REVOKING = {*INTROSPECTING, "simple-oauth2"}
DISCOVERING = {"openid-client", "oauth4webapi"}
SCOPE = "integrations:read integrations:revoke"

Do = Callable[..., dict[str, Any]]


@pytest.fixture
def issuer(live_server: Any, settings: Settings) -> str:
    settings.SITE_URL = live_server.url
    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "OIDC_ISS_ENDPOINT": live_server.url}
    return str(live_server.url)


@pytest.fixture(params=[*NPM, "authlib"])
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def do(library: str, issuer: str) -> Iterator[Do]:
    """A function that sends the program a command and returns its reply."""
    programs.program(may_introspect=True)
    try:
        command, instructions = command_of(library)
    except installed.Missing as lack:
        pytest.skip(str(lack))
    instructions |= {"issuer": issuer, "library": library, "client_id": "digest", "client_secret": programs.SECRET}
    instructions |= {"redirect_uri": programs.CALLBACK, "scope": SCOPE}
    with running(command) as process:
        say(process, instructions)

        def ask(what: str, **details: Any) -> dict[str, Any]:
            say(process, {"do": what, **details})
            assert process.stdout
            reply: dict[str, Any] = json.loads(process.stdout.readline())
            return reply

        yield ask


def command_of(library: str) -> tuple[list[str], dict[str, str]]:
    if library == "authlib":
        source = SERVERS / "authlib_client"
        return [str(installed.environment(source)), str(source / "serve.py")], {}
    source = SERVERS / "oauth_clients"
    return [installed.node(), str(source / "serve.mjs")], {"installed": str(installed.node_modules(source))}


@contextmanager
def running(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def say(process: "subprocess.Popen[str]", message: dict[str, Any]) -> None:
    assert process.stdin
    process.stdin.write(f"{json.dumps(message)}\n")
    process.stdin.flush()


def come_back(browser: Client, address: str, *, allow: bool = True) -> tuple[str, bool]:
    """Open the authorization URL and answer; returns the redirect, and whether the consent page was shown."""
    parts = urlsplit(address)
    path = f"{parts.path}?{parts.query}"
    page = browser.get(path)
    if page.status_code == 302:
        return str(page["Location"]), False
    answer = {"allow": "true"} if allow else {}
    return str(browser.post(path, {**programs.hidden_fields(page), **answer})["Location"]), True


def sign_in(do: Do, browser: Client, resources: Sequence[str]) -> tuple[dict[str, Any], bool]:
    address = do("address", extra={}, resources=resources)["address"]
    url, was_asked = come_back(browser, address)
    return do("finish", url=url), was_asked


def is_alive(access_token: str) -> dict[str, Any]:
    description: dict[str, Any] = programs.introspect(access_token).json()
    return description


def test_a_library_signs_in_twice_renews_asks_and_revokes(amira: User, issuer: str, library: str, do: Do) -> None:
    browser = client_of(amira)
    for resources in ([], [f"{issuer}/api/v1", f"{issuer}/mcp"]):
        first, _was_asked = sign_in(do, browser, resources)
        assert (first["scope"], first["expires_in"]) == (SCOPE, 600), first
        second, was_asked = sign_in(do, browser, resources)
        assert second["access_token"] != first["access_token"]
        assert not was_asked
        assert is_alive(second["access_token"]).get("aud", []) == resources

        renewed = do("refresh", token=first["refresh_token"])
        assert renewed["access_token"] not in {first["access_token"], None}
        again = do("refresh", token=first["refresh_token"])
        assert (again["access_token"], again["refresh_token"]) == (renewed["access_token"], renewed["refresh_token"])

        if library in INTROSPECTING:
            alive = do("introspect", token=renewed["access_token"])
            assert (alive["active"], alive["username"]) == (True, "amira")
        if library in REVOKING:
            assert "error" not in do("revoke", token=renewed["refresh_token"])
            assert is_alive(renewed["access_token"]) == {"active": False}
            assert do("refresh", token=renewed["refresh_token"])["error"] == "invalid_grant"
        assert is_alive(second["access_token"])["active"]


def test_a_library_understands_a_no(amira: User, do: Do) -> None:
    address = do("address", extra={"prompt": "consent"}, resources=[])["address"]
    url, _was_asked = come_back(client_of(amira), address, allow=False)
    assert do("finish", url=url)["error"] == "access_denied"


def test_a_library_understands_that_a_resource_is_not_ours(amira: User, do: Do) -> None:
    address = do("address", extra={}, resources=["https://other.example/"])["address"]
    url, was_asked = come_back(client_of(amira), address)
    assert not was_asked
    assert "error=invalid_target" in url


def test_a_library_understands_that_a_refresh_token_came_too_late(
    amira: User, settings: Settings, library: str, do: Do
) -> None:
    settings.REFRESH_REPLAY_SECONDS = 0
    first, _was_asked = sign_in(do, client_of(amira), [])
    renewed = do("refresh", token=first["refresh_token"])
    assert do("refresh", token=first["refresh_token"])["error"] == "invalid_grant"
    assert is_alive(renewed["access_token"]) == {"active": False}


def test_a_library_finds_the_server(issuer: str, library: str, do: Do) -> None:
    if library in DISCOVERING:
        assert do("metadata")["issuer"] == issuer
