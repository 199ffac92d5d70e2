"""Actions and subflows in the admin: the procedure step by step, what a form refuses, and the Test button."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from integrations.admin import addresses
from integrations.models import Action, Alias, OAuth2Credential, OAuthEntityProfile, RestStep, Subflow, SubflowRun
from tests import cast, walks
from tests.admin.forms import Page, Typed, complaints, opened, submitted
from tests.admin.test_set_up import ALIAS, CREDENTIAL, REGISTRY, scope_rows
from tests.conftest import client_of
from tests.integrations.flowing import BEARER, INCIDENTS, open_incidents, subflow_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.slow

ACTION, SUBFLOW = "/admin/integrations/action", "/admin/integrations/subflow"
RUNS = "/api/v1/subflows/my_open_incidents/runs/"
STEP = {
    ("steps-0", "Name"): "list",
    ("steps-0", "Resource path"): "incidents",
    ("steps-0", "Query parameters"): "limit = {{ inputs.limit }}",
}
TYPED: Typed = {
    "Name": "open_incidents",
    "Inputs": "limit: integer = 5",
    "Outputs": "numbers = steps.list.body.result[*].number",
    **STEP,
}
PLACED: Typed = {
    "Name": "my_open_incidents",
    "Label": "My open incidents",
    "Inputs": "limit: integer = 5",
    "Outputs": "numbers = actions.open_incidents.numbers",
    ("actions-0", "Inputs"): "limit = {{ inputs.limit }}",
}


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    server.on(INCIDENTS).always(json={"result": [{"number": "INC1"}]})
    return walks.northwind(server)


def add_action(client: Client, alias: Alias, typed: Typed | None = None) -> Any:
    through = {("steps-0", "Connection alias"): str(alias.pk)}
    return submitted(client, f"{ACTION}/add/", {**TYPED, **through, **(typed or {})})


def tried(client: Client, address: str, **inputs: str) -> str:
    page = f"{address}/test/"
    return client.post(page, {f"input-{name}": value for name, value in inputs.items()}).content.decode()


def saved(client: Client, address: str, typed: Typed, **also: Any) -> None:
    answer = submitted(client, address, typed, **also)
    assert not complaints(answer), complaints(answer)


def set_up_by_forms(client: Client, server: HostileServer) -> Alias:
    """Steps 1 to 6 of the procedure: registry, alias, connection, credential."""
    typed = {
        "Name": "Northwind", "Client ID": "keyrack", "Client Secret": "CANARY-client-secret",
        "Authorization URL": f"{server.url}/authorize", "Token URL": f"{server.url}/token",
        ("profiles-0", "Name"): "Default",
    }  # fmt: skip
    saved(client, f"{REGISTRY}/add/", typed, also=scope_rows("read"))
    connection = {("connections-0", "Name"): "API", ("connections-0", "Connection URL"): f"{server.url}/api"}
    saved(client, f"{ALIAS}/add/", {"Name": "northwind", "Label": "Northwind CRM", **connection})
    profile = str(OAuthEntityProfile.objects.get().pk)
    saved(client, f"{CREDENTIAL}/add/", {"Name": "Northwind", "OAuth Entity Profile": profile})
    credential, alias = OAuth2Credential.objects.get(), Alias.objects.get()
    saved(client, f"{CREDENTIAL}/{credential.pk}/change/", {"Integration Type": "personal"})
    saved(client, f"{ALIAS}/{alias.pk}/change/", {("connections-0", "Credential"): str(credential.pk)})
    return alias


def test_the_whole_procedure_by_forms_and_api_with_three_people(
    as_admin: Client, amira: User, bob: User, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "SECONDS", 60.0)  # for looking up an address; this machine may be busy
    alias = set_up_by_forms(as_admin, server)
    people = {amira: "CANARY-access-1", bob: "CANARY-access-2"}
    for number, person in enumerate(people, start=1):
        walks.grants(server, number)
        assert "is connected" in walks.words(walks.sign_in(client_of(person), alias))
    server.on(INCIDENTS).always(json={"result": [{"number": "INC1"}]})

    assert not complaints(add_action(as_admin, alias))
    action = Action.objects.get()
    # “The REST step might display an error since the action runs with the System integration role.”
    assert "401 Unauthorized" in tried(as_admin, f"{ACTION}/{action.pk}")

    typed = {**PLACED, ("actions-0", "Action"): str(action.pk), "Run As": "system"}
    assert not complaints(submitted(as_admin, f"{SUBFLOW}/add/", typed))
    subflow = Subflow.objects.get()
    assert run_of(amira)["error"]["status"] == 401
    submitted(as_admin, f"{SUBFLOW}/{subflow.pk}/change/", {"Run As": "user"})

    for person, token in people.items():
        assert run_of(person)["outputs"] == {"numbers": ["INC1"]}
        assert server.calls[-1].headers["authorization"] == f"Bearer {token}"
    calls = len(server.calls)
    cleo = cast.person("cleo")
    assert run_of(cleo)["error"]["error"] == "integration_not_authenticated"
    assert run_of(cleo)["error"]["status"] == 401
    assert client_of(cleo).get(run_of(cleo)["error"]["initiator_url"]).status_code == 302
    assert len(server.calls) == calls


def run_of(person: User) -> Any:
    answer = client_of(person).post(RUNS, {"inputs": {"limit": 1}}, content_type="application/json")
    assert answer.status_code == 201
    return answer.json()


def test_what_was_typed_is_stored_and_shown_again_as_it_was(as_admin: Client, northwind: Alias) -> None:
    inputs = "limit: integer = 5\nwho: text\nnote: text = a = b\nall: boolean = false\nmore: json = null"
    headers = {("steps-0", "Headers"): "Accept: application/json\nX-Note: {{ inputs.note }}"}
    assert not complaints(add_action(as_admin, northwind, {"Inputs": inputs, **headers}))
    action, step = Action.objects.get(), RestStep.objects.get()
    assert action.inputs[0] == {"name": "limit", "type": "integer", "default": 5}
    assert (action.inputs[1], action.inputs[4]["default"]) == ({"name": "who", "type": "text"}, None)
    assert step.headers == [["Accept", "application/json"], ["X-Note", "{{ inputs.note }}"]]
    assert step.query == [["limit", "{{ inputs.limit }}"]]
    page = opened(as_admin, f"{ACTION}/{action.pk}/change/")
    assert page.fields["inputs"][0].strip() == inputs
    assert not complaints(submitted(as_admin, f"{ACTION}/{action.pk}/change/", {}))
    assert Action.objects.get().inputs == action.inputs


REFUSED: list[tuple[Typed, str]] = [
    (
        {("steps-0", "Query parameters"): "q = {{ inputs.x }}"},
        "There is no “x” in inputs at this point. There are: limit.",
    ),
    ({("steps-0", "Resource path"): "a/{{ steps.list.body.id }}"}, "There is no “list” in steps at this point."),
    (
        {("steps-0", "Resource path"): "a/{{ user.password }}"},
        "“user” isn’t available here. Available: inputs, steps.",
    ),
    ({("steps-0", "Resource path"): "a/{{ inputs.limit"}, "The template cannot be read: "),
    ({("steps-0", "Resource path"): "a?b=c"}, "without ? and #"),
    ({("steps-0", "Body"): '{"a": {{ inputs.limit }}}'}, "This isn’t valid JSON (line 1)"),
    (
        {("steps-0", "Body"): '{"a": "{% for a in inputs %}x{% endfor %}"}'},
        "can contain only expressions in {{ }}, not “for”.",
    ),
    ({("steps-0", "Body"): '{"a": "{{ inputs.limit.real.__class__() }}"}'}, "A template can’t call anything"),
    ({("steps-0", "Headers"): "Authorization: Bearer x"}, "Steps can’t set the header “Authorization”."),
    ({("steps-0", "Headers"): "Accept"}, "Line 1: write name : value."),
    ({("steps-0", "Name"): "a b"}, "Letters, digits and underscores only"),
    ({"Outputs": "numbers = steps.list.body[?"}, "Output “numbers”: The path cannot be read (JMESPath)"),
    ({"Outputs": "numbers = steps.other.body"}, "Output “numbers”: There is no “other” in steps"),
    ({"Outputs": "a = steps\na = steps"}, "“a” is there twice."),
    ({"Inputs": "limit: count = 5"}, "Input “limit”: there is no such type."),
    ({"Inputs": "limit: integer = five"}, "Line 1: write the default as JSON"),
    ({"Inputs": 'limit: integer = "5"'}, "Input “limit”: the default isn’t of type integer."),
    ({"Inputs": "limit: json = NaN"}, "The result cannot be written as JSON."),
    ({"Inputs": r'[{"name": "limit", "type": "text", "default": "\ud800"}]'}, "half a character"),
    ({"Inputs": r'[{"name": "limit", "type": "text", "more": "\u0000"}]'}, "Null characters are not allowed."),
    ({("steps-0", "Headers"): r'[["X-Note", "\ud800"]]'}, "half a character"),
    ({("steps-0", "Body"): '{"a": NaN}'}, "This isn’t valid JSON (line 1)"),
    ({"Name": "open incidents"}, "Letters, digits and underscores only; single dots in between."),
]


def posted(client: Client, page: Page, typed: Typed, *, address: str = f"{ACTION}/add/") -> Any:
    """As `submitted`, from a page that is open already."""
    named = {page.named(key if isinstance(key, str) else key[1], under=under(key)): typed[key] for key in typed}
    return client.post(address, {**page.fields, **named})


def under(key: Any) -> str:
    return "" if isinstance(key, str) else str(key[0])


def test_an_action_that_cannot_work_is_refused_in_words(as_admin: Client, northwind: Alias) -> None:
    page = opened(as_admin, f"{ACTION}/add/")
    for typed, sentence in REFUSED:
        errors = complaints(posted(as_admin, page, {**TYPED, ("steps-0", "Connection alias"): northwind.pk, **typed}))
        assert [each for each in errors if sentence in each], (sentence, errors)
    assert not Action.objects.exists()


def test_a_step_names_earlier_ones_only_and_no_name_is_there_twice(as_admin: Client, northwind: Alias) -> None:
    action = open_incidents(northwind)
    page = f"{ACTION}/{action.pk}/change/"
    new = {"steps-TOTAL_FORMS": "2", "steps-1-alias": str(northwind.pk), "steps-1-method": "GET"}
    new |= {
        "steps-1-body_type": "json",
        "steps-1-timeout": "30",
        "steps-1-retries": "0",
        "steps-1-path": "{{ steps.list.body.id }}",
    }
    before = complaints(submitted(as_admin, page, {}, also={**new, "steps-1-name": "one", "steps-1-order": "5"}))
    assert [each for each in before if "There is no “list” in steps at this point. There are: –." in each]
    twice = complaints(submitted(as_admin, page, {}, also={**new, "steps-1-name": "list", "steps-1-order": "500"}))
    assert twice
    assert not complaints(submitted(as_admin, page, {}, also={**new, "steps-1-name": "one", "steps-1-order": "500"}))
    assert [str(step) for step in action.steps.all()] == ["list", "one"]


REFUSED_SUBFLOWS: list[tuple[Typed, str]] = [
    ({("actions-0", "Inputs"): "limits = 1"}, "The action has no input “limits”."),
    (
        {("actions-0", "Inputs"): "limit = {{ actions.open_incidents.numbers }}"},
        "There is no “open_incidents” in actions",
    ),
    ({("actions-0", "Inputs"): "limit = {{ inputs.x }}"}, "There is no “x” in inputs"),
    ({"Outputs": "a = actions.other"}, "There is no “other” in actions"),
]


def test_a_subflow_that_cannot_work_is_refused_in_words(as_admin: Client, northwind: Alias) -> None:
    placed = {**PLACED, ("actions-0", "Action"): str(open_incidents(northwind).pk)}
    page = opened(as_admin, f"{SUBFLOW}/add/")
    for typed, sentence in REFUSED_SUBFLOWS:
        errors = complaints(posted(as_admin, page, {**placed, **typed}, address=f"{SUBFLOW}/add/"))
        assert [each for each in errors if sentence in each], (sentence, errors)
    assert not Subflow.objects.exists()


def test_the_test_button_runs_as_who_presses_it_and_shows_the_steps(
    as_admin: Client, admin: User, northwind: Alias, server: HostileServer
) -> None:
    cast.signed_in(admin, northwind)
    subflow = subflow_of(open_incidents(northwind), active=False)
    address = f"{SUBFLOW}/{subflow.pk}"
    assert f"{address}/test/" in as_admin.get(f"{address}/change/").content.decode()
    assert 'value="5"' in as_admin.get(f"{address}/test/").content.decode()
    page = tried(as_admin, address, limit="3")
    assert "Result: Succeeded" in page
    assert "INC1" in page
    assert [(call.headers["authorization"], call.query) for call in server.calls] == [(BEARER, "limit=3")]
    assert (SubflowRun.objects.get().is_test, SubflowRun.objects.get().origin) == (True, "Test")
    assert "The input “limit” isn’t of type integer." in tried(as_admin, address, limit="many")


def test_only_who_may_change_it_may_test_it(as_onlooker: Client, as_amira: Client, northwind: Alias) -> None:
    action = open_incidents(northwind)
    assert as_onlooker.post(f"{ACTION}/{action.pk}/test/").status_code == 403
    assert "/test/" not in as_onlooker.get(f"{ACTION}/{action.pk}/change/").content.decode()
    assert as_amira.post(f"{ACTION}/{action.pk}/test/").status_code == 302


def test_runs_are_shown_to_administrators_without_what_went_through_them(
    as_admin: Client, amira: User, northwind: Alias, server: HostileServer
) -> None:
    server.on(INCIDENTS).always(json={"result": [{"number": "CANARY-output"}]})
    cast.signed_in(amira, northwind)
    subflow_of(open_incidents(northwind))
    assert run_of(amira)["outputs"] == {"numbers": ["CANARY-output"]}
    pages = ["subflowrun/", f"subflowrun/{SubflowRun.objects.get().pk}/change/", "subflow/", "action/"]
    html = [as_admin.get(f"/admin/integrations/{page}").content.decode() for page in pages]
    assert all("CANARY" not in page for page in html)
    assert "open_incidents" in html[1]
    assert "Succeeded" in html[2]
    assert as_admin.get("/admin/integrations/subflowrun/add/").status_code == 403
    assert as_admin.post(f"/admin/integrations/{pages[1]}", {"status": "failed"}).status_code == 403


def test_an_action_that_no_longer_takes_what_a_subflow_gives_it_says_so(as_admin: Client, northwind: Alias) -> None:
    action = open_incidents(northwind)
    subflow_of(action)
    typed = {"Inputs": "most: integer = 5", ("steps-0", "Query parameters"): "limit = {{ inputs.most }}"}
    answer = submitted(as_admin, f"{ACTION}/{action.pk}/change/", typed)
    assert "Subflow “My open incidents”: The action has no input “limit”." in answer.content.decode()


def test_an_alias_that_steps_call_is_not_deleted(as_admin: Client, northwind: Alias) -> None:
    open_incidents(northwind)
    as_admin.post(f"{ALIAS}/{northwind.pk}/delete/", {"post": "yes"})
    assert Alias.objects.exists()
