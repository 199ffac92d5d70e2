"""The door behind several processes: streams, cancellation, one renewal for many calls, one answer for each person."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.models import Alias, Subflow, SubflowAction, SubflowRun, Token
from tests import cast
from tests.accounts import programs
from tests.conftest import client_of
from tests.integrations import flowing
from tests.integrations.mcp.agents import META, VERSION
from tests.integrations.mcp.conftest import SCOPES
from tests.integrations.renewing import ASKED, GRANTED
from tests.servers import machine
from tests.servers.hostile import Answer, HostileServer
from tests.servers.site import Site
from tests.servers.worker import eventually

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

RUN = "run_my_open_incidents"


def send(site: Site, authorization: str, method: str, *, request_id: int = 1, **params: Any) -> requests.Response:
    """As a client of revision 2026-07-28. The answer is read as it comes."""
    meta = {**META, **params.pop("_meta", {})}
    headers = {
        "Authorization": authorization,
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": VERSION,
        "Mcp-Method": method,
        **({"Mcp-Name": params["name"]} if "name" in params else {}),
    }
    body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": {**params, "_meta": meta}}
    return requests.post(f"{site.url}/mcp", json=body, headers=headers, stream=True, timeout=60)


def send_old(site: Site, authorization: str, method: str, *, session_id: str = "", **fields: Any) -> requests.Response:
    """As a client of revision 2025-11-25."""
    headers = {
        "Authorization": authorization,
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-11-25",
        **({"Mcp-Session-Id": session_id} if session_id else {}),
    }
    return requests.post(
        f"{site.url}/mcp", json={"jsonrpc": "2.0", "method": method, **fields}, headers=headers, timeout=60
    )


def echo_of(authorization: str) -> Answer:
    """The name of whose token it is."""
    return Answer(json={"name": "Bob" if authorization.endswith("bob") else "Amira"})


def events(answer: requests.Response) -> list[dict[str, Any]]:
    lines = answer.iter_lines(decode_unicode=True)
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


@pytest.fixture
def three_actions(alias: Alias) -> None:
    """The subflow calls the third party three times."""
    subflow = Subflow.objects.get()
    for number in (2, 3):
        action = flowing.open_incidents(alias, name=f"more_{number}")
        inputs = [["limit", "{{ inputs.limit }}"]]
        SubflowAction.objects.create(subflow=subflow, action=action, name=action.name, order=number, inputs=inputs)


@pytest.mark.usefixtures("three_actions")
def test_progress_comes_while_the_subflow_runs_and_then_the_result(
    authorization: str, site: Site, server: HostileServer
) -> None:
    server.on(flowing.INCIDENTS).always(json={"result": [{"number": "INC1"}]}, delay=0.3)
    answer = send(site, authorization, "tools/call", name=RUN, arguments={}, _meta={"progressToken": "p"})
    assert answer.headers["Content-Type"] == "text/event-stream"
    *steps, result = events(answer)
    assert [(step["params"]["progress"], step["params"]["total"]) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    assert {step["params"]["progressToken"] for step in steps} == {"p"}
    assert result["result"]["structuredContent"] == {"numbers": ["INC1"]}
    assert "CANARY" not in json.dumps([*steps, result])


@pytest.mark.usefixtures("three_actions")
@pytest.mark.parametrize("kind", ["granian", "gunicorn"])
def test_a_client_that_ends_the_stream_stops_the_run_before_its_next_step(
    authorization: str, server: HostileServer, tmp_path: Path, kind: str
) -> None:
    server.on(flowing.INCIDENTS).always(json={"result": []}, delay=3)
    with Site(kind, tmp_path) as site:
        answer = send(site, authorization, "tools/call", name=RUN, arguments={}, _meta={"progressToken": 1})
        next(answer.iter_lines())
        answer.close()
        assert eventually(lambda: SubflowRun.objects.filter(error_code="cancelled_by_caller").exists())
    assert len(server.calls_to(flowing.INCIDENTS)) == 1


@contextmanager
def two_hosts(folder: Path) -> Iterator[tuple[Site, Site]]:
    """Two servers of one site, with a cache that both see."""
    if lack := machine.lacks("redis"):
        pytest.skip(lack)
    with machine.redis() as url:
        (folder / "a").mkdir()
        (folder / "b").mkdir()
        with (
            Site("granian", folder / "a", CACHE_URL=url) as first,
            Site("granian", folder / "b", CACHE_URL=url, site_url=first.url) as second,
        ):
            yield first, second


@pytest.mark.usefixtures("three_actions")
def test_a_handshake_at_one_host_is_known_at_another_and_so_is_a_cancellation(
    authorization: str, server: HostileServer, tmp_path: Path
) -> None:
    server.on(flowing.INCIDENTS).always(json={"result": []}, delay=2)
    with two_hosts(tmp_path) as (first, second), ThreadPoolExecutor(1) as pool:
        begin = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}
        shaken = send_old(first, authorization, "initialize", id=1, params=begin)
        session_id = shaken.headers["Mcp-Session-Id"]
        call = {"name": RUN, "arguments": {}}
        running = pool.submit(send_old, second, authorization, "tools/call", session_id=session_id, id=7, params=call)
        assert eventually(lambda: bool(server.calls_to(flowing.INCIDENTS)))
        params = {"requestId": 7}
        without_session = send_old(first, authorization, "notifications/cancelled", params=params)
        cancelled = send_old(first, authorization, "notifications/cancelled", session_id=session_id, params=params)
        assert (without_session.status_code, cancelled.status_code) == (202, 202)
        assert running.result().json()["result"]["structuredContent"]["error"] == "cancelled_by_caller"
    assert len(server.calls_to(flowing.INCIDENTS)) == 1


def test_fifty_calls_at_once_on_an_expired_token_renew_it_once(
    authorization: str, server: HostileServer, amira: User, tmp_path: Path
) -> None:
    Token.objects.filter(user=amira).update(expires_at=timezone.now() - timedelta(seconds=10))
    server.on(ASKED).answer(json=GRANTED, delay=0.5).always(status=400, json={"error": "invalid_grant"})
    server.on("GET /api/me").always(json={"name": "Amira"})
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with Site("granian", tmp_path / "a") as first, Site("granian", tmp_path / "b", site_url=first.url) as second:

        def call(number: int) -> Any:
            arguments = {"method": "GET", "path": "me"}
            site = (first, second)[number % 2]
            return send(site, authorization, "tools/call", name="call_northwind", arguments=arguments).json()

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(call, range(50)))
    assert {json.dumps(answer["result"]["structuredContent"]) for answer in answers} == {
        json.dumps({"status": 200, "body": {"name": "Amira"}})
    }
    assert len(server.calls_to(ASKED)) == 1


def test_two_people_at_once_each_get_their_own_answer(
    authorization: str, alias: Alias, site: Site, server: HostileServer, bob: User, program: Callable[..., Client]
) -> None:
    cast.signed_in(bob, alias, access_token="CANARY-access-bob", refresh_token="CANARY-refresh-bob")
    other = f"Bearer {programs.granted(client_of(bob), scope=' '.join(SCOPES))['access_token']}"
    server.on("GET /api/me").always(lambda call: echo_of(call.headers["authorization"]))

    def ask(header: str) -> Any:
        arguments = {"method": "GET", "path": "me"}
        answer = send(site, header, "tools/call", name="call_northwind", arguments=arguments).json()
        return answer["result"]["structuredContent"]["body"]["name"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, [authorization, other] * 10)) == ["Amira", "Bob"] * 10
