"""What one action sends, with whose token, and what is told of it."""

from typing import Any

import pytest
from django.contrib.auth.models import Group

from accounts.models import User
from integrations.flows import actions
from integrations.flows.actions import ActionResult
from integrations.models import Action, Alias, ApplicationRegistry, OAuth2Credential, RestStep
from tests import cast, walks
from tests.integrations.flowing import BEARER, INCIDENTS, LIMIT, open_incidents, step
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def northwind(server: HostileServer, amira: User) -> Alias:
    alias = walks.northwind(server)
    cast.signed_in(amira, alias)
    return alias


def action_of(alias: Alias, **fields: Any) -> Action:
    inputs = [{"name": "v", "type": "json", "default": "a b"}, *LIMIT]
    action = Action.objects.create(name="one", inputs=inputs, outputs=[{"name": "all", "path": "steps.list.body"}])
    step(action, alias, **fields)
    return action


def run(action: Action, user: User | None, **inputs: Any) -> ActionResult:
    return actions.run_action(action, user=user, inputs=inputs)


def failure(result: ActionResult) -> str:
    assert result.failure
    assert result.outputs == {}
    return result.failure.code


def test_what_a_step_says_arrives_as_it_was_meant(northwind: Alias, amira: User, server: HostileServer) -> None:
    server.on("PATCH /api/notes/a%20b").answer(json={"id": 7})
    action = action_of(
        northwind,
        method="PATCH",
        path="notes/{{ inputs.v }}",
        query=[["q", "x&y={{ inputs.v }}"], ["none", "{{ inputs.v if false }}"], ["n", "{{ [1, 2] }}"]],
        headers=[["X-Note", " n {{ inputs.limit }} "], ["Accept", "application/json"]],
        body='{"limit": "{{ inputs.limit }}", "text": "{{ inputs.v }}!", "at": [null, "{{ inputs.v }}"]}',
    )
    result = run(action, amira)
    assert (result.outputs, result.is_ok) == ({"all": {"id": 7}}, True)
    [call] = server.calls
    assert (call.headers["authorization"], call.headers["x-note"]) == (BEARER, "n 5")
    assert call.headers["content-type"] == "application/json"
    assert call.query == "q=x%26y%3Da+b&n=1&n=2"
    assert call.json == {"limit": 5, "text": "a b!", "at": [None, "a b"]}


@pytest.mark.parametrize(
    ("kind", "body", "sent_body", "content_type"),
    [
        ("form", '{"a": "{{ inputs.v }}", "n": 1, "no": null}', b"a=a+b&n=1", "application/x-www-form-urlencoded"),
        ("text", "<v>{{ inputs.v }}</v>", b"<v>a b</v>", "text/plain; charset=utf-8"),
    ],
)
def test_a_body_can_be_a_form_or_text(
    kind: str, body: str, sent_body: bytes, content_type: str, northwind: Alias, amira: User, server: HostileServer
) -> None:
    server.on("POST /api/incidents").answer(json={})
    assert run(action_of(northwind, method="POST", body_type=kind, body=body), amira).is_ok
    assert (server.calls[0].body, server.calls[0].headers["content-type"]) == (sent_body, content_type)


def test_a_later_step_uses_what_an_earlier_one_was_answered(
    northwind: Alias, amira: User, server: HostileServer
) -> None:
    server.on(INCIDENTS).answer(json={"id": 9}, headers={"X-Page": "p2"})
    server.on("GET /api/incidents/9").answer(text="plain")
    action = action_of(northwind)
    step(
        action,
        northwind,
        "one",
        path="incidents/{{ steps.list.body.id }}",
        query=[["page", "{{ steps.list.headers['x-page'] }}"], ["s", "{{ steps.list.status }}"]],
    )
    Action.objects.update(outputs=[{"name": "text", "path": "steps.one.body"}])
    result = run(Action.objects.get(), amira)
    assert result.outputs == {"text": "plain"}
    assert [(each.step, each.http_status) for each in result.steps] == [("list", 200), ("one", 200)]
    assert server.calls[1].query == "page=p2&s=200"
    assert "plain" not in repr(result)


