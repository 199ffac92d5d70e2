"""Why a remote table shows no rows, in words: whose turn it is, and to whom it is said."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from integrations.models import Alias, OAuth2Credential, RemoteTable, Token
from integrations.models.tokens import TokenState
from tests import cast, walks
from tests.conftest import client_of
from tests.integrations import tables
from tests.integrations.tables import PAGE, ROWS, numbers, page, trouble
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

HTMX = {"HX-Request": "true", "HX-Target": "rows"}


@pytest.fixture
def alias(server: HostileServer, amira: User) -> Alias:
    return tables.read_by(amira, server)


@pytest.fixture
def table(alias: Alias) -> RemoteTable:
    return tables.incidents(alias)


def test_without_a_token_the_page_asks_to_authenticate_and_nobody_is_called(
    bob: User, alias: Alias, table: RemoteTable, server: HostileServer
) -> None:
    as_bob = client_of(bob)
    html = page(as_bob, "?q=new")
    assert trouble(html) == "connect"
    assert "Connect Northwind CRM to see Incidents" in html
    assert "will ask you to allow: Read." in html
    [link] = re.findall(r'href="(/oauth_initiator.do[^"]+)" target="keyrack-connect" data-connect', html)
    assert "next=%2Fremote-tables%2Fincidents%2F%3Fq%3Dnew" in link
    waiting = {"HX-Request": "true", "HX-Target": "live", "Keyrack-Seen": "connect"}
    assert as_bob.get(PAGE, headers=waiting).status_code == 204
    assert server.calls == []
    cast.signed_in(bob, alias, access_token="CANARY-access-bob")
    filled = as_bob.get(PAGE, headers=waiting)
    assert filled["HX-Retarget"] == "#live"
    assert numbers(walks.words(filled)) == ["INC9"]


def test_a_sign_in_in_the_same_tab_comes_back_to_the_table(
    bob: User, alias: Alias, table: RemoteTable, server: HostileServer
) -> None:
    walks.grants(server)
    as_bob = client_of(bob)
    ended = walks.come_back(as_bob, alias, walks.begin(as_bob, alias, next=f"{PAGE}?q=new"))
    assert f'href="{PAGE}?q=new"' in walks.words(as_bob.get(ended["Location"]))


def test_an_ended_sign_in_asks_again_and_keeps_the_search(as_amira: Client, table: RemoteTable) -> None:
    Token.objects.update(state=TokenState.NEEDS_REAUTH, failure_code="invalid_grant")
    html = page(as_amira, "?q=new", headers=HTMX)
    assert trouble(html) == "sign_in_again"
    assert "%3Fq%3Dnew" in html


FAILURES = [
    ({"status": 403}, "forbidden", "may not see"),
    ({"status": 429, "headers": {"Retry-After": "30"}}, "wait", "<span data-wait>30</span>"),
    ({"status": 429}, "wait", "asks us to wait"),
    ({"status": 403, "headers": {"Retry-After": "7"}}, "wait", "<span data-wait>7</span>"),
    ({"status": 403, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}}, "wait", "data-wait>9<"),
    ({"status": 503}, "down", "answer"),
    ({"close": True}, "down", "answer"),
    ({"status": 401}, "sign_in_again", "no longer accepts"),
    ({"text": "<html>"}, "unusable", "can’t read"),
    ({"body": b"\xff\xfe\xfa"}, "unusable", "can’t read"),
    ({"body": b"[" * 100_000}, "unusable", "can’t read"),
    ({"status": 404}, "wrong", "set up correctly"),
    ({"redirect": "https://evil.example/"}, "wrong", "set up correctly"),
    ({"json": {"items": []}}, "wrong", "set up correctly"),
]


@pytest.mark.parametrize(("answer", "kind", "words"), FAILURES)
def test_each_failure_says_whose_it_is(
    answer: dict[str, Any], kind: str, words: str, as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    Token.objects.update(refresh_token=None)
    server.on(ROWS).always(**answer)
    html = page(as_amira)
    assert (trouble(html), words in html) == (kind, True)
    assert "for-admin" not in html
    assert "CANARY" not in html
    assert (trouble(page(as_amira, headers=HTMX)), len(server.calls_to(ROWS)) >= 1) == (kind, True)


def test_only_who_can_mend_it_reads_what_is_wrong(
    as_amira: Client, amira: User, table: RemoteTable, server: HostileServer
) -> None:
    server.on(ROWS).always(json={"items": [], "count": 0})
    amira.user_permissions.add(Permission.objects.get(codename="change_remotetable"))
    html = page(client_of(User.objects.get(pk=amira.pk)))
    assert "leads to nothing." in html
    assert "The answer contains: items, count." in html
    assert "Fix the table" not in html  # the administration is for staff
    User.objects.filter(pk=amira.pk).update(is_staff=True)
    assert "Fix the table" in page(client_of(User.objects.get(pk=amira.pk)))


def test_what_is_turned_off_says_so_and_shows_nothing(
    as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    Alias.objects.update(active=False, inactive_reason="Moving house")
    html = page(as_amira)
    assert (trouble(html), "Moving house" in html) == ("off", True)
    assert server.calls == []


def test_an_empty_table_and_a_search_that_matches_nothing_say_so(
    as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    assert "No row matches “zebra”" in page(as_amira, "?q=zebra")
    server.on(ROWS).always(json={"result": []})
    assert "Incidents is empty" in page(as_amira)


def test_columns_that_do_not_fit_are_empty_and_strange_values_are_text(
    as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    table.columns.filter(name="short_description").update(path="join('-', number)")
    strange = {"number": ["a", "b"], "priority": "high", "opened": "soon", "due": 7, "open": "perhaps",
               "state": {"x": float("nan")}, "link": {"url": "http://[", "text": "\ud800"}}  # fmt: skip
    server.on(ROWS).always(json={"result": [strange, 5, None]})
    html = page(as_amira, "?sort=priority")
    for text in ("<bdi>a, b</bdi>", "<bdi>high</bdi>", "<bdi>soon</bdi>", "<bdi>7</bdi>", "NaN", "<bdi>?</bdi>"):
        assert text in html
    assert "1–3 of 3" in html


def test_what_is_cut_says_so_and_a_cut_address_leads_nowhere(
    as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    long = {"number": "9" * 2000, "short": "x" * 2001, "state": ["y"] * 999, "link": f"https://a.example/{'z' * 2000}"}
    server.on(ROWS).always(json={"result": [{**long, "priority": "1_000"}]})
    html = page(as_amira)
    for text in (f"<bdi>{'9' * 2000}</bdi>", f"<bdi>{'x' * 2000}…</bdi>", "z…</bdi>", "<bdi>1_000</bdi>"):
        assert text in html
    assert html.count("…</bdi>") == 3
    assert 'href="https://a.example/' not in html


def test_a_system_credential_is_never_used_for_people(
    as_amira: Client, table: RemoteTable, server: HostileServer
) -> None:
    OAuth2Credential.objects.update(integration_type="system")
    assert trouble(page(as_amira)) == "wrong"
    assert server.calls == []


def test_a_path_cannot_leave_the_connection(as_amira: Client, table: RemoteTable, server: HostileServer) -> None:
    RemoteTable.objects.update(path="../../admin")
    assert trouble(page(as_amira)) == "wrong"
    assert server.calls == []


def test_a_missing_scope_is_no_lack_of_permission(
    as_amira: Client, alias: Alias, table: RemoteTable, server: HostileServer
) -> None:
    """The person can grant it, if an administrator has set it up."""
    registry = walks.registry_of(alias)
    challenge = 'Bearer error="insufficient_scope", scope="incidents.read secret.all"'
    server.on(ROWS).always(status=403, headers={"WWW-Authenticate": challenge})
    registry.scopes.create(scope="incidents.read", name="Read incidents")
    html = page(as_amira)
    assert trouble(html) == "sign_in_again"
    assert "gave less access than Incidents needs" in html
    [link] = re.findall(r'href="(/oauth_initiator.do[^"]+)" target="keyrack-connect" data-connect', html)
    assert "scope=incidents.read&amp;next=" in link


def test_a_scope_that_is_not_set_up_is_told_to_the_administrator(
    admin: User, alias: Alias, table: RemoteTable, server: HostileServer
) -> None:
    cast.signed_in(admin, alias)
    server.on(ROWS).always(status=401, json={"error": "missing_scope", "needed": "secret.all"})
    html = page(client_of(admin))
    assert "Add these scopes to the Application Registry, so that people can grant them: secret.all" in html
    assert len(server.calls) == 1
