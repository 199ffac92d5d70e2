"""A command line of its own signs in by a device code, over HTTP, while a person answers on the page."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from tests.accounts import programs, proofs
from tests.accounts.oauth_server.test_device_grant import DEVICE_CODE, PAGE, allow, hidden
from tests.conftest import client_of
from tests.servers import installed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

COMMAND_LINE = Path(installed.__file__).parent / "oauth_clients/device.py"


@pytest.fixture
def issuer(live_server: Any, settings: Settings) -> str:
    settings.SITE_URL = live_server.url
    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "OIDC_ISS_ENDPOINT": live_server.url}
    programs.program(
        name="Terminal",
        client_id="terminal",
        client_type="public",
        authorization_grant_type=DEVICE_CODE,
        redirect_uris="",
    )
    return str(live_server.url)


@pytest.mark.parametrize("answer", ["allow", "deny"])
def test_a_command_line_signs_in_while_a_person_answers(amira: User, issuer: str, answer: str) -> None:
    browser = proofs.just_shown(client_of(amira), amira)
    command = [sys.executable, str(COMMAND_LINE), issuer, "terminal", "integrations:read"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        words = process.stdout.readline().split()
        assert words[1] == f"{issuer}{PAGE}"
        if answer == "allow":
            assert allow(browser, words[-1]).status_code == 200
        else:
            browser.post(f"{PAGE}answer/", hidden(browser.post(PAGE, {"user_code": words[-1]})))
        result = json.loads(process.stdout.readline())
    if answer == "deny":
        assert result["error"] == "access_denied"
    else:
        assert result["scope"] == "integrations:read"
        assert isinstance(result["integrations"], list)
