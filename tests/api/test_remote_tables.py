"""Remote tables for programs: the person's own rows, and each refusal in the one shape."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from integrations.models import Alias, RemoteTable, Token
from tests import cast
from tests.api.conftest import Program
from tests.conftest import client_of
from tests.integrations import tables
from tests.integrations.tables import INCIDENTS, ROWS
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ROWS_URL = "/api/v1/remote-tables/incidents/rows/"
SCOPE = "remote-tables:read"


@pytest.fixture
def table(signed_in: Alias, server: HostileServer) -> RemoteTable:
    cache.clear()
    server.on(ROWS).always(tables.rows_of_each({"1": INCIDENTS, "bob": [{"number": "INC9"}]}))
    return tables.incidents(signed_in)


def refusal(answer: Any) -> tuple[int, str]:
    body = answer.json()
    assert set(body) - {"initiator_url"} == {"error", "error_description"}
    assert "CANARY" not in answer.content.decode()
    return answer.status_code, body["error"]


def test_columns_and_rows_are_told_as_json(program: Program, table: RemoteTable, server: HostileServer) -> None:
    answer = program(SCOPE).get(ROWS_URL, {"sort": "-priority"})
    body = answer.json()
    assert set(body) == {"columns", "rows", "count", "next", "loaded_at", "limited"}
    assert body["columns"][1] == {"name": "short_description", "label": "Short description", "type": "text"}
    assert (body["count"], body["next"], body["limited"]) == (3, None, False)
    assert body["rows"][1] == {
        "number": "INC3",
        "short_description": "Printer on fire",
        "priority": 1,
        "opened": "2026-11-21T08:30:00+00:00",
        "due": "2026-11-30",
        "open": True,
        "state": "New",
        "record": "https://northwind.example/INC3",
    }
    assert body["rows"][0]["due"] is None
    assert "no-store" in answer["Cache-Control"]
    assert len(server.calls) == 1
    body_of_search = program(SCOPE).get(ROWS_URL, {"q": "printer"}).json()
    assert ([row["number"] for row in body_of_search["rows"]], body_of_search["count"]) == (["INC3"], 1)
    assert program(SCOPE).get(ROWS_URL, {"q": "a\0b"}).json()["count"] == 0


def test_pages_lead_to_the_next_until_the_end(program: Program, table: RemoteTable, server: HostileServer) -> None:
    server.on(ROWS).always(tables.rows_of_each({"1": tables.numbered(250)}))
    client, seen, address = program(SCOPE), [], f"{ROWS_URL}?q=inc&sort=-priority"
    while address:
        body = client.get(f"{urlsplit(address).path}?{urlsplit(address).query}").json()
        seen += [row["number"] for row in body["rows"]]
        address = body["next"]
    assert (len(seen), seen[0], seen[-1], body["count"]) == (250, "INC0249", "INC0000", 250)
    beyond = client.get(ROWS_URL, {"page": "9"}).json()
    assert (beyond["rows"], beyond["next"]) == ([], None)


def test_integers_that_programs_would_round_are_texts(
    program: Program, table: RemoteTable, server: HostileServer, as_amira: Client
) -> None:
    exact, large = 2**53 - 1, 2**53 + 1
    rows = [{"number": large, "priority": large}, {"number": str(large), "priority": -large}, {"priority": str(large)}]
    server.on(ROWS).always(json={"result": [*rows, {"number": exact, "priority": exact}]})
    body = program(SCOPE).get(ROWS_URL).json()
    assert [row["priority"] for row in body["rows"]] == [str(large), str(-large), str(large), exact]
    assert [row["number"] for row in body["rows"]] == [str(large), str(large), None, exact]
    text = b"".join(as_amira.get("/remote-tables/incidents/rows.csv")).decode()
    assert text.split("\r\n")[1].startswith(f"{large},,{large},")


@pytest.mark.parametrize("query", ["page=0", "page=x", "page=1e9", "sort=nothing", "sort=--number"])
def test_strange_wishes_are_refused_in_words(query: str, program: Program, table: RemoteTable) -> None:
    assert refusal(program(SCOPE).get(f"{ROWS_URL}?{query}")) == (400, "invalid_request")


def test_who_sorts_by_no_column_learns_which_there_are(program: Program, table: RemoteTable) -> None:
    sentence = program(SCOPE).get(f"{ROWS_URL}?sort=nothing").json()["error_description"]
    assert sentence.startswith("sort: There is no such column. Columns: number, short_description, priority,")


def test_each_person_reads_their_own_and_who_has_no_token_is_told_where_to(
    table: RemoteTable, signed_in: Alias, bob: User, server: HostileServer
) -> None:
    as_bob = client_of(bob)
    answer = as_bob.get(ROWS_URL)
    assert refusal(answer) == (401, "integration_not_authenticated")
    assert answer.json()["initiator_url"].startswith("/oauth_initiator.do?")
    assert "WWW-Authenticate" not in answer
    assert server.calls == []
    cast.signed_in(bob, signed_in, access_token="CANARY-access-bob")
    assert [row["number"] for row in as_bob.get(ROWS_URL).json()["rows"]] == ["INC9"]


@pytest.mark.parametrize(
    ("answer_of_provider", "expected"),
    [
        ({"status": 401}, (401, "integration_not_authenticated")),
        ({"status": 403}, (403, "provider_forbids")),
        ({"status": 404}, (502, "integration_misconfigured")),
        ({"status": 503, "headers": {"Retry-After": "7"}}, (502, "provider_unreachable")),
        ({"text": "<html>"}, (502, "provider_unusable")),
        ({"json": {"result": {}}}, (502, "integration_misconfigured")),
    ],
)
def test_whose_fault_it_is_shows(
    answer_of_provider: dict[str, Any],
    expected: tuple[int, str],
    program: Program,
    table: RemoteTable,
    server: HostileServer,
) -> None:
    Token.objects.update(refresh_token=None)
    server.on(ROWS).always(**answer_of_provider)
    assert refusal(program(SCOPE).get(ROWS_URL)) == expected


def test_who_may_not_and_what_is_not_there_look_alike(
    program: Program, table: RemoteTable, amira: User, server: HostileServer
) -> None:
    tables.incidents(table.alias, name="off", active=False)
    tables.incidents(table.alias, name="finance").groups.create(name="Finance")
    client = program(SCOPE)
    answers = [client.get(ROWS_URL.replace("incidents", name)) for name in ("off", "finance", "nothing", "a\0b", "ä")]
    Alias.objects.update(active=False)
    answers.append(client.get(ROWS_URL))
    assert {refusal(answer) for answer in answers} == {(404, "not_found")}
    assert answers[0].json()["error_description"] == "There is no such remote table for you."
    assert len({answer.content for answer in answers}) == 1
    assert refusal(program("integrations:read").get(ROWS_URL)) == (403, "insufficient_scope")
    assert refusal(Client().get(ROWS_URL))[0] == 401
    assert refusal(client.post(ROWS_URL)) == (405, "method_not_allowed")
    amira.groups.clear()
    assert refusal(client.get(ROWS_URL)) == (403, "permission_denied")
    assert server.calls == []
