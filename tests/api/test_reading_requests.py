"""A request that reads sends no write: uses are collected, and stored together a few seconds later."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.access_tokens import usage as usage_of_secrets
from accounts.access_tokens.models import PermanentToken
from accounts.audit.models import Event
from accounts.models import User
from foundation import batched_writes
from foundation.batched_writes import Batch
from integrations.connections.renewal import usage
from integrations.models import Alias, Token
from tests import cast
from tests.accounts import tokens
from tests.api.conftest import Program
from tests.conftest import client_of
from tests.integrations import tables
from tests.integrations.mcp.agents import Agent
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NORTHWIND = "/api/v1/integrations/northwind/"
SCOPES = ("integrations:read", "tokens:read", "service:northwind", "remote-tables:read")
BATCHES: list[Batch[Any, Any]] = [usage.USES, *usage_of_secrets.USES.values()]
CALLS = [
    NORTHWIND, f"{NORTHWIND}token/", f"{NORTHWIND}token-valid/", f"{NORTHWIND}proxy/contacts", "/api/v1/integrations/",
    "/api/v1/remote-tables/incidents/rows/",
]  # fmt: skip
PAGES = ["/integrations/", "/integrations/{alias}/", "/remote-tables/incidents/", "/accounts/security/"]
WRITE = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|MERGE)\b|.*\bFOR (NO KEY )?UPDATE\b", re.IGNORECASE | re.DOTALL)


@pytest.fixture
def collecting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a web process, but stored when the test says so."""
    monkeypatch.setattr(batched_writes, "_collects", True)
    monkeypatch.setattr(Batch, "start_thread", lambda _batch: None)
    yield
    for batch in BATCHES:
        batch.reset()


@pytest.fixture
def signed_in(alias: Alias, server: HostileServer, amira: User) -> Alias:
    server.on("GET /api/contacts").always(json=[])
    server.on(tables.ROWS).always(json={"result": tables.INCIDENTS})
    tables.incidents(alias)
    alias.agent_calls = "read"
    alias.save()
    cast.signed_in(amira, alias)
    return alias


@pytest.fixture(params=["OAuth token", "permanent token", "session"])
def caller(request: pytest.FixtureRequest, program: Program, signed_in: Alias, amira: User) -> Client:
    match request.param:
        case "OAuth token":
            return program(*SCOPES)
        case "permanent token":
            return tokens.caller(tokens.make_token(amira, *SCOPES, name="Weekly digest")[1])
        case _:
            return client_of(amira)


def age_uses(by: timedelta = timedelta(minutes=2)) -> datetime:
    """As if nothing had been used for a while; returns since when."""
    moment = timezone.now() - by
    Token.objects.update(last_used_at=moment, last_used_by="Another")
    PermanentToken.objects.update(last_used_at=moment, last_used_from="198.51.100.1")
    return moment


def writes_of(ask: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        ask()
    return [query["sql"] for query in queries if WRITE.match(query["sql"])]


def store_all() -> list[str]:
    """Store what was collected; returns the statements."""
    with CaptureQueriesContext(connection) as queries:
        for batch in BATCHES:
            batch.store_all()
    return [query["sql"] for query in queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]


@pytest.mark.parametrize("path", CALLS)
def test_a_reading_call_sends_no_write(path: str, caller: Client, collecting: None) -> None:
    assert caller.get(path).status_code == 200
    age_uses()
    assert writes_of(lambda: caller.get(path)) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_sends_no_write(path: str, signed_in: Alias, as_amira: Client, collecting: None) -> None:
    path = path.format(alias=signed_in.hex)
    assert as_amira.get(path).status_code == 200
    age_uses()
    assert writes_of(lambda: as_amira.get(path)) == []


def test_an_agent_that_reads_sends_no_write(signed_in: Alias, program: Program, collecting: None) -> None:
    agent = Agent(program(*SCOPES))
    [name, *_others] = [name for name in agent.tools() if "incidents" in name]
    assert not agent.call(name).get("isError")
    age_uses()
    assert writes_of(lambda: agent.call(name)) == []
    store_all()
    assert Token.objects.get().last_used_by != "Another"


def test_the_uses_are_stored_as_they_were(signed_in: Alias, amira: User, collecting: None) -> None:
    row, secret = tokens.make_token(amira, *SCOPES, name="Weekly digest")
    caller = tokens.caller(secret)
    caller.get(f"{NORTHWIND}token/", REMOTE_ADDR="203.0.113.7")
    age_uses()
    before = timezone.now()
    caller.get(f"{NORTHWIND}token/", REMOTE_ADDR="203.0.113.8")
    after = timezone.now()
    assert len(store_all()) == 4, "for each kind of row, one to lock and one to write"
    token = Token.objects.get()
    assert token.last_used_at
    assert before <= token.last_used_at <= after
    assert token.last_used_by == "REST (Weekly digest)"
    row.refresh_from_db()
    assert row.last_used_at
    assert before <= row.last_used_at <= after
    assert row.last_used_from == "203.0.113.8"
    assert store_all() == []


def test_uses_of_many_tokens_are_one_statement(signed_in: Alias, amira: User, bob: User, collecting: None) -> None:
    stored = [cast.signed_in(bob, signed_in), Token.objects.get(user=amira)]
    for token in stored:
        usage.note_use(token, f"a program of {token.user}")
    assert len(store_all()) == 2
    assert {token.last_used_by for token in Token.objects.all()} == {"a program of amira", "a program of bob"}
    assert all(token.due_at for token in Token.objects.exclude(refresh_token=None))


def test_an_older_use_does_not_replace_a_later_one(signed_in: Alias, collecting: None) -> None:
    usage.note_use(Token.objects.get(), "a program")
    later = timezone.now()
    Token.objects.update(last_used_at=later, last_used_by="Another process")
    store_all()
    token = Token.objects.get()
    assert (token.last_used_at, token.last_used_by) == (later, "Another process")


def test_a_first_use_is_stored_at_once_with_its_event(signed_in: Alias, amira: User, collecting: None) -> None:
    row, secret = tokens.make_token(amira, *SCOPES)
    assert tokens.caller(secret).get(f"{NORTHWIND}token-valid/").status_code == 200
    row.refresh_from_db()
    assert row.last_used_at
    assert Event.objects.filter(kind="token_first_used", whose=amira).count() == 1


def test_the_use_of_an_ended_token_is_not_stored(signed_in: Alias, amira: User, collecting: None) -> None:
    row, secret = tokens.make_token(amira, *SCOPES)
    tokens.caller(secret).get(f"{NORTHWIND}token-valid/")
    moment = age_uses()
    tokens.caller(secret).get(f"{NORTHWIND}token-valid/")
    PermanentToken.objects.update(ended_at=timezone.now())
    store_all()
    row.refresh_from_db()
    assert row.last_used_at == moment
