"""Remote tables whose rows an action gives: the steps run as whoever looks, and change nothing."""

from typing import Any
from urllib.parse import parse_qs

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import IntegrityError, transaction

from accounts.models import User
from integrations.models import Action, Alias, ApplicationRegistry, OAuth2Credential, RemoteTable, RestStep, Token
from tests import cast, walks
from tests.conftest import client_of
from tests.integrations import flowing, tables
from tests.integrations.tables import PAGE, numbers, page, trouble
from tests.servers.hostile import Answer, Call, HostileServer

pytestmark = pytest.mark.django_db

OUTPUTS = [{"name": "incidents", "path": "steps.list.body.result"}]


@pytest.fixture
def alias(server: HostileServer, amira: User) -> Alias:
    cache.clear()
    alias = walks.northwind(server)
    cast.signed_in(amira, alias)
    rows_by_token: dict[str, list[dict[str, Any]]] = {"1": tables.INCIDENTS, "bob": [{"number": "INC9"}]}
    server.on(flowing.INCIDENTS).always(tables.rows_of_each(rows_by_token))
    return alias


@pytest.fixture
def table(alias: Alias) -> RemoteTable:
    action = flowing.open_incidents(alias, outputs=OUTPUTS)
    return tables.incidents(None, action=action, path="", inputs={"limit": 3}, rows_path="incidents", cache_seconds=60)


@pytest.mark.slow
def test_each_person_sees_what_the_action_finds_as_them(
    amira: User, bob: User, alias: Alias, table: RemoteTable, server: HostileServer
) -> None:
    as_amira, as_bob = client_of(amira), client_of(bob)
    assert trouble(page(as_bob)) == "connect"
    assert server.calls == []
    cast.signed_in(bob, alias, access_token="CANARY-access-bob")
    for _again in range(2):
        assert numbers(page(as_amira)) == ["INC3", "INC1", "INC2"]
        assert numbers(page(as_bob)) == ["INC9"]
    assert [call.query for call in server.calls] == ["limit=3", "limit=3"]
    Token.objects.filter(user=amira).update(version=2)
    page(as_amira)
    assert len(server.calls) == 3


@pytest.mark.slow
def test_kept_rows_are_of_the_action_as_it_is_now(amira: User, table: RemoteTable, server: HostileServer) -> None:
    RemoteTable.objects.update(inputs={})
    client = client_of(amira)
    page(client)
    Action.objects.update(inputs=[{"name": "limit", "type": "integer", "default": 9}])
    page(client)
    assert [call.query for call in server.calls] == ["limit=5", "limit=9"]
    Action.objects.update(active=False)
    assert trouble(page(client)) == "wrong"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"status": 401}, "sign_in_again"),
        ({"status": 403}, "forbidden"),
        ({"status": 429, "headers": {"Retry-After": "7"}}, "wait"),
        ({"status": 403, "headers": {"Retry-After": "7"}}, "wait"),
        ({"status": 503}, "down"),
        ({"close": True}, "down"),
        ({"status": 404}, "wrong"),
        ({"json": {"items": 1}}, "wrong"),
    ],
)
def test_a_step_that_fails_says_whose_turn_it_is(
    answer: dict[str, Any], kind: str, amira: User, table: RemoteTable, server: HostileServer
) -> None:
    Token.objects.update(refresh_token=None)
    server.on(flowing.INCIDENTS).always(**answer)
    html = page(client_of(amira))
    assert (trouble(html), "<span data-wait>7</span>" in html) == (kind, kind == "wait")


REGISTRATION_WRONG = {"means": "registration_wrong", "request": "call", "status": 403}
PLAN_ENDED = {"means": "plan_ended", "request": "call", "status": 402}
IN_A_GOOD_ANSWER = {"means": "plan_ended", "request": "call", "status": 200, "when": [{"at": "/code", "equals": 9}]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "rules"),
    [(401, []), (402, [PLAN_ENDED]), (403, [REGISTRATION_WRONG]), (200, [IN_A_GOOD_ANSWER])],
)
@pytest.mark.parametrize("is_over_alias", [True, False])
def test_what_is_the_administrators_is_told_alike_over_an_alias_and_an_action(
    status: int,
    rules: list[dict[str, Any]],
    is_over_alias: bool,
    amira: User,
    alias: Alias,
    table: RemoteTable,
    server: HostileServer,
) -> None:
    ApplicationRegistry.objects.update(provider_profile={"rules": rules})
    if is_over_alias:
        RemoteTable.objects.update(alias=alias, action=None, path="incidents")
    server.on(flowing.INCIDENTS).always(status=status, json={"message": "Invalid audience.", "code": 9})
    assert trouble(page(client_of(amira))) == "unusable"
    amira.user_permissions.add(Permission.objects.get(codename="change_remotetable"))
    html = page(client_of(User.objects.get(pk=amira.pk)))
    assert (trouble(html), "answers with an error: Invalid audience." in html) == ("unusable", True)


@pytest.mark.slow
def test_a_table_never_runs_what_changes_something_nor_what_is_the_systems(
    amira: User, alias: Alias, table: RemoteTable, server: HostileServer
) -> None:
    table.action.steps.update(method="DELETE")  # type: ignore[union-attr]  # the fixture's table has one
    assert trouble(page(client_of(amira))) == "wrong"
    table.action.steps.update(method="GET")  # type: ignore[union-attr]
    OAuth2Credential.objects.update(integration_type="system")
    assert trouble(page(client_of(amira))) == "wrong"
    Action.objects.update(inputs=[])
    OAuth2Credential.objects.update(integration_type="personal")
    assert trouble(page(client_of(amira))) == "wrong"
    assert server.calls == []


