"""What an agent may send: each request gets an answer in the words of the protocol, and reaches nothing it may not."""

import json
from typing import Any

import pytest
from django.test import Client

from integrations.models import Alias
from integrations.models.flows import SubflowRun
from tests.integrations import tables
from tests.integrations.mcp.agents import META, Agent
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

READ = {"name": "call_northwind", "arguments": {"method": "GET", "path": "me"}}


def send_raw(agent: Agent, body: bytes, method: str = "tools/call", name: str = "read_incidents") -> Any:
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": name}
    return agent.client.generic("POST", agent.path, body, content_type="application/json", headers=headers)


@pytest.mark.parametrize(
    "q", [b'"\\ud800"', b'"\xed\xa0\x80"', b'"\xff"', b"NaN", b"1e999", b'{"a": -Infinity}', b'["\\udfff"]']
)
def test_what_json_cannot_say_is_refused_and_nothing_is_called(agent: Agent, server: HostileServer, q: bytes) -> None:
    params = json.dumps({"_meta": META, "name": "read_incidents", "arguments": {"q": "HERE"}}).encode()
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": ' + params.replace(b'"HERE"', q) + b"}"
    answer = send_raw(agent, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32700
    assert not server.calls


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("read_incidents", {"q": "a\0b"}),
        ("read_incidents", {"page": 10**30}),
        ("read_incidents", {"page": -(10**30), "page_size": -1}),
        ("run_my_open_incidents", {"limit": 10**400}),
        ("run_my_open_incidents", {"limit": "1"}),
        ("call_northwind", {"method": "GET", "path": "a\0b"}),
        ("call_northwind", {"method": "GET", "path": "me", "query": {"a\0": ["b\0", None, {"c": 1}]}}),
        ("call_northwind", {"method": "GET", "path": "me", "query": {"access_token": "x", "": ""}}),
        ("call_northwind", {"method": "GET", "path": "/" * 5000}),
        ("call_northwind", {"method": "GET", "path": "me;x=1/@evil.example:80"}),
    ],
)
@pytest.mark.parametrize("version", ["2026-07-28", "2025-06-18"])
def test_odd_arguments_get_an_answer_and_reach_only_the_third_party(
    agent: Agent, server: HostileServer, name: str, arguments: dict[str, Any], version: str
) -> None:
    server.on(tables.ROWS).always(json={"result": []})
    send = agent.send if version == "2026-07-28" else agent.send_old
    answer = send("tools/call", name=name, arguments=arguments)
    assert answer.status_code == 200, answer.content
    assert "isError" in answer.json()["result"]


@pytest.mark.parametrize("body", [{"a": "b\0"}, {"a": [[[[None]]]]}, 10**40, "text", None])
def test_any_json_may_be_sent_to_an_alias_that_may_be_written_to(
    agent: Agent, server: HostileServer, alias: Alias, body: Any
) -> None:
    Alias.objects.update(agent_calls="write")
    server.on("POST /api/notes").always(json={"done": True})
    result = agent.call("call_northwind", {"method": "POST", "path": "notes", "body": body})
    assert not result["isError"], result
    assert len(server.calls_to("POST /api/notes")) == 1


@pytest.mark.parametrize(
    "name", ["a\0b", "call_northwind\0", "call_NORTHWIND", "../call_northwind", "", 5, None, ["x"]]
)
def test_a_tool_of_another_name_is_not_there(agent: Agent, name: Any) -> None:
    answer = agent.send_old("tools/call", name=name, arguments={})
    assert answer.json()["error"]["code"] == -32602


@pytest.mark.parametrize("path", ["/mcp/%00", "/mcp/%ED%A0%80", "/mcp/nothing", "/mcp/../mcp/x"])
def test_an_address_of_no_set_opens_nothing(agent: Agent, path: str) -> None:
    assert Agent(agent.client, path).send("tools/list").status_code in {400, 404}


@pytest.mark.parametrize("path", ["/mcp/", "/mcp/incidents/", "/mcp/a/b"])
def test_an_address_of_nothing_is_answered_in_json(agent: Agent, path: str) -> None:
    answer = Agent(agent.client, path).send("tools/list")
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    "uri",
    [
        "keyrack://runs/" + "0" * 32, "keyrack://runs/\0", "keyrack://tools/", "keyrack://tools/read_incidents\0",
        "keyrack://tools/read_incidents?q=%ED%A0%80&page=[", "keyrack://[", "file:///etc/passwd",
        "keyrack://tools/read_incidents?page=1e999", "keyrack://tools/call_northwind?method=GET&path=..%2f..%2fadmin",
    ],
)  # fmt: skip
def test_an_address_of_no_resource_is_an_error(agent: Agent, server: HostileServer, uri: str) -> None:
    answer = agent.send_old("resources/read", uri=uri)
    assert answer.status_code == 200
    assert "error" in answer.json()
    assert not server.calls


@pytest.mark.parametrize("request_id", [0, -1, 2**70, "", "a\0\n\ndata: x", "\u2028"])
def test_the_name_of_a_request_is_repeated_as_it_is(agent: Agent, request_id: str | int) -> None:
    message = {"jsonrpc": "2.0", "id": request_id, "method": "tools/list", "params": {"_meta": META}}
    answer = send_raw(agent, json.dumps(message).encode(), method="tools/list")
    assert answer.json()["id"] == request_id


def test_a_value_that_is_not_among_those_offered_is_answered_with_those(agent: Agent) -> None:
    result = agent.call("call_northwind", {"method": "DELETE", "path": "me"})
    assert result["structuredContent"]["error_description"] == "The argument method isn't one of GET, HEAD."


@pytest.mark.parametrize("method", ["subscriptions/listen", "resources/subscribe", "prompts/list", "logging/setLevel"])
def test_what_is_not_offered_is_no_method_and_no_capability(agent: Agent, method: str) -> None:
    answer = agent.send(method, notifications={"toolsListChanged": True, "resourcesListChanged": True})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == -32601
    offered = agent.send("server/discover").json()["result"]["capabilities"]
    assert offered == {"tools": {"listChanged": False}, "resources": {"listChanged": False, "subscribe": False}}


def test_a_run_that_was_refused_for_its_inputs_is_not_stored(agent: Agent) -> None:
    assert agent.call("run_my_open_incidents", {"limit": "many"})["isError"]
    assert agent.call("run_my_open_incidents", {"unknown": 1})["isError"]
    assert not SubflowRun.objects.exists()


def test_without_a_token_the_body_is_not_read(client: Client) -> None:
    answer = client.post("/mcp", b"[" * 100_000, content_type="application/json")
    assert answer.status_code == 401
