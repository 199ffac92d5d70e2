"""Every change of the set-up is an event with old and new values, whoever makes it and by whichever way."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client

from accounts.audit import model_changes
from accounts.audit.models import Event
from accounts.models import User
from accounts.oauth_server.models import Application
from integrations.models import (
    Action,
    Alias,
    ApplicationRegistry,
    HttpConnection,
    OAuth2Credential,
    OAuthEntityProfile,
    OAuthEntityScope,
    RemoteTable,
    RestStep,
    Subflow,
    ToolSet,
)
from integrations.models.configuration_templates import ConfigurationTemplate
from tests.admin.forms import submitted
from tests.integrations import flowing, tables

pytestmark = pytest.mark.django_db

REGISTRY = "/admin/integrations/applicationregistry/"


def changes() -> list[dict[str, Any]]:
    return [change for event in Event.objects.filter(kind="set_up_changed").order_by("at") for change in event.changes]


@pytest.mark.slow
def test_a_change_in_the_admin_tells_old_and_new_who_and_from_where(
    as_admin: Client, registry: ApplicationRegistry, admin: User
) -> None:
    submitted(as_admin, f"{REGISTRY}{registry.pk}/change/", {"Comments": "Ask Tomás.", "Refresh Token Lifespan": "60"})
    event = Event.objects.get(kind="set_up_changed")
    assert (event.who, event.address, event.whose) == (admin, "127.0.0.1", None)
    assert event.subject == "Application Registry Northwind"
    values = {change["field"]: (change["old"], change["new"]) for change in event.changes}
    assert values == {"Comments": ("", "Ask Tomás."), "Refresh Token Lifespan": ("8640000", "60")}
    assert "Refresh Token Lifespan: 8640000 → 60" in event.words


@pytest.mark.slow
def test_secrets_are_changed_and_no_more_is_said(as_admin: Client, registry: ApplicationRegistry) -> None:
    typed = {"Client Secret": "CANARY-new", "Headers of calls": '{"X-Api-Key": "CANARY-key"}'}
    submitted(as_admin, f"{REGISTRY}{registry.pk}/change/", typed)
    values = {change["field"]: change for change in changes()}
    assert {name: values[name].get("changed") for name in ("Client Secret", "Headers of calls")} == {
        "Client Secret": True,
        "Headers of calls": True,
    }
    assert "CANARY" not in str(list(Event.objects.values()))


@pytest.mark.slow
def test_saving_without_a_change_is_no_event(as_admin: Client, registry: ApplicationRegistry) -> None:
    submitted(as_admin, f"{REGISTRY}{registry.pk}/change/", {})
    assert not changes()


def test_a_new_client_secret_of_an_application_is_an_event(as_admin: Client) -> None:
    row = Application.objects.create(
        name="Notes", client_type="confidential", authorization_grant_type="client-credentials"
    )
    submitted(as_admin, f"/admin/accounts/application/{row.pk}/change/", {}, button="_new_secret")
    (change,) = changes()
    assert (change["name"], change.get("changed")) == ("client_secret", True)
    history = as_admin.get(f"/admin/accounts/application/{row.pk}/history/").content.decode()
    assert "changed" in history
    assert "client secret" in history.lower()


def test_the_history_page_shows_old_and_new(as_admin: Client, northwind: Alias) -> None:
    row = HttpConnection.objects.get()
    address = f"/admin/integrations/httpconnection/{row.pk}/"
    submitted(as_admin, f"{address}change/", {"Connection URL": "https://northwind.example/v2"})
    history = as_admin.get(f"{address}history/").content.decode()
    for words in ("https://northwind.example/api", "https://northwind.example/v2", "Connection URL", "admin"):
        assert words in history


def test_an_import_is_recorded_too(registry: ApplicationRegistry, northwind: Alias, tmp_path: Any) -> None:
    file = tmp_path / "set-up.yaml"
    call_command("configuration", "export", str(file))
    file.write_text(file.read_text().replace("/api", "/api/v3").replace("comments: ''", "comments: By file"))
    call_command("configuration", "import", str(file))
    values = {change["name"]: (change["old"], change["new"]) for change in changes()}
    assert values["connection_url"] == ("https://northwind.example/api", "https://northwind.example/api/v3")
    assert Event.objects.filter(kind="set_up_changed").first().who_name == ""  # type: ignore[union-attr]  # it is there


@pytest.mark.slow
def test_groups_and_permissions_are_recorded(as_admin: Client, amira: User) -> None:
    group = Group.objects.get(name="Personal Auth User")
    permission = Permission.objects.get(codename="view_alias")
    submitted(as_admin, f"/admin/auth/group/{group.pk}/change/", {"Permissions": [str(permission.pk)]})
    rows = [(change["name"], change["old"], change["new"]) for change in changes()]
    assert {name for name, _old, _new in rows} == {"permissions"}
    assert any("use the dashboard" in old for _name, old, _new in rows)
    assert any("Can view Connection" in new for _name, _old, new in rows)
    submitted(as_admin, f"/admin/accounts/user/{amira.pk}/change/", {"Staff status": "on"})
    event = Event.objects.filter(whose=amira, kind="set_up_changed").latest("at")
    assert [(change["name"], change["old"], change["new"]) for change in event.changes] == [
        ("is_staff", "False", "True")
    ]


@pytest.mark.slow
def test_what_is_added_and_deleted_is_recorded_with_its_values(as_admin: Client, northwind: Alias) -> None:
    typed = {"Name": "fresh", "Label": "Fresh"}
    submitted(as_admin, "/admin/integrations/alias/add/", typed)
    added = Event.objects.filter(kind="set_up_added", subject__contains="Fresh").first()
    assert added is not None
    assert {"Fresh"} == {change["new"] for change in added.changes if change["name"] == "label"}
    Alias.objects.get(name="fresh").delete()
    deleted = Event.objects.get(kind="set_up_deleted")
    assert {"Fresh"} == {change["old"] for change in deleted.changes if change["name"] == "label"}


@pytest.mark.slow
def test_moving_the_mark_of_an_inline_row_is_recorded_on_both(as_admin: Client, northwind: Alias) -> None:
    first = HttpConnection.objects.get()
    second = HttpConnection.objects.create(
        alias=northwind,
        name="b",
        credential=first.credential,
        connection_url="https://northwind.example/b",
        active=False,
    )
    page = f"/admin/integrations/alias/{northwind.pk}/change/"
    fields = {"connections-0-id": str(first.pk), "connections-1-id": str(second.pk)}
    submitted(as_admin, page, {("connections-0", "Active"): [], ("connections-1", "Active"): "on"}, also=fields)
    values = {event.subject: event.changes[0]["new"] for event in Event.objects.filter(kind="set_up_changed")}
    assert values == {f"HTTP(s) Connection {first}": "False", "HTTP(s) Connection b": "True"}


@pytest.mark.parametrize(
    "model",
    [
        Application, Group, User, ApplicationRegistry, OAuthEntityProfile, OAuthEntityScope, OAuth2Credential, Alias,
        HttpConnection, ConfigurationTemplate, Action, RestStep, Subflow, RemoteTable, ToolSet,
    ],
)  # fmt: skip
def test_each_kind_of_set_up_is_watched(model: Any) -> None:
    assert model in model_changes._watched


def test_steps_and_columns_belong_to_the_history_of_their_action_and_table(northwind: Alias) -> None:
    action, table = flowing.open_incidents(northwind), tables.incidents(northwind)
    step, column = action.steps.get(), table.columns.all()[0]
    step.path, column.label = "others", "Id"
    step.headers = [["X-Api-Key", "CANARY-key"]]
    step.save()
    column.save()
    (event,) = model_changes.history_of(action)
    assert {change["name"] for change in event.changes} == {"path", "headers"}
    assert "CANARY" not in str(event.changes)
    (event,) = model_changes.history_of(table)
    assert [(change["old"], change["new"]) for change in event.changes] == [("Number", "Id")]


def test_objects_that_may_hold_a_key_are_changed_and_no_more_is_said(northwind: Alias) -> None:
    template = ConfigurationTemplate.objects.create(name="Ours", definition={"provider": "x"})
    template.definition = {"registry": {"call_headers": {"X-Api-Key": "CANARY-key"}}}
    template.save()
    table = tables.incidents(northwind)
    table.query, table.inputs = "api_key=CANARY-key", {"key": "CANARY-key"}
    table.save()
    ours = flowing.subflow_of(flowing.open_incidents(northwind)).actions.get()
    ours.inputs = {"key": "CANARY-key"}
    ours.save()
    assert [change["name"] for change in changes() if change.get("changed")] == [
        "definition",
        "inputs",
        "query",
        "inputs",
    ]
    assert "CANARY" not in str(list(Event.objects.values()))


def test_an_address_is_told_without_what_may_be_a_key_in_it(registry: ApplicationRegistry) -> None:
    for address in (
        "https://a:CANARY-pass@b.example/t?v=1&key=CANARY-key#x",
        "https://a:CANARY-2@b.example/t?v=1&key=CANARY-2#x",
    ):
        registry.userinfo_url = address
        registry.save()
    values = changes()
    assert values[0]["new"] == "https://…@b.example/t?v=…&key=…#x"
    assert values[1].get("changed")
    assert "CANARY" not in str(list(Event.objects.values()))


def test_the_profile_that_is_the_default_no_more_is_recorded(as_admin: Client, registry: ApplicationRegistry) -> None:
    other = OAuthEntityProfile.objects.create(registry=registry, name="Other", grant_type="authorization_code")
    first = OAuthEntityProfile.objects.create(
        registry=registry, name="First", grant_type="authorization_code", is_default=True
    )
    submitted(as_admin, f"/admin/integrations/oauthentityprofile/{other.pk}/change/", {"Default": "on"})
    values = {event.subject: event.changes[0]["new"] for event in Event.objects.filter(kind="set_up_changed")}
    assert values == {f"OAuth Entity Profile {first}": "False", f"OAuth Entity Profile {other}": "True"}
