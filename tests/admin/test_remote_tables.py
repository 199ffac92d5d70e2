"""Remote Tables in the admin: what is refused in words, and how the table looks to the administrator."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from integrations.models import Alias, OAuth2Credential, RemoteTable
from tests import cast, walks
from tests.admin.forms import complaints, opened, submitted
from tests.integrations import flowing, tables
from tests.integrations.tables import INCIDENTS, ROWS
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.slow

ADD = "/admin/integrations/remotetable/add/"
COLUMN = {
    "columns-0-label": "Full name",
    "columns-0-path": "name",
}  # a table has headings where other forms have labels


def filled(client: Client, alias: Alias, typed: dict[str, str], **columns: str) -> Any:
    fields = {"Name": "contacts", "Alias": str(alias.pk), **typed}
    return submitted(
        client, ADD, fields, also=COLUMN | {name.replace("__", "-"): each for name, each in columns.items()}
    )


def page_of(table: RemoteTable, end: str = "change") -> str:
    return f"/admin/integrations/remotetable/{table.pk}/{end}/"


def test_a_table_is_made_in_one_form(as_admin: Client, northwind: Alias) -> None:
    response = filled(as_admin, northwind, {"JMESPath to the rows": "results", "Path": "contacts/"})
    assert complaints(response) == []
    table = RemoteTable.objects.get()
    assert (table.path, table.rows_path, table.cache_seconds, table.row_limit) == ("contacts/", "results", 0, 1000)
    [column] = table.columns.all()
    assert (column.name, column.label, column.path, column.type) == ("full_name", "Full name", "name", "text")
    submitted(as_admin, page_of(table), {}, also={"columns-0-label": "Name"})
    assert table.columns.get().name == "full_name"  # programs go on


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("Name", "a b", "Letters, digits, underscores and hyphens only."),
        ("Path", "../admin", "dot segments"),
        ("Path", "https://evil.example/", "not a full URL"),
        ("Path", "a?b=c", "belongs in Query"),
        ("Query", "a b", "name=value"),
        ("JMESPath to the rows", "items[", "cannot be read"),
        ("JMESPath to the rows", "nope(@)", "no function “nope”"),
        ("columns-0-path", "]", "cannot be read"),
        ("Cache seconds", "3601", "less than or equal to 3600"),
        ("Row limit", "0", "greater than or equal to 1"),
        ("Inputs of the action", "[1]", "JSON object"),
        ("Inputs of the action", '{"a": NaN}', "Enter a valid JSON."),
        pytest.param("Inputs of the action", "[" * 100_000, "Enter a valid JSON.", id="deep"),
        ("Alias", "", "Choose an alias or an action"),
    ],
)
def test_what_cannot_work_is_refused_in_words(
    field: str, value: str, words: str, as_admin: Client, northwind: Alias
) -> None:
    is_column = field.startswith("columns")
    response = filled(as_admin, northwind, {} if is_column else {field: value}, **({field: value} if is_column else {}))
    errors = " ".join(complaints(response))
    assert words in errors
    assert "at least one column" not in errors
    assert not RemoteTable.objects.exists()


def test_a_table_has_columns_and_each_has_a_name_of_its_own(as_admin: Client, northwind: Alias) -> None:
    none = filled(as_admin, northwind, {}, columns__0__label="", columns__0__path="")
    assert "A table needs at least one column." in complaints(none)
    twice = filled(as_admin, northwind, {}, columns__1__label="Full Name", columns__1__path="nick")
    assert any("Please correct the duplicate" in error for error in complaints(twice))
    assert not RemoteTable.objects.exists()


def test_an_action_that_changes_something_or_lacks_inputs_is_refused(as_admin: Client, northwind: Alias) -> None:
    action = flowing.open_incidents(northwind, inputs=[{"name": "limit", "type": "integer"}])
    fields = {"Alias": "", "Action": str(action.pk)}
    assert "The input “limit” is required." in complaints(filled(as_admin, northwind, fields))
    fields["Inputs of the action"] = '{"limit": 3}'
    action.steps.update(method="DELETE")
    assert any("changes something (DELETE)" in error for error in complaints(filled(as_admin, northwind, fields)))
    action.steps.update(method="GET")
    assert complaints(filled(as_admin, northwind, fields)) == []
    assert RemoteTable.objects.get().inputs == {"limit": 3}


def test_a_system_credential_is_said_when_it_is_saved(as_admin: Client, northwind: Alias) -> None:
    OAuth2Credential.objects.update(integration_type="system")
    response = filled(as_admin, northwind, {})
    assert "Nobody sees rows yet" in response.content.decode()
    assert RemoteTable.objects.exists()


def test_the_preview_shows_the_first_rows_as_the_administrator(
    as_admin: Client, admin: User, server: HostileServer
) -> None:
    alias = walks.northwind(server)
    table = tables.incidents(alias, active=False)
    assert f'href="{page_of(table, "preview")}"' in walks.words(as_admin.get(page_of(table)))
    page = walks.words(as_admin.get(page_of(table, "preview")))
    assert "You aren’t signed in there." in page
    assert "data-connect" in page
    assert server.calls == []
    cast.signed_in(admin, alias)
    cast.signed_in(cast.person("other"), alias, access_token="CANARY-access-bob")
    server.on(ROWS).always(tables.rows_of_each({"1": INCIDENTS}))
    table.columns.create(label="Typo", path="nmuber", order=9)
    page = opened(as_admin, page_of(table, "preview")).text
    assert "3 rows, read just now with your own account" in page
    assert "Printer on fire" in page
    assert "Empty in every row: Typo." in page
    server.on(ROWS).always(json={"items": []})
    assert "The answer contains: items." in opened(as_admin, page_of(table, "preview")).text
    alias.groups.create(name="Finance")
    assert "a group that may use each alias" in opened(as_admin, page_of(table, "preview")).text


def test_only_who_may_look_at_tables_previews_them(as_amira: Client, as_onlooker: Client, northwind: Alias) -> None:
    table = tables.incidents(northwind)
    assert as_amira.get(page_of(table, "preview")).status_code == 302
    assert "you need the role" in walks.words(as_onlooker.get(page_of(table, "preview")))
    assert as_onlooker.post(page_of(table, "preview")).status_code == 405
