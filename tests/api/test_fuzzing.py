"""What schemathesis makes of the API's own description: as a person, as a program with one scope, and as nobody.

All of its checks and phases over every call that the description names, against a site in a process of its own, from a
fixed seed. Every third text that it makes up is replaced by one that a database or a decoder may choke on.
"""

import re
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import schemathesis
import yaml
from django.conf import settings
from django.db import connection
from django.test import Client
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from accounts.models import User
from integrations.models import Alias, Token
from tests import cast
from tests.accounts import proofs, tokens
from tests.integrations.flowing import INCIDENTS, open_incidents, subflow_of
from tests.integrations.renewing import ASKED, GRANTED
from tests.integrations.tables import INCIDENTS as RECORDS
from tests.integrations.tables import ROWS, incidents
from tests.servers.hostile import HostileServer
from tests.servers.site import Site

# Of an integration, of a subflow and of a table, and of what is administered
NAMES = {"alias": "northwind", "name": "my_open_incidents", "user": "bob", "registry": "Northwind", "group": "Support"}

# NUL, controls, the other direction, what is no character in Unicode, a number too long to count with, injection.
ODD = ["\0", "a\0b", "\x01\x1b\u202e", "\ufffe\U0010ffff", "9" * 500, "' OR 1=1 --", "%00%ED%A0%80"]

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

# What a subflow takes and which columns a table has, an administrator has said, and no description can: 400 may be.
# The same where an odd text may take the place of a token, which has no NUL by the description.
MAY_BE_INVALID = {
    "include-operation-id": [
        "subflows_run",
        "remote_table_rows",
        "leaked_tokens",
        "integrations_token_refused",
    ],
    "checks": {
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "400", "401", "403", "404", "409", "412", "429", "5xx"]
        }
    },
}
ADMIN = "/api/v1/admin/"
EXAMPLES = 3  # of each call, in each of the phases that make things up
SECRET = re.compile(r"CANARY-(?!access-)|Traceback|SELECT |line \d+, in ")


@pytest.fixture
def description(as_amira: Client, signed_in: Alias, server: HostileServer) -> dict[str, Any]:
    """With something behind every call."""
    server.on(INCIDENTS).always(json={"result": [{"number": "INC1"}]})
    subflow_of(open_incidents(signed_in))
    server.on(ROWS).always(json={"result": RECORDS})
    server.on(ASKED).always(json=GRANTED)  # whoever reports the right token as refused gets another one
    incidents(signed_in, name=NAMES["name"])
    return described(as_amira, lambda path: not path.startswith(ADMIN))


def described(client: Client, is_chosen: Callable[[str], bool]) -> dict[str, Any]:
    """The description, with these paths only, and with this site's maximum of what each site sets for itself."""
    whole = dict(yaml.load(client.get("/api/v1/schema/").content, Loader=yaml.CSafeLoader))
    for call in (words for words_of in whole["paths"].values() for words in words_of.values()):
        for parameter in call.get("parameters", ()):
            if parameter["name"] == "Keyrack-Timeout":
                parameter["schema"]["maximum"] = settings.PROXY_TIMEOUT_MAX_SECONDS
    return {**whole, "paths": {path: words for path, words in whole["paths"].items() if is_chosen(path)}}


@pytest.fixture
def site(description: dict[str, Any], tmp_path: Path) -> Iterator[Site]:
    """A process of its own: the connections of its threads end with it, so the database can be dropped."""
    with Site("granian", tmp_path, API_CALLS_PER_MINUTE="100000", API_ANONYMOUS_CALLS_PER_MINUTE="100000") as running:
        yield running


class Run:
    """One run: which calls were made, what was answered, and what schemathesis has against it, in words."""

    def __init__(self, site: Site, description: dict[str, Any], headers: dict[str, str], **phases: Any) -> None:
        few = {"max-examples": EXAMPLES, "database": "none", "deterministic": True}
        options = {"base-url": site.url, "seed": 1, "headers": headers, "generation": few}
        options |= {"phases": {"stateful": {"generation": {**few, "max-examples": 1}}, **phases}}
        writing = [words["operationId"] for path in description["paths"].values() for words in path.values()]
        by_forms = [name for name in writing if name.startswith("admin_")]  # which know more than a description
        may_be_invalid = {
            **MAY_BE_INVALID,
            "include-operation-id": [*MAY_BE_INVALID["include-operation-id"], *by_forms],
        }
        options |= {"request-timeout": 100, "operations": [may_be_invalid]}
        self.schema = schemathesis.openapi.from_dict(description, config=SchemathesisConfig.from_dict(options))
        replace_texts(self.schema)
        self.failures: list[str] = []
        self.statuses: dict[str, set[int]] = {}
        self.addresses: list[str] = []
        self.leaks: list[str] = []
        for event in from_schema(self.schema).execute():
            self.note(event)

    def note(self, event: Any) -> None:
        if isinstance(event, events.NonFatalError | events.FatalError):
            self.failures.append(repr(event))
        if isinstance(event, events.ScenarioFinished):
            for case_id, interaction in event.recorder.interactions.items():
                self.addresses.append(unquote(interaction.request.uri))
                self.note_answer(event.recorder.label, interaction.response)
                self.failures += [
                    words(check) for check in event.recorder.checks.get(case_id, []) if check.failure_info
                ]

    def note_answer(self, call: str, answer: Any) -> None:
        assert answer is not None, call
        self.statuses.setdefault(call, set()).add(answer.status_code)
        if SECRET.search(answer.text):
            self.leaks.append(call)

    def check(self) -> None:
        assert not self.failures, "\n\n".join(self.failures)
        assert self.leaks == []
        assert any("\0" in address for address in self.addresses)


