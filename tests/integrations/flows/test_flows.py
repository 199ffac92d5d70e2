"""Subflows: who may run them, in whose name they run, what stops them, and what is kept of a run."""

import json
import logging
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from integrations import flows
from integrations.models import (
    Action,
    Alias,
    ApplicationRegistry,
    HttpConnection,
    IntegrationType,
    RestStep,
    StepRun,
    Subflow,
    SubflowRun,
    Token,
)
from integrations.models.addresses import initiator_url
from tests import cast, walks
from tests.integrations.flowing import BEARER, INCIDENTS, open_incidents, step, subflow_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    server.on(INCIDENTS).always(json={"result": [{"number": "INC1", "text": "CANARY-body"}, {"number": "INC2"}]})
    return cast.integration_at(cast.registry_at(server.url))


@pytest.fixture
def action(northwind: Alias) -> Action:
    return open_incidents(northwind)


@pytest.fixture
def subflow(action: Action, northwind: Alias, amira: User) -> Subflow:
    """Amira is signed in; nobody else is."""
    cast.signed_in(amira, northwind)
    return subflow_of(action)


def run(user: User, **inputs: Any) -> SubflowRun:
    return flows.run_subflow("my_open_incidents", user=user, inputs=inputs)


def test_it_runs_as_the_person_and_gives_its_outputs(subflow: Subflow, amira: User, server: HostileServer) -> None:
    result = run(amira, limit=2)
    assert (result.status, result.outputs, result.error) == ("succeeded", {"numbers": ["INC1", "INC2"]}, "")
    [call] = server.calls
    assert (call.headers["authorization"], call.query) == (BEARER, "limit=2")
    assert Token.objects.get().last_used_by == "Subflow my_open_incidents"


@pytest.mark.slow
def test_each_of_two_people_is_answered_with_their_own_token(
    subflow: Subflow, northwind: Alias, amira: User, bob: User, server: HostileServer
) -> None:
    cast.signed_in(bob, northwind, access_token="CANARY-of-bob")
    assert run(amira).status == run(bob).status == "succeeded"
    assert [call.headers["authorization"][-13:] for call in server.calls] == [BEARER[-13:], "CANARY-of-bob"]


def test_who_has_no_token_gets_a_401_and_is_told_where_to_get_one(
    subflow: Subflow, bob: User, server: HostileServer
) -> None:
    result = run(bob)
    assert (result.status, result.http_status, result.error_code) == ("failed", 401, "integration_not_authenticated")
    assert result.initiator_url.startswith("/oauth_initiator.do?")
    assert "401 Unauthorized" in result.error
    assert [(each.status, each.http_status) for each in result.steps.all()] == [("failed", 401)]
    assert server.calls == []