@pytest.mark.slow
def test_a_missing_scope_is_said_before_anything_is_called(
    amira: User, table: RemoteTable, server: HostileServer
) -> None:
    table.action.steps.update(scopes="read write")  # type: ignore[union-attr]
    html = page(client_of(amira))
    assert (trouble(html), "gave less access" in html) == ("sign_in_again", True)
    assert server.calls == []


def test_who_may_not_use_each_alias_finds_no_table(amira: User, alias: Alias, table: RemoteTable) -> None:
    other = cast.integration_at(walks.registry_of(alias), name="other")
    other.groups.create(name="Finance")
    flowing.step(Action.objects.get(), other, name="more")
    assert client_of(amira).get(PAGE).status_code == 404


def test_a_table_is_read_in_one_way(alias: Alias, table: RemoteTable) -> None:
    for source in ({"alias": alias}, {"alias": None, "action": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            RemoteTable.objects.filter(pk=table.pk).update(**source)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"json": {"ok": False, "error": "token_revoked"}}, "sign_in_again"),
        ({"json": {"ok": False, "error": "missing_scope", "needed": "read"}}, "sign_in_again"),
        ({"json": {"ok": False, "error": "ratelimited"}}, "wait"),
        ({"json": {"error": {"code": "invalid_token"}}}, "sign_in_again"),
        ({"json": {"error": {"message": "Database is tired"}}}, "unusable"),
        ({"json": {"success": False, "message": "Not today", "result": []}}, "unusable"),
    ],
)
def test_an_error_in_a_good_answer_is_what_it_says(
    answer: dict[str, Any], kind: str, amira: User, table: RemoteTable, server: HostileServer
) -> None:
    Token.objects.update(refresh_token=None)
    server.on(flowing.INCIDENTS).always(**answer)
    assert trouble(page(client_of(amira))) == kind


@pytest.mark.slow
def test_an_answer_without_content_is_an_empty_table(amira: User, table: RemoteTable, server: HostileServer) -> None:
    server.on(flowing.INCIDENTS).always(status=204)
    assert "Incidents is empty" in page(client_of(amira))


PAGED_OUTPUTS = [
    ([{"name": "list", "path": "steps.list.body"}], "list.result"),
    ([{"name": "list", "path": "steps.list.body.result"}], "list[?priority >= `0`]"),
    ([{"name": "list", "path": "steps.list.body.result"}], "list"),
]  # fmt: skip


def in_pages(call: Call) -> Answer:
    start = int(parse_qs(call.query).get("start_at", ["0"])[-1])
    following = f"/api/incidents?start_at={start + 10}" if start < 20 else None
    return Answer(json={"result": tables.numbered(25)[start : start + 10], "next": following})


@pytest.mark.slow
@pytest.mark.parametrize(("outputs", "rows_path"), PAGED_OUTPUTS)
def test_the_pages_that_the_last_step_reads_are_followed(
    outputs: list[dict[str, str]], rows_path: str, amira: User, alias: Alias, table: RemoteTable, server: HostileServer
) -> None:
    action = Action.objects.get()
    flowing.step(action, alias, name="who", path="who")
    RestStep.objects.filter(name="who").update(order=1)
    Action.objects.update(outputs=outputs)
    RemoteTable.objects.update(rows_path=rows_path)
    server.on("GET /api/who").always(json={"id": 7})
    server.on(flowing.INCIDENTS).always(in_pages)
    assert len(numbers(page(client_of(amira)))) == 25
    assert [(call.path, call.query) for call in server.calls] == [
        ("/api/who", ""),
        ("/api/incidents", "limit=3"),
        ("/api/incidents", "start_at=10"),
        ("/api/incidents", "start_at=20"),
    ]
    assert {call.headers["authorization"] for call in server.calls} == {flowing.BEARER}
    RemoteTable.objects.update(row_limit=15)
    assert "only the first 15 are read" in page(client_of(amira), "?fresh=1")
    assert len(server.calls) == 7


def test_rows_of_another_step_are_not_repeated_and_said_to_be_cut(
    amira: User, alias: Alias, table: RemoteTable, server: HostileServer
) -> None:
    flowing.step(Action.objects.get(), alias, name="who", path="who")
    Action.objects.update(outputs=[{"name": "list", "path": "steps.list.body"}])
    RemoteTable.objects.update(rows_path="list.result")
    server.on("GET /api/who").always(json={"next": "/api/who?page=2"})
    server.on(flowing.INCIDENTS).always(in_pages)
    assert "There are or may be more rows, but only the first 10 are read." in page(client_of(amira))
    assert len(server.calls) == 2


def test_a_later_page_that_fails_leaves_the_rows_before(amira: User, table: RemoteTable, server: HostileServer) -> None:
    server.on(flowing.INCIDENTS).answer(json={"result": tables.numbered(10), "next": "?page=2"}).always(status=503)
    assert "only the first 10 are read" in page(client_of(amira))


@pytest.mark.slow
def test_outputs_that_say_that_there_is_more_are_believed(
    amira: User, table: RemoteTable, server: HostileServer
) -> None:
    Action.objects.update(outputs=[{"name": "list", "path": "steps.list.body"}])
    RemoteTable.objects.update(rows_path="list.result")
    server.on(flowing.INCIDENTS).always(json={"result": tables.INCIDENTS, "has_more": True})
    html = page(client_of(amira))
    assert "There are or may be more rows, but only the first 3 are read." in html
    server.on(flowing.INCIDENTS).always(json={"result": tables.INCIDENTS, "total": 3})
    assert "There are or may be more rows" not in page(client_of(amira), "?fresh=1")
