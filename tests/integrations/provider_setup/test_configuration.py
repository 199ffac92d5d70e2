"""The set-up goes out as a file without secrets and comes in again: all of it or nothing, and nothing leaks by it."""

from datetime import date
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import models

from accounts.models import User
from accounts.oauth_server.models import Application
from accounts.sign_in.models import TwoStepRequirement
from integrations.models import (
    Action,
    Alias,
    ApplicationRegistry,
    ConfigurationTemplate,
    HttpConnection,
    OAuth2Credential,
    RemoteTable,
    RestStep,
    Subflow,
)
from integrations.provider_setup import configuration
from integrations.provider_setup.configuration import files
from integrations.provider_setup.configuration.kinds import KINDS, Kind
from tests import cast
from tests.accounts import programs

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(20)
SECRET = "CANARY-client-secret"


def set_up() -> Alias:
    """A bit of everything, nowhere as it comes."""
    registry = cast.registry_at(
        "https://northwind.example",
        issuer="https://northwind.example",
        authorization_parameters={"access_type": "offline"},
        revocation_request={"send": ["refresh_token"]},
        base_url_path="/home",
        base_url_hosts="*.northwind.example",
        refresh_url="https://northwind.example/refresh",
        token_parameters={"expires_in": "1800"},
        call_headers={"Client-Id": "{client_id}"},
        userinfo_request={"method": "POST", "json": None},
        provider_profile={
            "rules": [{"request": "refresh", "status": 409, "means": "wait", "wait": {"seconds": 60}}],
            "callback": {"posted": True},
        },
        logo=PICTURE,
        logo_type="image/png",
        client_secret_expires_on=date(2027, 2, 28),
        comments="Zeile eins\nZeile zwei: {äöü}",
    )
    alias = cast.integration_at(registry, scopes=("read", "write"), allow_token_export=True)
    alias.groups.add(sales := Group.objects.create(name="Sales"))
    TwoStepRequirement.objects.create(group=sales)
    alias.connections.create(name="Old one", connection_url="https://old.northwind.example", active=False)
    bare = OAuth2Credential.objects.create(name="bare", profile=registry.profiles.get())
    Alias.objects.create(name="bare", type="credential", credential=bare, active=False, inactive_reason="Soon.")
    action = Action.objects.create(
        name="list_notes",
        inputs=[{"name": "limit", "type": "integer", "default": 5}],
        outputs=[{"name": "notes", "path": "steps.list.body"}],
    )
    query = [["limit", "{{ inputs.limit }}"]]
    RestStep.objects.create(action=action, name="list", alias=alias, path="notes/", query=query, scopes="read")
    subflow = Subflow.objects.create(name="my_notes", outputs=[{"name": "notes", "path": "actions.list.notes"}])
    subflow.actions.create(name="list", action=action, inputs=[["limit", "3"]])
    table = RemoteTable.objects.create(name="notes", alias=alias, path="notes/", cache_seconds=60)
    table.columns.create(label="Title", name="title", path="title")
    ConfigurationTemplate.objects.create(name="Ours", definition=ConfigurationTemplate.objects.all()[0].definition)
    Group.objects.get(name="Sales").permissions.add(Permission.objects.get(codename="view_alias"))
    programs.program(name="Reports", allowed_scopes="integrations:read subflows:run")
    return alias


def wiped() -> None:
    for kind in reversed(KINDS):
        kind.model._default_manager.filter(**kind.only).delete()


def secretly(text: str, told: str = "{env: NORTHWIND_SECRET}") -> str:
    return text.replace("client_secret:\n    kept: true", f"client_secret: {told}")


