"""`run_subflow` on the command line: outputs as JSON, failures in a sentence and an exit code."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from integrations.models import Alias, SubflowRun
from tests import cast, walks
from tests.integrations.flowing import INCIDENTS, open_incidents, subflow_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    server.on(INCIDENTS).always(json={"result": [{"number": "INC1"}]})
    alias = walks.northwind(server)
    subflow_of(open_incidents(alias))
    return alias


def written(*arguments: str) -> str:
    out = StringIO()
    call_command("run_subflow", "my_open_incidents", *arguments, stdout=out)
    return out.getvalue()


def test_it_writes_what_the_subflow_gives(northwind: Alias, amira: User, server: HostileServer) -> None:
    cast.signed_in(amira, northwind)
    assert json.loads(written("--user", "amira", "--input", "limit=2")) == {"numbers": ["INC1"]}
    assert server.calls[0].query == "limit=2"
    assert SubflowRun.objects.get().origin == "Command line"


def test_in_the_background_it_writes_the_id(northwind: Alias, amira: User) -> None:
    assert written("--user", "amira", "--background").strip() == SubflowRun.objects.get().hex


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["--user", "amira"], "401 Unauthorized.*oauth_initiator.do", 1),
        (["--user", "nobody"], "no user named “nobody”", 2),
        (["--user", "amira", "--input", "limit=1", "--input", "limit=2"], "given twice", 2),
        (["--user", "amira", "--input", "limits=2"], "no input “limits”", 2),
        (["--user", "amira", "--input", "limits"], "name=value", 1),
    ],
)
def test_it_fails_in_words(arguments: list[str], message: str, code: int, northwind: Alias, amira: User) -> None:
    with pytest.raises(CommandError, match=message) as failed:
        written(*arguments)
    assert failed.value.returncode == code
