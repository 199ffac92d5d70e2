"""The examples of docs/api.md, in each of their languages, against a running site with real tokens."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from accounts.access_tokens import operations
from accounts.models import User
from accounts.oauth_server.models import Application
from accounts.scopes import ADMINISTRATION
from integrations.models import Alias, Revocation
from tests import cast, walks
from tests.accounts import programs
from tests.integrations.flowing import open_incidents, subflow_of
from tests.servers import fixtures, machine
from tests.servers.hostile import HostileServer
from tests.test_docs import ROOT, blocks

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PAGE = ROOT / "docs/api.md"
SCOPES = "integrations:read integrations:revoke tokens:read service:northwind service:salesforce subflows:run"
READ = "integrations:read"
LANGUAGES = {"python", "javascript", "sh"}


@pytest.fixture
def variables(
    live_server: LiveServer, amira: User, as_amira: Client, admin: User, server: HostileServer
) -> dict[str, str]:
    """What the examples find in their environment: the site, and a program that Amira has just allowed its scopes."""
    alias = walks.northwind(server)
    cast.integration_at(walks.registry_of(alias), name="salesforce", label="Salesforce", allow_token_export=True)
    Alias.objects.update(allow_token_export=True)
    cast.signed_in(amira, alias)
    subflow_of(open_incidents(alias))
    server.on("GET /api/contacts").always(json={"count": 2})
    programs.program(allowed_scopes=SCOPES)
    of_her_own = long_lived(amira)  # first: a second step ends what programs got without it
    return {
        **of_her_own,
        "ADMIN_TOKEN": operations.make_token(
            admin, name="Set-up", scopes=[*ADMINISTRATION, "integrations:read"], expires_at=None, by=admin
        )[1],
        "SITE": live_server.url,
        "TOKEN": programs.granted(as_amira, scope=SCOPES)["access_token"],
        "CLIENT_ID": Application.objects.get().client_id,
        "CLIENT_SECRET": programs.SECRET,
        "CODE": programs.ask(as_amira, scope=SCOPES)["code"],
        "REDIRECT_URI": programs.CALLBACK,
        "CODE_VERIFIER": programs.VERIFIER,
    }


def long_lived(amira: User) -> dict[str, str]:
    """What she has made for herself under Account security."""
    token = operations.make_token(amira, name="A script", scopes=[READ], expires_at=None, by=amira)[1]
    Authenticator.objects.create(user=amira, type=Authenticator.Type.TOTP, data={"secret": "x"})
    password = operations.make_application_password(amira, name="A tablet", scopes=[READ])[1]
    return {"PERMANENT_TOKEN": token, "USERNAME": amira.get_username(), "APPLICATION_PASSWORD": password}


def printed(command: list[str], variables: dict[str, str]) -> str:
    """What one program said that is made of all examples of a language."""
    finished = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.replace(variables["SITE"], "SITE")


def all_of(language: str) -> str:
    return "\n".join(blocks(PAGE, language))


SAID = re.compile(
    r"(?i)true\n"
    r"2\n"
    r"northwind connected\nsalesforce not_connected\n"
    r"Sign in at SITE/oauth_initiator\.do\?\S+\ntrue false\n"
    r"Northwind CRM\n"
    r"SUCCESS pending\n"
    r"failed integration_not_authenticated\n"
    r"changed: true\nchanged: false\nnightly true\n"
    r"made: true secret: true\nmade: false secret: false\n"
)


def test_the_examples_in_python_work(variables: dict[str, str]) -> None:
    assert SAID.fullmatch(printed([sys.executable, "-c", all_of("python")], variables))
    assert Revocation.objects.count() == 1


def test_the_examples_in_javascript_work(variables: dict[str, str], tmp_path: Path) -> None:
    fixtures.skip_without("node")
    example = tmp_path / "example.mjs"
    example.write_text(all_of("javascript"))
    assert SAID.fullmatch(printed([str(machine.found("node")), str(example)], variables))
    assert Revocation.objects.count() == 1


def test_the_examples_for_the_shell_work(variables: dict[str, str]) -> None:
    fixtures.skip_without("curl")
    output = printed(["sh", "-eu", "-c", all_of("sh")], variables).replace('": ', '":')
    for text in (
        '"refresh_token"',
        '"token_valid":true',
        'rel="last"',
        "CANARY-access-1",
        '"SUCCESS"',
        '"created":true',
        '"deployment"',
    ):
        assert text in output, text
    assert Revocation.objects.count() == 1


def test_no_example_is_in_a_language_that_nothing_runs() -> None:
    assert set(re.findall(r"^```(\w+)$", PAGE.read_text(), re.MULTILINE)) == LANGUAGES