def test_whose_token_the_third_party_refuses_is_told_where_to_get_another(
    subflow: Subflow, northwind: Alias, amira: User, server: HostileServer
) -> None:
    Token.objects.update(refresh_token=None)
    server.on(INCIDENTS).always(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    result = run(amira)
    assert (result.status, result.http_status, result.error_code) == ("failed", 401, "http_401")
    assert result.initiator_url == initiator_url(walks.credential_of(northwind))


def test_a_personal_credential_is_never_used_by_the_system_user(
    subflow: Subflow, amira: User, server: HostileServer
) -> None:
    Subflow.objects.update(run_as="system")
    result = run(amira)
    assert (result.status, result.http_status) == ("failed", 401)
    assert "Integration Type Personal" in result.error
    assert (result.outputs, result.initiator_url, server.calls) == ({}, "", [])


@pytest.mark.parametrize("run_as", ["user", "system"])
def test_a_system_credential_is_called_with_the_systems_token(run_as: str, server: HostileServer, amira: User) -> None:
    shared = cast.integration_at(cast.registry_at(server.url), integration_type=IntegrationType.SYSTEM)
    cast.signed_in(None, shared, access_token="CANARY-of-system")  # type: ignore[arg-type]  # the system's
    server.on(INCIDENTS).always(json={"result": []})
    subflow_of(open_incidents(shared), run_as=run_as)
    assert run(amira).outputs == {"numbers": []}
    assert server.calls[0].headers["authorization"] == "Bearer " + "CANARY-of-system"


@pytest.mark.slow
def test_the_second_action_can_use_what_the_first_gave(
    subflow: Subflow, northwind: Alias, amira: User, server: HostileServer
) -> None:
    one = Action.objects.create(
        name="one_incident",
        inputs=[{"name": "number", "type": "text"}],
        outputs=[{"name": "title", "path": "steps.one.body.title"}],
    )
    step(one, northwind, "one", path="incidents/{{ inputs.number }}")
    placed = subflow.actions.create(
        action=one, name="first_one", order=9, inputs=[["number", "{{ actions.open_incidents.numbers[0] }}"]]
    )
    placed.check_references(inputs={"limit"}, actions={"open_incidents"})
    Subflow.objects.update(outputs=[{"name": "title", "path": "actions.first_one.title"}])
    server.on("GET /api/incidents/INC1").answer(json={"title": "Rain"})
    result = run(amira)
    assert (result.outputs, result.error) == ({"title": "Rain"}, "")
    assert [(each.position, str(each)) for each in result.steps.all()] == [
        (1, "open_incidents.list"),
        (2, "first_one.one"),
    ]


def test_a_missing_scope_is_said_before_anything_is_called(
    subflow: Subflow, northwind: Alias, amira: User, server: HostileServer
) -> None:
    last = Action.objects.create(name="close_all")
    step(last, northwind, "close", method="POST", scopes="read incidents:write")
    subflow.actions.create(action=last, name="close_all", order=9)
    result = run(amira)
    assert (result.status, result.error_code, server.calls) == ("failed", "insufficient_scope", [])
    assert "incidents:write" in result.error
    assert result.initiator_url
    Token.objects.update(scopes=["incidents:write", "read"])
    server.on("POST /api/incidents").answer(status=201)
    assert run(amira).status == "succeeded"


def test_a_scope_that_is_granted_by_another_name_is_not_lacking(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    names = {"aliases": {"email": "https://x.example/email"}, "implies": {"repo": ["public_repo"]}}
    ApplicationRegistry.objects.update(provider_profile={"scopes": names})
    cast.signed_in(amira, northwind, scopes=["https://x.example/email", "repo"])
    server.on(INCIDENTS).always(json={"result": []})
    subflow_of(open_incidents(northwind))
    RestStep.objects.update(scopes="email public_repo")
    assert flows.run_subflow("my_open_incidents", user=amira).status == "succeeded"


@pytest.mark.parametrize("why", ["unknown", "inactive", "group", "role", "deactivated", "strange"])
def test_not_there_not_on_and_not_yours_look_alike(why: str, subflow: Subflow, amira: User) -> None:
    name = {"unknown": "nowhere", "strange": "a\0b"}.get(why, subflow.name)
    if why == "inactive":
        Subflow.objects.update(active=False)
    if why == "group":
        subflow.groups.add(Group.objects.create(name="Finance"))
    if why == "role":
        amira.groups.clear()
    if why == "deactivated":
        User.objects.filter(pk=amira.pk).update(is_active=False)
    with pytest.raises(flows.NotAvailable):
        flows.run_subflow(name, user=amira)
    assert not SubflowRun.objects.exists()


@pytest.mark.database
def test_a_member_of_one_of_its_groups_may_run_it(subflow: Subflow, amira: User) -> None:
    group = Group.objects.create(name="Finance")
    subflow.groups.add(group)
    amira.groups.add(group)
    assert run(amira).status == "succeeded"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"limits": 1}, "no input “limits”. There are: limit, one"),
        (["limit"], "must be a mapping of names to values"),
        ("limit", "must be a mapping of names to values"),
        ({"limit": "many"}, "isn’t of type integer"),
        ({"limit": [1]}, "isn’t of type integer"),
        pytest.param({"one": "x" * 600_000, "other": "x" * 600_000}, "The inputs: The result is too large", id="large"),
    ],
)
def test_wrong_inputs_are_told_before_there_is_a_run(inputs: Any, message: str, subflow: Subflow, amira: User) -> None:
    texts = [{"name": name, "type": "text", "default": ""} for name in ("one", "other")]
    Subflow.objects.update(inputs=[*subflow.inputs, *texts])
    with pytest.raises(flows.BadInputs, match=message):
        flows.run_subflow(subflow.name, user=amira, inputs=inputs)
    assert not SubflowRun.objects.exists()


def test_an_input_of_a_subflow_without_inputs_is_told_as_that(subflow: Subflow, amira: User) -> None:
    Subflow.objects.update(inputs=[])
    with pytest.raises(flows.BadInputs, match="no input “limit”: none are declared"):
        flows.run_subflow(subflow.name, user=amira, inputs={"limit": 1})