def replace_texts(schema: Any) -> None:
    odd = cycle([text for each in ODD for text in (None, None, each)])

    def with_odd_texts(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: with_odd_texts(each) for name, each in value.items()}
        if isinstance(value, list):
            return [with_odd_texts(each) for each in value]
        return next(odd) or value if isinstance(value, str) else value

    @schema.hook  # type: ignore[untyped-decorator]
    def map_path_parameters(_context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
        """Of the names that are nobody's, every second one becomes that of something."""
        keep_signed_in()
        made_up = dict(path_parameters or {})
        proxied = {name: made_up.pop(name) for name in ("path",) if name in made_up}  # the description says which go
        names = {name: NAMES.get(name, value) if len(str(value)) % 2 else value for name, value in made_up.items()}
        return {**with_odd_texts(names), **proxied} or path_parameters

    @schema.hook  # type: ignore[untyped-decorator]
    def map_query(_context: Any, query: dict[str, Any] | None) -> Any:
        return with_odd_texts(query)

    @schema.hook  # type: ignore[untyped-decorator]
    def map_body(_context: Any, body: Any) -> Any:
        return with_odd_texts(body)


def keep_signed_in() -> None:
    """What was revoked before is there again. A thread of schemathesis's calls this, and ends its own connection."""
    try:
        amira, alias = User.objects.filter(username="amira").first(), Alias.objects.filter(name="northwind").first()
        if amira and alias and alias.effective_credential and not Token.objects.exists():  # none of them deleted
            cast.signed_in(amira, alias)
    finally:
        connection.close()


def words(check: Any) -> str:
    return f"{check.name}: {check.failure_info.failure}\n{check.failure_info.code_sample}"


def calls(description: dict[str, Any]) -> set[str]:
    return {f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods}


def test_nothing_is_found_as_a_person(site: Site, description: dict[str, Any], as_amira: Client) -> None:
    as_amira.get("/accounts/login/")
    cookies = f"keyrack={as_amira.cookies['keyrack'].value}; keyrack-csrf={'x' * 32}"
    run = Run(site, description, {"Cookie": cookies, "X-CSRFToken": "x" * 32})
    run.check()
    assert calls(description) <= run.statuses.keys()


def test_nothing_is_found_as_a_program_with_one_scope(site: Site, description: dict[str, Any], amira: User) -> None:
    _row, token = tokens.make_token(amira, "integrations:read")
    run = Run(site, description, {"Authorization": f"Bearer {token}"})
    run.check()
    assert Token.objects.exists()
    assert 200 not in run.statuses["GET /api/v1/integrations/{alias}/token/"]


def test_nothing_is_found_as_an_administrator(
    site: Site, description: dict[str, Any], as_amira: Client, admin: User, bob: User
) -> None:
    proofs.app_of(admin)  # required of staff by a call of this run, it would end the token
    administration = described(as_amira, lambda path: path.startswith(ADMIN))
    _row, token = tokens.make_token(admin, "administration")
    switched_off = {"enabled": False}  # hundreds of calls for each of the many members
    headers = {"Authorization": f"Bearer {token}"}
    run = Run(site, administration, headers, coverage=switched_off, stateful=switched_off)
    run.check()
    assert calls(administration) <= run.statuses.keys()
    assert {200, 400, 404} <= {status for statuses in run.statuses.values() for status in statuses}


def test_nothing_is_found_as_nobody(site: Site, description: dict[str, Any]) -> None:
    run = Run(site, description, {})
    run.check()
    closed = calls(description) - {"POST /api/v1/leaked-tokens/"}
    assert {status for call in closed for status in run.statuses[call]} == {401}
