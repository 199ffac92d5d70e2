"""A client library that other people wrote and use (openid-client, from npm) signs somebody in at Keyrack."""

import json
import subprocess
from collections.abc import Iterator
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

pytestmark = pytest.mark.django_db(transaction=True)

SOURCE = Path(installed.__file__).parent / "openid_client"


@pytest.fixture
def issuer(live_server: Any, settings: Settings) -> str:
    settings.SITE_URL = live_server.url
    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "OIDC_ISS_ENDPOINT": live_server.url}
    return str(live_server.url)


@pytest.fixture
def library(issuer: str) -> Iterator["subprocess.Popen[str]"]:
    try:
        command, modules = [installed.node(), str(SOURCE / "client.mjs")], installed.node_modules(SOURCE)
    except installed.Missing as lack:
        pytest.skip(str(lack))
    told = {
        "installed": str(modules),
        "issuer": issuer,
        "client_id": "digest",
        "client_secret": programs.SECRET,
        "redirect_uri": programs.CALLBACK,
        "scope": "integrations:read integrations:revoke",
    }
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        say(process, json.dumps(told))
        yield process
        process.kill()


def say(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def heard(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def allow(browser: Client, address: str) -> str:
    """The person opens the address and allows it; where the browser is sent."""
    parts = urlsplit(address)
    path = f"{parts.path}?{parts.query}"
    fields = programs.hidden_fields(browser.get(path))
    return str(browser.post(path, {**fields, "allow": "true"})["Location"])


def test_a_library_finds_signs_in_renews_asks_and_revokes(
    amira: User, issuer: str, library: "subprocess.Popen[str]"
) -> None:
    programs.program(may_introspect=True)
    say(library, allow(client_of(amira), heard(library)["address"]))
    told = heard(library)
    assert told["server"]["issuer"] == issuer
    assert told["granted"] == {
        "scope": "integrations:read integrations:revoke", "expires_in": 600, "token_type": "bearer"
    }  # fmt: skip
    assert told["is_new"]
    assert (told["alive"]["active"], told["alive"]["username"]) == (True, "amira")
    assert told["revoked"] == {"active": False}
    assert told["refused"] == "invalid_grant"
