"""Subflows over REST: who may run what, what the answers hold, and whose runs they are."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from integrations.flows import runs
from integrations.models import Alias, Subflow, SubflowRun
from tests.api.conftest import Program
from tests.conftest import client_of
from tests.integrations.flowing import BEARER, INCIDENTS, open_incidents, subflow_of
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

RUNS = "/api/v1/subflows/my_open_incidents/runs/"


@pytest.fixture
def subflow(alias: Alias, server: HostileServer) -> Subflow:
    server.on(INCIDENTS).always(json={"result": [{"number": "INC1"}]})
    return subflow_of(open_incidents(alias))


def run(client: Client, body: Any = None, address: str = RUNS) -> Any:
    return client.post(address, {} if body is None else body, content_type="application/json")


def one(client: Client, answer: Any) -> Any:
    return client.get(f"/api/v1/subflow-runs/{answer.json()['id']}/")


def test_a_program_runs_it_as_the_person_and_can_read_it_again(
    program: Program, signed_in: Alias, subflow: Subflow, server: HostileServer
) -> None:
    client = program("subflows:run")  # a grant of its own: it needs no scope of the services inside
    answer = run(client, {"inputs": {"limit": 1}})
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    body = {"id": SubflowRun.objects.get().hex, "status": "succeeded", "outputs": {"numbers": ["INC1"]}, "error": None}
    assert answer.json() == one(client, answer).json() == body
    assert [(call.headers["authorization"], call.query) for call in server.calls] == [(BEARER, "limit=1")]
    assert SubflowRun.objects.get().origin == "REST API"


@pytest.mark.parametrize(
    ("body", "media_type", "status", "sentence"),
    [
        ("inputs=1", "application/x-www-form-urlencoded", 415, "Send the body as application/json, and name this in"),
        ('{"input": {}}', "application/json", 400, "Not known: input. There are: inputs, background."),
    ],
)
def test_a_body_that_was_sent_wrongly_is_answered_with_what_to_send(
    program: Program, subflow: Subflow, body: str, media_type: str, status: int, sentence: str
) -> None:
    answer = program("subflows:run").post(RUNS, body, content_type=media_type)
    assert answer.status_code == status
    assert answer.json()["error_description"].startswith(sentence)


def test_without_a_token_the_step_is_a_401_with_the_way_to_get_one(program: Program, subflow: Subflow) -> None:
    answer = run(program("subflows:run"))
    error = answer.json()["error"]
    assert (answer.status_code, answer.json()["status"], answer.json()["outputs"]) == (201, "failed", {})
    assert (error["error"], error["status"]) == ("integration_not_authenticated", 401)
    assert error["initiator_url"].startswith("/oauth_initiator.do?")
    assert "WWW-Authenticate" not in answer


def test_in_the_background_it_is_accepted_and_read_later(
    program: Program, signed_in: Alias, subflow: Subflow, server: HostileServer
) -> None:
    client = program("subflows:run")
    answer = run(client, {"background": True})
    assert (answer.status_code, answer.json()["status"], server.calls) == (202, "queued", [])
    runs.perform_later(answer.json()["id"])
    assert one(client, answer).json()["outputs"] == {"numbers": ["INC1"]}


@pytest.mark.parametrize("scopes", [["integrations:read"], ["service:northwind"], ["remote-tables:read"]])
def test_another_scope_is_not_enough(scopes: list[str], program: Program, signed_in: Alias, subflow: Subflow) -> None:
    answer = run(program(*scopes))
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    assert not SubflowRun.objects.exists()


def test_nobody_reads_anybody_elses_run(program: Program, signed_in: Alias, subflow: Subflow, bob: User) -> None:
    answer = run(program("subflows:run"))
    for client, address in ((client_of(bob), answer.json()["id"]), (client_of(bob), "0" * 32), (client_of(bob), "x")):
        refused = client.get(f"/api/v1/subflow-runs/{address}/")
        assert (refused.status_code, refused.json()["error"]) == (404, "not_found")
    assert Client().get(f"/api/v1/subflow-runs/{answer.json()['id']}/").status_code == 401


def test_not_yours_not_on_and_not_there_look_alike(program: Program, signed_in: Alias, subflow: Subflow) -> None:
    client = program("subflows:run")
    subflow_of(*[each.action for each in subflow.actions.all()], name="off", active=False)
    subflow.groups.create(name="Finance")
    addresses = [RUNS, *(RUNS.replace(subflow.name, name) for name in ("off", "nowhere", "a%00b"))]
    answers = [run(client, address=address) for address in addresses]
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": {"limits": 1}},
        {"inputs": {"\ud800": 1}},
        {"inputs": {"limit": "\ud800"}},
        {"inputs": {"limit": "x"}},
        {"inputs": [1]},
        {"background": "maybe"},
        {"input": {"limit": 1}},
        {"inputs": {"limit": 1}, "backgroud": True},
        [1],
        "x",
        pytest.param(f'{{"inputs": {"[" * 100_000}{"]" * 100_000}}}', id="deep"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_the_one_shape(
    body: Any, program: Program, signed_in: Alias, subflow: Subflow
) -> None:
    answer = run(program("subflows:run"), body)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert set(answer.json()) == {"error", "error_description"}
    assert not SubflowRun.objects.exists()


@pytest.mark.parametrize("written", [r"\ud800", r"a\udfffb", r"\udfff\ud800"])
def test_half_a_character_is_refused_wherever_it_stands_in_a_body(
    written: str, program: Program, signed_in: Alias, subflow: Subflow
) -> None:
    clients = {RUNS: program("subflows:run"), "/api/v1/leaked-tokens/": Client()}
    places = ['{"inputs": {"limit": 1}, "token": "a", "more": "%s"}', '{"inputs": {"%s": 1}}', '{"token": "%s"}']
    places += ['{"inputs": {"limit": ["%s"]}}', '{"%s": 1}', '["%s"]', '"%s"', '{"inputs": {"limit": {"%s": 1}}}']
    for address, client in clients.items():
        for place in places:
            answer = run(client, place % written, address)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), (address, place)
            assert "half of a surrogate pair" in answer.json()["error_description"], (address, place)
    assert not SubflowRun.objects.exists()


def test_a_whole_character_of_two_halves_is_taken() -> None:
    assert run(Client(), r'{"token": "\ud83d\udd11"}', "/api/v1/leaked-tokens/").status_code == 202