@pytest.mark.parametrize(
    ("fields", "value", "code"),
    [
        ({"path": "notes/{{ inputs.v }}"}, "../users", "bad_template"),
        ({"path": "notes/x.{{ inputs.v }}/../{{ inputs.v }}"}, "a", "bad_path"),
        ({"path": "notes/..;{{ inputs.v }}"}, "a", "bad_path"),
        ({"headers": [["X-Note", "{{ inputs.v }}"]]}, "a\r\nX-Evil: 1", "bad_template"),
        ({"headers": [["X-Note", "{{ inputs.v }}"]]}, "é", "bad_template"),
        ({"query": [["q", "{{ steps.list.body }}"]]}, "x", "bad_template"),
        ({"body": '{"a": ["{{ inputs.v }}", "{{ inputs.v }}"]}', "method": "POST"}, "x" * 600_000, "bad_template"),
    ],
)
def test_an_input_gets_nowhere_but_where_it_belongs(
    fields: dict[str, Any], value: str, code: str, northwind: Alias, amira: User, server: HostileServer
) -> None:
    result = run(action_of(northwind, **fields), amira, v=value)
    assert (failure(result), server.calls) == (code, [])


def test_the_header_that_carries_the_token_is_not_for_steps(
    northwind: Alias, amira: User, server: HostileServer
) -> None:
    server.on(INCIDENTS).answer(json={})
    run(action_of(northwind, headers=[["Authorization", "Basic x"], ["Cookie", "a=b"]]), amira)
    assert (server.calls[0].headers["authorization"], "cookie" in server.calls[0].headers) == (BEARER, False)


@pytest.mark.parametrize("status", [301, 400, 404, 500])
def test_what_is_no_yes_ends_the_action(status: int, northwind: Alias, amira: User, server: HostileServer) -> None:
    server.on(INCIDENTS).answer(status=status, headers={"Location": "/elsewhere"}, json={"error": "CANARY"})
    action = action_of(northwind)
    step(action, northwind, "never")
    result = run(action, amira)
    assert (failure(result), len(result.steps), len(server.calls)) == (f"http_{status}", 1, 1)
    assert "CANARY" not in repr(result)


@pytest.mark.slow
def test_whose_fault_a_silence_is_shows(northwind: Alias, amira: User, server: HostileServer) -> None:
    server.on(INCIDENTS).answer(close=True).always(body=b"x" * 10, gzip=True, truncated=True)
    action = action_of(northwind)
    assert failure(run(action, amira)) == "provider_unreachable"
    ApplicationRegistry.objects.update(active=False)
    assert failure(run(action, amira)) == "integration_not_available"


def test_a_step_is_repeated_as_often_as_it_says(northwind: Alias, amira: User, server: HostileServer) -> None:
    server.on(INCIDENTS).answer(status=429, headers={"Retry-After": "0"}).always(json={})
    assert failure(run(action_of(northwind), amira)) == "http_429"
    RestStep.objects.update(retries=1)
    server.on(INCIDENTS).answer(status=429, headers={"Retry-After": "0"})
    assert run(Action.objects.get(), amira).is_ok
    assert len(server.calls) == 3


def test_a_person_needs_to_be_allowed_the_alias_and_the_system_does_not(
    northwind: Alias, amira: User, server: HostileServer
) -> None:
    northwind.groups.add(Group.objects.create(name="Finance"))
    assert failure(run(action_of(northwind), amira)) == "integration_not_available"
    OAuth2Credential.objects.update(integration_type="system")
    refused = run(Action.objects.get(), None)  # allowed, and there is no token of the system's
    assert (failure(refused), refused.failure and refused.failure.http_status) == ("integration_not_authenticated", 401)
    assert server.calls == []