@pytest.mark.slow
@pytest.mark.django_db
def test_everything_goes_out_and_comes_in_again(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up()
    text = configuration.export_configuration()
    assert "CANARY" not in text
    assert configuration.import_configuration(text).changes == []
    wiped()
    monkeypatch.setenv("NORTHWIND_SECRET", SECRET)
    report = configuration.import_configuration(secretly(text))
    registry = ApplicationRegistry.objects.get()
    assert configuration.export_configuration() == text
    assert registry.profile.callback.posted
    assert (registry.client_secret, bytes(registry.logo or b""), registry.logo_type) == (SECRET, PICTURE, "image/png")
    assert "+ Application Registry Northwind" in report.changes
    assert any(registry.redirect_url in line for line in report.to_do)
    assert "CANARY" not in str(report)
    assert configuration.import_configuration(secretly(text)).changes == []


def every_kind(kinds: tuple[Kind, ...] = KINDS) -> list[Kind]:
    return [each for kind in kinds for each in (kind, *every_kind(kind.children))]


@pytest.mark.django_db
def test_programs_that_registered_themselves_are_no_set_up() -> None:
    """Imported, they would be applications of an administrator; one that waits has no name to be imported by."""
    programs.program(name="Ours", client_id="ours", redirect_uris="https://a.example/\nhttps://b.example/")
    programs.program(name="Theirs", client_id="theirs", registration_source="dcr")
    programs.program(
        name="", client_id="https://agent.example/c", redirect_uris="", registration_source="cimd", standing="waiting"
    )
    text = configuration.export_configuration()
    assert [row["name"] for row in yaml.safe_load(text)["applications"]] == ["Ours"]
    assert configuration.import_configuration(text).changes == []
    theirs = text.replace("name: Ours", "name: Theirs").replace("client_id: ours", "client_id: other")
    assert len(configuration.import_configuration(theirs).changes) > 0
    assert Application.objects.get(client_id="theirs").registration_source == "dcr"
    assert Application.objects.filter(name="Theirs", registration_source="manual").count() == 1


def test_no_column_that_can_be_edited_is_forgotten() -> None:
    for kind in every_kind():
        fields = [*kind.model._meta.concrete_fields, *kind.model._meta.many_to_many]
        editable = {field.name for field in fields if field.editable and not field.primary_key}
        assert kind.fields or editable - {kind.parent} <= set(kind.members), kind.name
        assert not [name for name in kind.columns if isinstance(kind.columns[name], models.ForeignKey)], kind.name


@pytest.mark.slow
@pytest.mark.django_db
def test_a_dry_run_says_what_would_change_and_changes_nothing() -> None:
    set_up()
    before = configuration.export_configuration()
    changed = before.replace("Zeile eins", "Line one").replace("row_limit: 1000", "row_limit: 10")
    report = configuration.import_configuration(changed, dry_run=True)
    assert len(report.changes) == 2
    assert "~ Remote Table notes: row_limit: 1000 → 10" in report.changes
    assert configuration.export_configuration() == before
    assert configuration.import_configuration(changed).changes == report.changes


ONLY_REGISTRY = """\
keyrack: 1
registries:
  - name: Northwind
    client_id: keyrack
    token_url: {token_url}
    client_secret: {secret}
"""


@pytest.mark.django_db
@pytest.mark.parametrize("secret", ["{kept: true}", None])
def test_a_secret_does_not_follow_to_another_address(secret: str | None) -> None:
    cast.registry_at("https://northwind.example")
    text = ONLY_REGISTRY.format(token_url="https://evil.example/token", secret=secret)
    text = text if secret else text.replace("    client_secret: None\n", "")
    report = configuration.import_configuration(text)
    assert ApplicationRegistry.objects.get().client_secret == ""
    assert any("client_secret: cleared" in line for line in report.changes)
    assert any("Enter the Client Secret of Northwind" in line for line in report.to_do)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("", {"base_url_hosts": "*.evil.example"}),
        (
            "*.northwind.example",
            {
                "provider_profile": {
                    "exchange": {"url": "https://evil.northwind.example/x", "parameters": {"s": "{client_secret}"}}
                }
            },
        ),
        ("*.northwind.example", {"provider_profile": {"callback": {"token_host": "server"}}}),
    ],
)
def test_a_secret_does_not_follow_to_what_a_profile_names(before: str, change: dict[str, Any]) -> None:
    cast.registry_at("https://northwind.example", base_url_hosts=before)
    report = configuration.import_configuration(row("registries", name="Northwind", **change))
    assert ApplicationRegistry.objects.get().client_secret == ""
    assert any("client_secret: cleared" in line for line in report.changes)


