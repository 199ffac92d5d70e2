"""What schemathesis makes of the API's own description: as a person, as a program with one scope, and as nobody.

All of its checks and phases over every call that the description names, against a running site, from a fixed seed.
"""

import re
from typing import Any

import pytest
import schemathesis
import yaml
from django.test import Client
from pytest_django.live_server_helper import LiveServer
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from accounts.models import User
from integrations.models import Alias, Token
from tests import cast
from tests.accounts import tokens
from tests.integrations.flowing import INCIDENTS, open_incidents, subflow_of
from tests.integrations.tables import INCIDENTS as RECORDS
from tests.integrations.tables import ROWS, incidents
from tests.servers.hostile import HostileServer

NAMES = {"alias": "northwind", "name": "my_open_incidents"}  # of an integration, of a subflow and of a table

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

# What a subflow takes and which columns a table has, an administrator has said, and no description can: 400 may be.
DECLARED_IN_ROWS = {
    "include-operation-id": ["subflows_run", "remote_table_rows"],
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "401", "403", "404", "429", "5xx"]}},
}
EXAMPLES = 3  # of each call, in each of the phases that make things up
SECRET = re.compile(r"CANARY-(?!access-)|Traceback|SELECT |line \d+, in ")


@pytest.fixture
def description(as_amira: Client, signed_in: Alias, server: HostileServer) -> dict[str, Any]:
    """With something behind every call."""
    server.on(INCIDENTS).always(json={"result": [{"number": "INC1"}]})
    subflow_of(open_incidents(signed_in))
    server.on(ROWS).always(json={"result": RECORDS})
    incidents(signed_in, name=NAMES["name"])
    return dict(yaml.safe_load(as_amira.get("/api/v1/schema/").content))


class Run:
    """One run: which calls were made, what was answered, and what schemathesis has against it, in words."""

    def __init__(self, site: LiveServer, description: dict[str, Any], headers: dict[str, str]) -> None:
        few = {"max-examples": EXAMPLES, "database": "none", "deterministic": True}
        told = {"base-url": site.url, "seed": 1, "headers": headers, "generation": few}
        told |= {"phases": {"stateful": {"generation": {**few, "max-examples": 1}}}}
        told |= {"request-timeout": 100, "operations": [DECLARED_IN_ROWS]}
        self.schema = schemathesis.openapi.from_dict(description, config=SchemathesisConfig.from_dict(told))
        self.schema.hook(map_path_parameters)
        self.failures: list[str] = []
        self.statuses: dict[str, set[int]] = {}
        self.leaks: list[str] = []
        for event in from_schema(self.schema).execute():
            self.note(event)

    def note(self, event: Any) -> None:
        if isinstance(event, events.NonFatalError | events.FatalError):
            self.failures.append(repr(event))
        if isinstance(event, events.ScenarioFinished):
            for case_id, interaction in event.recorder.interactions.items():
                self.note_answer(event.recorder.label, interaction.response)
                self.failures += [
                    words(check) for check in event.recorder.checks.get(case_id, []) if check.failure_info
                ]

    def note_answer(self, call: str, answer: Any) -> None:
        assert answer is not None, call
        self.statuses.setdefault(call, set()).add(answer.status_code)
        if SECRET.search(answer.text):
            self.leaks.append(call)


def map_path_parameters(_context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Made-up names are nobody's: every second one is that of something. And what was revoked before is there again."""
    if not Token.objects.exists():
        cast.signed_in(User.objects.get(username="amira"), Alias.objects.get())
    made_up = path_parameters or {}
    return {
        name: NAMES.get(name, value) if len(str(value)) % 2 else value for name, value in made_up.items()
    } or path_parameters


def words(check: Any) -> str:
    return f"{check.name}: {check.failure_info.failure}\n{check.failure_info.code_sample}"


def calls(description: dict[str, Any]) -> set[str]:
    return {f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods}


def test_nothing_is_found_as_a_person(live_server: LiveServer, description: dict[str, Any], as_amira: Client) -> None:
    as_amira.get("/accounts/login/")
    cookies = f"keyrack={as_amira.cookies['keyrack'].value}; keyrack-csrf={'x' * 32}"
    run = Run(live_server, description, {"Cookie": cookies, "X-CSRFToken": "x" * 32})
    assert not run.failures, "\n\n".join(run.failures)
    assert run.leaks == []
    assert calls(description) <= run.statuses.keys()


def test_nothing_is_found_as_a_program_with_one_scope(
    live_server: LiveServer, description: dict[str, Any], amira: User
) -> None:
    _row, shown = tokens.made(amira, "integrations:read")
    run = Run(live_server, description, {"Authorization": f"Bearer {shown}"})
    assert not run.failures, "\n\n".join(run.failures)
    assert run.leaks == []
    assert Token.objects.exists()
    assert 200 not in run.statuses["GET /api/v1/integrations/{alias}/token/"]


def test_nothing_is_found_as_nobody(live_server: LiveServer, description: dict[str, Any]) -> None:
    run = Run(live_server, description, {})
    assert not run.failures, "\n\n".join(run.failures)
    assert run.leaks == []
    closed = calls(description) - {"POST /api/v1/leaked-tokens/"}
    assert {status for call in closed for status in run.statuses[call]} == {401}