def test_an_action_that_is_off_or_runs_out_of_time_calls_nothing(
    northwind: Alias, amira: User, server: HostileServer
) -> None:
    action = open_incidents(northwind)
    assert failure(actions.run_action(action, user=amira, ends_at=0.0)) == "timeout"
    action.active = False
    assert failure(actions.run_action(action, user=amira)) == "action_inactive"
    assert server.calls == []


@pytest.mark.parametrize(
    ("kind", "value", "converted"),
    [
        ("integer", "5", 5),
        ("integer", 5, 5),
        ("integer", True, None),
        ("integer", 5.5, None),
        ("integer", "9" * 5000, None),
        ("number", "5.5", 5.5),
        ("number", 5, 5),
        ("number", "nan", None),
        ("number", float("inf"), None),
        ("boolean", "Yes", True),
        ("boolean", "maybe", None),
        ("boolean", 1, None),
        ("text", 5, "5"),
        ("text", [1], None),
        ("json", {"a": [1]}, {"a": [1]}),
        ("json", "x", "x"),
    ],
)
def test_inputs_are_of_their_type_or_refused(kind: str, value: Any, converted: Any) -> None:
    declared = [{"name": "v", "type": kind}]
    if converted is None:
        with pytest.raises(actions.BadInputs, match="“v”"):
            actions.validate_inputs(declared, {"v": value})
    else:
        assert actions.validate_inputs(declared, {"v": value}) == {"v": converted}


def test_what_is_typed_as_json_is_read_as_json() -> None:
    declared = [{"name": "v", "type": "json"}, {"name": "n", "type": "integer"}]
    assert actions.parse_inputs(declared, {"v": '{"a": 1}', "n": "1"}) == {"v": {"a": 1}, "n": "1"}
    with pytest.raises(actions.BadInputs, match="isn’t valid JSON"):
        actions.parse_inputs(declared, {"v": "{"})


def test_a_missing_scope_is_told_apart_from_other_refusals(
    northwind: Alias, amira: User, server: HostileServer
) -> None:
    walks.registry_of(northwind).scopes.create(scope="notes:write", name="Write notes")
    challenge = 'Bearer error="insufficient_scope", scope="notes:write secret%all"'
    server.on("GET /api/notes").answer(status=403, headers={"WWW-Authenticate": challenge}).answer(status=403)
    action = action_of(northwind, path="notes")
    result = run(action, amira)
    assert result.failure
    assert (result.failure.code, result.failure.http_status) == ("insufficient_scope", 403)
    assert "lacks: notes:write secret%all." in result.failure.sentence
    assert "add this to the Application Registry first: secret%all." in result.failure.sentence
    assert result.failure.initiator_url.endswith("&scope=notes%3Awrite")
    assert failure(run(action, amira)) == "http_403"


def test_a_401_that_no_sign_in_changes_is_the_administrators(
    northwind: Alias, amira: User, server: HostileServer
) -> None:
    server.on("GET /api/notes").always(status=401, headers={"WWW-Authenticate": 'DPoP algs="ES256"'})
    result = run(action_of(northwind, path="notes"), amira)
    assert result.failure
    assert (result.failure.code, result.failure.http_status) == ("integration_misconfigured", 401)
    assert result.failure.initiator_url == ""
    assert "(http_401). An administrator must fix it." in result.failure.sentence


def test_a_limit_inside_another_status_is_a_limit(northwind: Alias, amira: User, server: HostileServer) -> None:
    rule = {"request": "call", "when": [{"at": "/code", "equals": 9}], "means": "wait", "wait": {"at": "/seconds"}}
    ApplicationRegistry.objects.update(provider_profile={"rules": [rule]})
    server.on("GET /api/notes").answer(status=400, json={"code": 9, "seconds": 30})
    result = run(action_of(northwind, path="notes"), amira)
    assert result.failure
    assert (result.failure.is_limited, result.failure.retry_after) == (True, 30)