@pytest.mark.django_db
def test_a_secret_that_is_given_anew_may_go_where_the_file_says(monkeypatch: pytest.MonkeyPatch) -> None:
    cast.registry_at("https://northwind.example")
    monkeypatch.setenv("NEW_SECRET", "CANARY-new-secret")
    text = ONLY_REGISTRY.format(token_url="https://new.example/token", secret="{env: NEW_SECRET}")
    assert "CANARY" not in str(configuration.import_configuration(text))
    registry = ApplicationRegistry.objects.get()
    assert (registry.client_secret, registry.token_url) == ("CANARY-new-secret", "https://new.example/token")
    kept = ONLY_REGISTRY.format(token_url="https://new.example/token", secret="{kept: true}")
    assert configuration.import_configuration(kept).changes == []
    assert ApplicationRegistry.objects.get().client_secret == "CANARY-new-secret"


@pytest.mark.django_db
def test_a_secret_with_a_line_break_after_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As from a file that Windows wrote."""
    cast.registry_at("https://northwind.example")
    monkeypatch.setenv("NEW_SECRET", "CANARY-new-secret\r")
    text = ONLY_REGISTRY.format(token_url="https://new.example/token", secret="{env: NEW_SECRET}")
    with pytest.raises(configuration.BadFile, match="begins or ends with a space or a line break") as refused:
        configuration.import_configuration(text)
    assert "CANARY" not in str(refused.value)
    assert ApplicationRegistry.objects.get().client_secret == "CANARY-client-secret"


def row(kind: str, **members: Any) -> str:
    return yaml.safe_dump({"keyrack": 1, kind: [members]})


NORTHWIND = {"name": "Northwind", "client_id": "keyrack", "token_url": "https://northwind.example/token"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "begins with “keyrack: 1”"),
        ("keyrack: 2", "Line 1: The file begins"),
        ("keyrack: 1\nregistry: []", "Line 2: “registry” is not known in the file"),
        ("keyrack: 1\nregistries: {}", "“registries” is a list"),
        ("keyrack: 1\nregistries:\n  - a\n", "Line 3: a row of “registries” is a set"),
        ("keyrack: 1\nregistries:\n  - name: A\n    colour: red\n", "Line 4: “colour” is not known"),
        ("keyrack: 1\nregistries:\n  - name: A\n    name: B\n", "Line 4: “name” is there twice"),
        ("keyrack: 1\nregistries: &a\n  - name: A\naliases: *a\n", "is used twice"),
        ("keyrack: 1\nx: [", "This is no YAML"),
        ("keyrack: true", "begins with “keyrack: 1”"),
        ("keyrack: 1\n# \x00", "Line 2: A character that no YAML has"),
        ('keyrack: 1\nregistries: [{name: "a\\0b"}]', "Line 2: This value cannot be read"),
        ('keyrack: 1\nregistries: [{name: "a\\ud800b"}]', "This value cannot be read"),
        ('keyrack: 1\nregistries: [{name: a, call_headers: {"a\\0": b}}]', "This value cannot be read"),
        ("keyrack: 1\nregistries:\n  - name: 2026-01-01\n", "Line 3: “name” is a text: put it in quotes"),
        (row("registries", name="Northwind"), "Northwind: “client_id”: This field cannot be blank"),
        (yaml.safe_dump({"keyrack": 1, "aliases": [{"name": "a"}, {"name": "a"}]}), "“a” is there twice in “aliases”"),
        (
            row("registries", **NORTHWIND, userinfo_url="https://a.example:99999/x"),
            "“userinfo_url”: This isn’t an address",
        ),
        (row("registries", **NORTHWIND, call_headers={"X": "{client_secret}"}), "“call_headers”: The header X cannot"),
        (row("registries", **NORTHWIND, token_parameters={"code": "x"}), "“token_parameters”: Keyrack sets this"),
        (row("registries", **NORTHWIND, userinfo_request={"verb": 1}), "“userinfo_request”: “verb” is not known"),
        ("keyrack: !!python/object:os.system 1", "This value cannot be read"),
        ("keyrack: 1\nregistries:\n  - client_id: a\n", "Line 3: A row of “registries” needs “name”"),
        (row("registries", **NORTHWIND, client_secret="CANARY-plain"), "is not written into a file"),
        (row("registries", **NORTHWIND, client_secret={"env": "NOT_SET_ANYWHERE"}), "NOT_SET_ANYWHERE is not set"),
        (row("registries", **NORTHWIND, send_credentials="loudly"), "“send_credentials”: Value 'loudly' is not"),
        (row("registries", **NORTHWIND, pkce_required="perhaps"), "“pkce_required”"),
        (row("registries", **{**NORTHWIND, "token_url": "ftp://a"}), "isn’t an address that can be called"),
        (row("registries", **NORTHWIND, revocation_request={"verb": 1}), "“verb” is not known"),
        (row("registries", **NORTHWIND, base_url_path="/x", base_url_hosts="*.com"), "Not valid: *.com"),
        (row("registries", **NORTHWIND, logo=b"GIF89a"), "a PNG or WebP picture"),
        (row("registries", **NORTHWIND, comments=None), "“comments” has no value"),
        (row("registries", **NORTHWIND, comments=["a"]), "“comments” is one value"),
        (row("registries", **NORTHWIND, scopes=[{"scope": "a b", "name": "A"}]), "One scope, without spaces"),
        (
            row("registries", **NORTHWIND, profiles=[{"name": "P", "scopes": ["x"]}]),
            "There is no OAuth Entity Scope “x”",
        ),
        (row("credentials", name="c", profile={"registry": "No", "name": "P"}), "There is no OAuth Entity Profile"),
        (row("credentials", name="c", profile="P"), "Name it by registry and name"),
        (row("credentials", name="c"), "cannot be null"),
        (row("aliases", name="no good"), "Letters, digits and underscores only"),
        (row("aliases", name="a", groups=["Nobody"]), "There is no group “Nobody”"),
        (row("aliases", name="a", active=False), "Say why it’s off"),
        (row("aliases", name="a", connections=[{"name": "c", "connection_url": "https://a.example?x=1"}]), "no query"),
        (row("aliases", name="a", groups=[None]), "An item of “groups” is empty"),
        (row("registries", **{**NORTHWIND, "client_id": 83}), "“client_id” is a text: put it in quotes"),
        (row("registries", **NORTHWIND, comments=False), "“comments” is a text: put it in quotes"),
        (row("registries", **NORTHWIND, refresh_token_lifespan=float("inf")), "“refresh_token_lifespan” is a whole"),
        (row("registries", **NORTHWIND, refresh_token_lifespan=True), "“refresh_token_lifespan” is a whole number"),
        (row("registries", **NORTHWIND, pkce_required=1), "“pkce_required” is true or false"),
        (row("registries", **NORTHWIND, client_secret_expires_on=0), "“client_secret_expires_on” is a day, such as"),
        (row("registries", **{**NORTHWIND, "name": "Northwind "}), "“name” begins or ends with a space"),
        (
            row(
                "aliases",
                name="a",
                connections=[
                    {"name": "b", "connection_url": "https://b.example", "active": True},
                    {"name": "c", "connection_url": "https://c.example"},
                ],
            ),
            "“b” and “c” are both “active”, which only one can be",
        ),
        (row("remote_tables", name="t"), "Choose an alias or an action"),
        (row("remote_tables", name="t", inputs=["x"]), "“inputs”: Write a JSON object"),
        (row("templates", name="t", definition={"a": 1}), "can’t contain “a”"),
        (
            row("actions", name="a", outputs=[{"name": "o", "path": "steps.gone.body"}], steps=[]),
            "There is no “gone” in steps",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_line_and_nothing_changes(text: str, told: str) -> None:
    with pytest.raises(configuration.BadFile) as caught:
        configuration.import_configuration(text)
    assert told in str(caught.value)
    assert str(caught.value).startswith("Line ")
    assert "CANARY" not in str(caught.value)
    kinds = [kind for kind in KINDS if kind.model is not Group]  # of which migrations create one
    assert not any(kind.model._default_manager.filter(**kind.only).exists() for kind in kinds)


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["https://a.example:99999/x", "https://[", "https://a.example:x/"])
def test_a_registry_is_not_led_to_an_address_that_cannot_be_read(url: str) -> None:
    before = cast.registry_at("https://northwind.example")
    with pytest.raises(configuration.BadFile, match="“userinfo_url”: This isn’t an address"):
        configuration.import_configuration(row("registries", name=before.name, userinfo_url=url))
    assert ApplicationRegistry.objects.get().client_secret == SECRET


@pytest.mark.django_db
def test_tokens_of_people_go_nowhere_else_unless_somebody_says_so(amira: User) -> None:
    alias = cast.integration_at(cast.registry_at("https://northwind.example"))
    cast.signed_in(amira, alias)
    elsewhere = row("registries", **{**NORTHWIND, "token_url": "https://new.example/token"})
    connection = {"name": "northwind", "connection_url": "https://api.new.example"}
    for text in (elsewhere, row("aliases", name="northwind", connections=[connection])):
        with pytest.raises(configuration.BadFile, match="say --same-provider"):
            configuration.import_configuration(text)
        assert configuration.import_configuration(text, same_provider=True).changes
    with pytest.raises(configuration.BadFile, match="that would end it"):
        configuration.import_configuration(row("credentials", name="northwind", integration_type="system"))


@pytest.mark.django_db
def test_what_is_not_mentioned_stays_and_a_mark_moves() -> None:
    set_up()
    alias = Alias.objects.get(name="northwind")
    connection = {"name": "Old one", "active": True}
    report = configuration.import_configuration(row("aliases", name="northwind", connections=[connection]))
    assert [change.partition(" / ")[2] for change in report.changes] == [
        "northwind: active: true → false",
        "Old one: active: false → true",
    ]
    assert HttpConnection.objects.get(active=True).name == "Old one"
    assert HttpConnection.objects.count() == 2
    assert list(Alias.objects.get(pk=alias.pk).groups.values_list("name", flat=True)) == ["Sales"]
    assert Alias.objects.get(pk=alias.pk).allow_token_export


@pytest.mark.django_db
def test_a_file_strips_the_spaces_that_the_forms_strip() -> None:
    registry = row("registries", **{**NORTHWIND, "client_id": " keyrack\u00a0", "scope_separator": " "})
    configuration.import_configuration(registry)
    assert ApplicationRegistry.objects.values_list("client_id", "scope_separator").get() == ("keyrack", " ")
    assert configuration.import_configuration(registry).changes == []


@pytest.mark.django_db
def test_an_empty_item_opens_an_alias_to_nobody() -> None:
    alias = set_up()
    with pytest.raises(configuration.BadFile, match="Line 5: An item of “groups” is empty"):
        configuration.import_configuration("keyrack: 1\naliases:\n- name: northwind\n  groups:\n  -\n")
    assert alias.groups.get().name == "Sales"


@pytest.mark.django_db
@pytest.mark.parametrize("variable", ["SECRET_KEY", "TOKEN_ENCRYPTION_KEYS", "DATABASE_URL", "EMAIL_URL_FILE"])
def test_no_secret_of_keyrack_becomes_one_for_another_server(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "CANARY")
    with pytest.raises(configuration.BadFile, match=f"{variable} configures Keyrack"):
        configuration.import_configuration(row("registries", **NORTHWIND, client_secret={"env": variable}))


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("configuration", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.django_db
def test_the_command_writes_and_reads_files_and_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up()
    file = tmp_path / "set-up.yaml"
    run("export", str(file))
    assert run("export", "-") == file.read_text()
    assert run("import", str(file)) == "Nothing to change.\n"
    monkeypatch.setattr("sys.stdin", StringIO(row("aliases", name="third")))
    assert run("import", "-", "--dry-run").endswith("1 changes; this was a dry run, and nothing was changed.\n")
    assert not Alias.objects.filter(name="third").exists()
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"keyrack: 1 # \xe4"), encoding="utf-8"))
    with pytest.raises(CommandError, match="Standard input is not UTF-8"):
        run("import", "-")
    file.write_text("keyrack: 1\nnonsense: 1\n")
    for arguments in (("import", str(file)), ("import", str(tmp_path / "gone")), ("export", str(tmp_path / "a" / "b"))):
        with pytest.raises(CommandError) as caught:
            run(*arguments)
        assert caught.value.returncode == 1


@pytest.mark.django_db
def test_a_file_does_not_write_its_own_report(monkeypatch: pytest.MonkeyPatch) -> None:
    cast.registry_at("https://northwind.example")
    change = row("registries", name="Northwind", comments="a\r\u202e\x1b[2K\nNothing to change.")
    monkeypatch.setattr("sys.stdin", StringIO(change))
    [line, summary] = run("import", "-").splitlines()
    assert line.endswith(r"comments: nothing → a\r\u202e\x1b[2K\nNothing to change.")
    assert summary == "1 changes."
    long_key = row("aliases", name="a\x1b" * 9000)
    monkeypatch.setattr("sys.stdin", StringIO(long_key))
    with pytest.raises(CommandError) as refused:
        run("import", "-")
    assert len(str(refused.value)) < 5000
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "value",
    ["!!timestamp x", '!!int ""', '!!float ""', "!!bool x", '!!int "' + "1:" * 3000 + '1"', "9" * 6000, "9" * 40,
     '!!float "' + "1:" * 3000 + '1"', "2001-99-99"],
)  # fmt: skip
def test_a_value_that_is_not_what_its_tag_says_is_told_with_its_line(value: str) -> None:
    with pytest.raises(files.BadFile, match="Line 2: This value cannot be read"):
        files.parse_yaml(f"a: 1\nb: {value}")


@pytest.mark.django_db
def test_a_file_turns_required_two_step_sign_in_of_a_group_on_and_off() -> None:
    group = Group.objects.create(name="Sales")
    for value, sentence in ((True, "requires_two_steps: false → true"), (False, "requires_two_steps: true → false")):
        text = row("groups", name="Sales", requires_two_steps=value)
        assert configuration.import_configuration(text, dry_run=True).changes == [f"~ group Sales: {sentence}"]
        assert configuration.import_configuration(text).changes == [f"~ group Sales: {sentence}"]
        assert configuration.import_configuration(text).changes == []
        assert TwoStepRequirement.objects.filter(group=group).exists() is value
    with pytest.raises(configuration.BadFile, match="true or false"):
        configuration.import_configuration(row("groups", name="Sales", requires_two_steps="yes"))


@pytest.mark.django_db
def test_a_file_turns_required_two_step_sign_in_of_staff_on_and_off() -> None:
    for value, sentence in ((True, "requires_two_steps: false → true"), (False, "requires_two_steps: true → false")):
        text = f"keyrack: 1\nstaff:\n  requires_two_steps: {str(value).lower()}\n"
        assert configuration.import_configuration(text, dry_run=True).changes == [f"~ staff: {sentence}"]
        assert configuration.import_configuration(text).changes == [f"~ staff: {sentence}"]
        assert configuration.import_configuration(text).changes == []
        assert TwoStepRequirement.objects.filter(group=None).exists() is value
        assert text.partition("\n")[2] in configuration.export_configuration()
    for wrong in ("requires_two_steps: 1", "two_steps: true"):
        with pytest.raises(configuration.BadFile, match="Line 3"):
            configuration.import_configuration(f"keyrack: 1\nstaff:\n  {wrong}\n")
