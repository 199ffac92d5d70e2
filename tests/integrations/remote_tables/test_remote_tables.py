"""Remote tables as pages: each person's own rows, searched, sorted and paged, for whom they are meant."""

import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from integrations.models import Alias, RemoteTable, Token
from integrations.remote_tables import cells, pages
from tests import cast, walks
from tests.conftest import client_of
from tests.integrations import tables
from tests.integrations.tables import PAGE, ROWS, numbers, page
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

HTMX = {"HX-Request": "true", "HX-Target": "rows"}


@pytest.fixture
def alias(server: HostileServer, amira: User) -> Alias:
    return tables.read_by(amira, server)


@pytest.fixture
def table(alias: Alias) -> RemoteTable:
    return tables.incidents(alias)


def test_the_rows_are_read_live_as_the_person(as_amira: Client, table: RemoteTable, server: HostileServer) -> None:
    RemoteTable.objects.update(query="active=true&limit=5&limit=6")
    html = page(as_amira)
    assert numbers(html) == ["INC3", "INC1", "INC2"]
    assert "Live from Northwind CRM" in html
    assert "<strong>amira@northwind.example</strong>" in html
    assert "1–3 of 3" in html
    assert "Nothing is stored in Keyrack" in html
    [call] = server.calls
    assert call.query == "active=true&limit=5&limit=6"
    assert Token.objects.get().last_used_by == "Incidents"
    page(as_amira)
    assert len(server.calls) == 2


def test_cells_show_what_their_type_says_and_nothing_runs(as_amira: Client, table: RemoteTable) -> None:
    html = page(as_amira)
    assert 'href="https://northwind.example/INC3" rel="noopener noreferrer"><bdi>INC3</bdi>' in html
    assert 'href="javascript' not in html
    assert "Änderung &lt;b&gt;bold&lt;/b&gt;" in html
    assert '<time datetime="2026-11-21T08:30:00+00:00">21 Nov 2026, 08:30 UTC</time>' in html
    assert '<time datetime="2026-11-30">30 Nov 2026</time>' in html
    assert '<span class="chip"><bdi>Closed</bdi></span>' in html
    assert "<bdi>Yes</bdi>" in html
    assert html.count('<span class="muted">–</span>') == 2  # no due date


@pytest.mark.parametrize(
    "url",
    [
        "javascript://a.example/%0aalert(1)",
        "data:text/html,x",
        "//a.example",
        "http://",
        "ftp://a.example",
        {"url": 5},
    ],
)
def test_a_link_leads_to_the_web_or_is_text(url: object) -> None:
    assert cells.make_cell("link", url).url == ""
    assert cells.make_cell("link", {"url": "https://a.example/", "text": "A"}).url == "https://a.example/"


def test_two_people_see_only_their_own_rows_also_where_rows_are_kept(
    as_amira: Client, bob: User, alias: Alias, table: RemoteTable, server: HostileServer
) -> None:
    RemoteTable.objects.update(cache_seconds=3600)
    cast.signed_in(bob, alias, access_token="CANARY-access-bob")
    as_bob = client_of(bob)
    for _again in range(2):
        assert numbers(page(as_amira)) == ["INC3", "INC1", "INC2"]
        assert numbers(page(as_bob)) == ["INC9"]
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?q=printer", ["INC3"]),
        ("?q=ÄNDERUNG", ["INC1"]),
        ("?q=new+inc2", ["INC2"]),
        ("?q=2026-11-21", ["INC3"]),
        ("?q=21+Nov", ["INC3"]),
        ("?q=zebra", []),
        ("?sort=number", ["INC1", "INC2", "INC3"]),
        ("?sort=-number", ["INC3", "INC2", "INC1"]),
        ("?sort=priority", ["INC2", "INC3", "INC1"]),
        ("?sort=-priority", ["INC1", "INC3", "INC2"]),
        ("?sort=opened", ["INC2", "INC1", "INC3"]),
        ("?sort=due", ["INC3", "INC1", "INC2"]),
        ("?sort=-due", ["INC3", "INC1", "INC2"]),
        ("?sort=short_description", ["INC2", "INC3", "INC1"]),
        ("?q=new&sort=number", ["INC2", "INC3"]),
        ("?sort=nothing&page=-1&q=+", ["INC3", "INC1", "INC2"]),
    ],
)
def test_search_and_sort_are_in_the_address(
    query: str, expected: list[str], as_amira: Client, table: RemoteTable
) -> None:
    html = page(as_amira, query)
    assert numbers(html) == expected
    assert numbers(page(as_amira, query, headers=HTMX)) == expected


def test_the_order_is_said_and_turned_by_its_own_heading(as_amira: Client, table: RemoteTable) -> None:
    html = page(as_amira, "?q=new&sort=number&page=1")
    assert '<th scope="col" aria-sort="ascending"><a class="sort" id="sort-number"' in html
    assert f'href="{PAGE}?q=new&amp;sort=-number"' in html
    assert html.count("aria-sort") == 1
    assert 'aria-sort="descending"' in page(as_amira, "?sort=-number")


