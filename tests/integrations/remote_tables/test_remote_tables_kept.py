"""What is kept of a remote table, for whom and how long; and what leaves it as a file."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.connections import authorization
from integrations.models import Alias, HttpConnection, RemoteTable, Token
from integrations.remote_tables import csv_export
from tests import cast
from tests.conftest import client_of
from tests.integrations import tables
from tests.integrations.tables import INCIDENTS, PAGE, ROWS, numbers, page, trouble
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def alias(server: HostileServer, amira: User) -> Alias:
    return tables.read_by(amira, server)


@pytest.fixture
def table(alias: Alias) -> RemoteTable:
    return tables.incidents(alias)


@pytest.mark.slow
def test_kept_rows_die_with_the_token(
    as_amira: Client, amira: User, alias: Alias, table: RemoteTable, server: HostileServer
) -> None:
    RemoteTable.objects.update(cache_seconds=3600)
    assert numbers(page(as_amira)) == numbers(page(as_amira))
    assert len(server.calls) == 1
    authorization.revoke(amira, alias)
    assert trouble(page(as_amira)) in {"connect", "revoking"}
    cast.signed_in(amira, alias, access_token="CANARY-access-bob")
    assert numbers(page(as_amira)) == ["INC9"]
    Token.objects.update(version=2)  # as a renewal, or another account's sign-in, leaves it
    page(as_amira)
    assert len(server.calls_to(ROWS)) == 3


@pytest.mark.slow
def test_kept_rows_are_not_shown_to_whom_the_third_party_would_not_show_any(
    as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    RemoteTable.objects.update(cache_seconds=3600)
    page(as_amira)
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1), refresh_token=None)
    assert trouble(page(as_amira)) == "sign_in_again"
    assert len(server.calls) == 1


@pytest.mark.slow
def test_kept_rows_are_sealed_and_of_this_definition(
    as_amira: Client, table: RemoteTable, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[Any] = []
    keep = cache.set

    def noting(*entry: Any) -> None:
        stored.append(entry)
        keep(*entry)

    monkeypatch.setattr(cache, "set", noting)
    RemoteTable.objects.update(cache_seconds=60)
    page(as_amira)
    [(name, value, seconds)] = stored
    assert (seconds, type(value)) == (60, bytes)
    assert b"INC3" not in value
    assert "amira" not in name
    table.columns.filter(name="number").update(path="short")
    assert "Printer on fire" in re.findall(r'<th scope="row">\s*<bdi>([^<]+)', page(as_amira))
    cache.set(name, b"junk", 60)
    table.columns.filter(name="number").update(path="number")
    assert numbers(page(as_amira)) == ["INC3", "INC1", "INC2"]


@pytest.mark.slow
def test_kept_rows_are_of_the_server_that_the_alias_leads_to_now(
    as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    RemoteTable.objects.update(cache_seconds=3600)
    page(as_amira)
    HttpConnection.objects.update(connection_url=f"{server.url}/elsewhere")
    server.on("GET /elsewhere/now/incidents").answer(json={"result": [{"number": "INC7"}]})
    assert numbers(page(as_amira)) == ["INC7"]


@pytest.mark.slow
def test_refresh_asks_anew_and_what_was_kept_helps_while_nobody_answers(
    as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    RemoteTable.objects.update(cache_seconds=3600)
    page(as_amira)
    page(as_amira, "?fresh=1")
    assert len(server.calls) == 2
    server.on(ROWS).always(status=503)
    html = page(as_amira, "?fresh=1")
    assert "These are the previous rows." in html
    assert numbers(html) == ["INC3", "INC1", "INC2"]


@pytest.mark.slow
def test_zero_seconds_keep_nothing(as_amira: Client, table: RemoteTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "set", lambda *_: pytest.fail("something was kept"))
    page(as_amira)


@pytest.mark.slow
def test_csv_holds_the_rows_that_were_found_and_no_formula(
    as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    phone = {"number": "+49 30 1", "short": "-2+3", "priority": "-7", "state": "@SUM(A1)", "due": "\t1"}
    server.on(ROWS).always(json={"result": [*INCIDENTS, phone, {"number": "-5", "state": 'a,"b"\nc'}]})
    response = as_amira.get(f"{PAGE}rows.csv?sort=number")
    assert response.streaming
    assert response["Content-Type"].startswith("text/csv")
    assert response["Content-Disposition"] == 'attachment; filename="incidents.csv"'
    text = b"".join(response).decode()
    lines = text.split("\r\n")
    assert lines[0] == "Number,Short description,Priority,Opened,Due,Open,State,Record"
    assert lines[1] == "'+49 30 1,'-2+3,-7,,'\t1,,'@SUM(A1),"
    assert lines[2] == '-5,,,,,,"a,""b""\nc",'
    assert "INC2,'=cmd|' /C calc'!A0,-2.5," in text
    assert "https://northwind.example/INC3" in text
    filtered = b"".join(as_amira.get(f"{PAGE}rows.csv?q=printer")).decode()
    assert filtered.count("\r\n") == 2


def test_without_rows_the_download_leads_to_the_page_that_says_why(bob: User, table: RemoteTable) -> None:
    response = client_of(bob).get(f"{PAGE}rows.csv?q=new")
    assert (response.status_code, response["Location"]) == (302, f"{PAGE}?q=new")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1", "'=1"),
        ("＝1", "'＝1"),
        ("a;=1", "a;'=1"),  # a comma is not what parts cells in every country
        ("a\t@x;b;-1", "a\t'@x;b;'-1"),
        ("a\r\n=1", "a\r\n'=1"),
        ("-inf", "'-inf"),
        ("-1_000", "'-1_000"),
        ("-5.5e3", "-5.5e3"),
        ("a = b; c-d", "a = b; c-d"),
    ],
)
def test_nothing_in_a_file_is_a_formula_to_any_spreadsheet(text: str, written: str) -> None:
    assert csv_export.escape_formula(text) == written