def test_a_run_keeps_no_body_in_the_clear_and_no_inputs_once_it_is_over(
    subflow: Subflow, northwind: Alias, amira: User, server: HostileServer
) -> None:
    Subflow.objects.update(
        inputs=[{"name": "secret", "type": "text"}], outputs=[{"name": "all", "path": "inputs.secret"}]
    )
    subflow.actions.update(inputs=[])
    result = run(amira, secret="CANARY-input")
    assert result.outputs == {"all": "CANARY-input"}
    columns = [*SubflowRun.objects.values_list(), *StepRun.objects.values_list()]
    assert "CANARY" not in repr(columns) + repr([bytes(v) for row in columns for v in row if isinstance(v, memoryview)])
    assert (SubflowRun.objects.get().inputs, "CANARY" in repr(result)) == ({}, False)


@pytest.mark.slow
def test_nothing_that_goes_through_a_run_is_logged(
    subflow: Subflow, amira: User, server: HostileServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    Subflow.objects.update(inputs=[{"name": "secret", "type": "text"}])
    subflow.actions.update(inputs=[["limit", "{{ inputs.secret }}"]])
    for answer in ({"status": 500, "json": {"error": "CANARY-answer"}}, {"json": {"result": "CANARY-answer"}}):
        server.on(INCIDENTS).answer(**answer)
        Action.objects.update(inputs=[{"name": "limit", "type": "text"}])
        run(amira, secret="CANARY-input")
    Action.objects.update(inputs=[{"name": "limit", "type": "integer"}])
    assert run(amira, secret="CANARY-input").error_code == "bad_inputs"
    ours = [record for record in caplog.records if not record.name.startswith("urllib3")]  # which settings hold at INFO
    assert "CANARY" not in "".join(f"{record.getMessage()}{record.args}" for record in ours)
    assert "CANARY" not in repr([*SubflowRun.objects.values(), *StepRun.objects.values()])


def test_what_the_third_party_says_no_to_is_told_with_its_status(
    subflow: Subflow, amira: User, server: HostileServer
) -> None:
    server.on(INCIDENTS).answer(status=403, json={"error": "CANARY"})
    result = run(amira)
    assert (result.status, result.http_status, result.error) == ("failed", 403, "“northwind” answered 403.")


def test_a_bug_leaves_a_run_that_says_so(subflow: Subflow, amira: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("integrations.flows.actions.run_action", broken)
    with pytest.raises(RuntimeError):
        run(amira)
    assert SubflowRun.objects.get().error_code == "internal_error"


@pytest.mark.slow
def test_an_integration_that_is_off_or_not_theirs_is_not_called(
    subflow: Subflow, northwind: Alias, amira: User, server: HostileServer
) -> None:
    northwind.groups.add(Group.objects.create(name="Finance"))
    assert run(amira).error_code == "integration_not_available"
    northwind.groups.clear()
    HttpConnection.objects.update(active=False)
    assert run(amira).error_code == "integration_not_available"
    assert server.calls == []


@pytest.mark.database
def test_what_a_person_would_lose_is_known(subflow: Subflow, northwind: Alias, amira: User) -> None:
    assert flows.subflows_using(amira, northwind) == ["My open incidents"]
    Subflow.objects.update(run_as="system")
    assert flows.subflows_using(amira, northwind) == []


@pytest.mark.slow
def test_the_question_before_a_revoke_names_what_stops(
    subflow: Subflow, northwind: Alias, as_amira: Client, amira: User
) -> None:
    page = as_amira.get(f"/integrations/{northwind.hex}/revoke/").content.decode()
    assert "Stops at once, for you only: <strong>My open incidents</strong>." in page
    details = as_amira.get(f"/integrations/{northwind.hex}/").content.decode()
    assert "<dt>Used by</dt><dd>My open incidents</dd>" in details


def test_outputs_are_what_json_can_say(subflow: Subflow, amira: User, server: HostileServer) -> None:
    server.on(INCIDENTS).answer(body=b'{"result": [{"number": "\\ud800"}, {"number": 1e400}]}')
    result = run(amira)
    assert (result.status, result.error_code) == ("failed", "bad_output")
    server.on(INCIDENTS).answer(body=json.dumps({"result": [{"number": "\ud800"}]}).encode())
    assert run(amira).outputs == {"numbers": ["?"]}