def test_many_rows_come_in_pages(as_amira: Client, table: RemoteTable, server: HostileServer) -> None:
    server.on(ROWS).always(tables.rows_of_each({"1": tables.numbered(60)}))
    assert numbers(page(as_amira))[-1] == "INC0024"
    second = page(as_amira, "?page=2&sort=-priority")
    assert (numbers(second)[0], "26–50 of 60" in second) == ("INC0034", True)
    assert f'href="{PAGE}?page=1&amp;sort=-priority"' in second
    assert numbers(page(as_amira, "?page=99"))[-1] == "INC0059"


@pytest.mark.parametrize(("query", "made"), [("", 25 * 8), ("?page=3", 10 * 8), ("?sort=-priority", 60 + 25 * 8)])
def test_a_page_makes_its_own_cells_and_those_that_it_sorts_by(
    query: str,
    made: int,
    as_amira: Client,
    table: RemoteTable,
    server: HostileServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.on(ROWS).always(tables.rows_of_each({"1": tables.numbered(60)}))
    kinds: list[str] = []

    def make_cell(kind: str, raw: object) -> cells.Cell:
        kinds.append(kind)
        return cells.make_cell(kind, raw)

    monkeypatch.setattr(pages, "make_cell", make_cell)
    page(as_amira, query)
    assert len(kinds) == made


def test_no_more_rows_are_shown_than_the_limit_and_the_page_says_so(as_amira: Client, table: RemoteTable) -> None:
    RemoteTable.objects.update(row_limit=2)
    html = page(as_amira)
    assert numbers(html) == ["INC3", "INC1"]
    assert "only the first 2 are read" in html
    assert "only the first" not in page(as_amira, "?q=zebra") or "No row matches" in page(as_amira, "?q=zebra")


def test_htmx_gets_the_rows_alone_and_a_restored_page_whole(as_amira: Client, table: RemoteTable) -> None:
    rows = page(as_amira, "?q=new", headers=HTMX)
    assert rows.lstrip().startswith('<div id="rows" data-say="2 rows"')
    assert 'id="csv"' in rows
    assert "rows.csv?q=new" in rows
    assert "<h1" not in rows
    assert "<html" in page(as_amira, headers={**HTMX, "HX-History-Restore-Request": "true"})


def test_nothing_of_it_is_stored_by_a_browser(as_amira: Client, table: RemoteTable) -> None:
    for address in (PAGE, f"{PAGE}rows.csv", "/remote-tables/"):
        assert {"no-store", "private"} <= set(as_amira.get(address)["Cache-Control"].split(", ")), address


# Who may see it -------------------------------------------------------------------------------------------------------


def test_not_there_turned_off_and_not_for_you_look_alike(
    as_amira: Client, alias: Alias, table: RemoteTable, server: HostileServer
) -> None:
    others = Group.objects.create(name="Finance")
    tables.incidents(alias, name="off", active=False)
    tables.incidents(alias, name="finance").groups.add(others)
    closed = cast.integration_at(walks.registry_of(alias), name="closed")
    closed.groups.add(others)
    tables.incidents(closed, name="closed")
    pages = [as_amira.get(f"/remote-tables/{name}/{end}") for name in ("off", "finance", "closed", "nothing")
             for end in ("", "rows.csv")]  # fmt: skip
    assert {response.status_code for response in pages} == {404}
    assert len({response.content for response in pages}) == 1
    assert server.calls == []
    listed = walks.words(as_amira.get("/remote-tables/"))
    assert re.findall(r'id="t-(\w+)"', listed) == ["incidents"]
    assert client_of(cast.person("guest", role=False)).get(PAGE).status_code == 403
    assert Client().get(PAGE).status_code == 302


def test_the_list_names_each_table_with_the_state_of_its_sign_in(
    as_amira: Client, bob: User, table: RemoteTable, server: HostileServer
) -> None:
    assert "Connected" in walks.words(as_amira.get("/remote-tables/"))
    assert "Not connected" in walks.words(client_of(bob).get("/remote-tables/"))
    assert 'id="nav-remote-tables" href="/remote-tables/" aria-current="page"' in walks.words(
        as_amira.get("/remote-tables/")
    )
    RemoteTable.objects.all().delete()
    assert "No remote tables yet" in walks.words(as_amira.get("/remote-tables/"))
    assert server.calls == []


@pytest.mark.parametrize("below", ["revoke/", ""])
def test_before_a_revoke_and_in_the_details_the_person_reads_which_tables_stop(
    below: str, as_amira: Client, alias: Alias, table: RemoteTable
) -> None:
    tables.incidents(alias, name="hidden", label="Hidden").groups.create(name="Finance")
    page = walks.words(as_amira.get(f"/integrations/{alias.hex}/{below}"))
    assert "Table: Incidents" in page
    assert "Hidden" not in page


def test_the_database_is_asked_as_often_for_many_rows_and_tables(
    as_amira: Client,
    alias: Alias,
    table: RemoteTable,
    server: HostileServer,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    server.on(ROWS).always(tables.rows_of_each({"1": tables.numbered(900)}))
    for number in range(5):
        alias = cast.integration_at(walks.registry_of(alias), name=f"more{number}")
        tables.incidents(alias, name=f"more{number}")
    page(as_amira)
    with django_assert_max_num_queries(16):
        page(as_amira)
    with django_assert_max_num_queries(12):
        as_amira.get("/remote-tables/")
