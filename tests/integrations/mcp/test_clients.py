"""Real clients at a real server: the SDKs of the protocol, the Inspector, mcp-remote and FastMCP's client."""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import mcp
import pytest
from mcp.client.streamable_http import streamable_http_client

from accounts.models import User
from accounts.oauth_server.models import Application
from integrations.mcp.tools import SCOPES as AGENT_SCOPES
from integrations.models import Token
from tests.accounts import programs as oauth_clients
from tests.conftest import client_of
from tests.integrations import tables
from tests.integrations.mcp import programs
from tests.integrations.mcp.programs import TypeScriptAgent
from tests.servers import installed
from tests.servers.hostile import HostileServer
from tests.servers.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

NAMES = ["call_northwind", "read_incidents", "run_my_open_incidents"]
V1, V2 = "@modelcontextprotocol/sdk", "@modelcontextprotocol/client"
TYPESCRIPT = [(V1, "legacy"), (V2, "legacy"), (V2, "auto")]


async def talk(url: str, authorization: str, mode: Any) -> tuple[str, list[str], Any, Any]:
    headers = {"Authorization": authorization}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        mcp.Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        listed = await client.list_tools()
        rows = await client.call_tool("read_incidents", {"q": "INC7"})
        ran = await client.call_tool("run_my_open_incidents", {"limit": 1})
        version = client.protocol_version
    return str(version), [tool.name for tool in listed.tools], rows, ran


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
def test_the_official_client_finds_and_calls_the_tools(
    authorization: str, site: Site, server: HostileServer, mode: str, version: str
) -> None:
    server.on(tables.ROWS).always(json={"result": [{"number": "INC7"}]})
    spoken, names, rows, ran = asyncio.run(talk(f"{site.url}/mcp", authorization, mode))
    assert spoken == version
    assert names == NAMES
    assert rows.structured_content["count"] == 1
    assert ran.structured_content == {"numbers": ["INC1"]}


@pytest.mark.parametrize(("library", "mode"), TYPESCRIPT)
def test_the_typescript_clients_find_call_and_follow_the_tools(
    authorization: str, site: Site, server: HostileServer, library: str, mode: str
) -> None:
    server.on(tables.ROWS).always(json={"result": [{"number": "INC7"}]})
    with TypeScriptAgent(library, f"{site.url}/mcp", authorization=authorization, mode=mode) as agent:
        assert agent.do("connect")["server"]["name"] == "keyrack"
        assert agent.do("tools")["names"] == NAMES
        ran = agent.do("call", name="run_my_open_incidents", arguments={"limit": 1}, progress=True)
        assert ran["result"]["structuredContent"] == {"numbers": ["INC1"]}
        assert [(step["progress"], step["total"]) for step in ran["progress"]] == [(1, 1)]
        assert agent.do("resources")["uris"] == ["keyrack://tools/read_incidents"]
        contents = agent.do("read", uri="keyrack://tools/read_incidents")["contents"]
        assert json.loads(contents[-1]["text"])["rows"][0]["number"] == "INC7"


@pytest.mark.parametrize(("library", "mode"), TYPESCRIPT)
def test_a_typescript_client_that_opens_urls_has_its_user_sign_in_and_the_call_succeeds(
    authorization: str, site: Site, amira: User, bob: User, library: str, mode: str
) -> None:
    arguments = {"name": "run_my_open_incidents", "arguments": {"limit": 1}}
    Token.objects.filter(user=amira).update(user=bob)
    settings = {"authorization": authorization, "mode": mode, "opensUrls": True}
    with TypeScriptAgent(library, f"{site.url}/mcp", **settings) as agent:
        agent.do("connect")
        answer = agent.do("call", **arguments)
        opened = answer["open"] if mode == "auto" else answer["elicitations"][0]["url"]
        assert opened.startswith(f"{site.url}/oauth_initiator.do?")
        Token.objects.filter(user=bob).update(user=amira)  # sealed for its row, which names no user
        if mode == "auto":
            agent.write({})
            answer = agent.read()
        else:
            answer = agent.do("call", **arguments)
        assert answer["result"]["structuredContent"] == {"numbers": ["INC1"]}


@pytest.fixture
def oauth(authorization: str) -> dict[str, Any]:
    """How an agent is known to the authorization server: as a public client, which most are."""
    Application.objects.update(allowed_scopes=" ".join(AGENT_SCOPES))
    return {"redirectUrl": oauth_clients.CALLBACK, "client": {"client_id": "digest"}}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_typescript_client_signs_in_by_oauth_for_what_agents_need(
    oauth: dict[str, Any], site: Site, amira: User, mode: str
) -> None:
    Application.objects.update(client_type="public")
    with TypeScriptAgent(V2, f"{site.url}/mcp", oauth=oauth, mode=mode) as agent:
        agent.write({"back": oauth_clients.allow_in_browser(amira, agent.do("connect")["open"])})
        assert agent.read()["server"]["name"] == "keyrack"
        assert agent.do("tools")["names"] == NAMES
        assert set(agent.do("scope")["scope"].split()) == set(AGENT_SCOPES)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_typescript_client_steps_up_and_the_call_succeeds(
    oauth: dict[str, Any], site: Site, server: HostileServer, amira: User, mode: str
) -> None:
    server.on(tables.ROWS).always(json={"result": []})
    narrow = oauth_clients.granted(client_of(amira), scope="subflows:run")
    Application.objects.update(client_type="public")
    oauth = {**oauth, "tokens": {**narrow, "issuer": site.url}}
    with TypeScriptAgent(V2, f"{site.url}/mcp", oauth=oauth, mode=mode) as agent:
        agent.do("connect")
        asked = agent.do("call", name="read_incidents", arguments={})
        agent.write({"back": oauth_clients.allow_in_browser(amira, asked["open"])})
        assert not agent.read()["result"].get("isError")
        assert set(agent.do("scope")["scope"].split()) == {"remote-tables:read", "subflows:run"}


# Programs -------------------------------------------------------------------------------------------------------------


def run_program(package: str, *arguments: str, folder: Path, text: str = "") -> str:
    environment = {**os.environ, "HOME": str(folder), "MCP_REMOTE_CONFIG_DIR": str(folder)}
    done = subprocess.run(
        [*programs.installed_program(package), *arguments],
        capture_output=True,
        text=True,
        input=text,
        env=environment,
        timeout=120,
        check=False,
    )
    return done.stdout or done.stderr


def test_the_inspector_lists_and_calls(authorization: str, site: Site, tmp_path: Path) -> None:
    header = f"Authorization: {authorization}"
    options = ["--cli", f"{site.url}/mcp", "--transport", "http", "--header", header, "--method"]
    package = "@modelcontextprotocol/inspector"
    listed = json.loads(run_program(package, *options, "tools/list", folder=tmp_path))
    assert [tool["name"] for tool in listed["tools"]] == NAMES
    call = ["tools/call", "--tool-name", "run_my_open_incidents", "--tool-arg", "limit=1"]
    assert json.loads(run_program(package, *options, *call, folder=tmp_path))["structuredContent"] == {
        "numbers": ["INC1"]
    }


@pytest.mark.parametrize("era", ["legacy", "auto"])
def test_mcp_remote_passes_a_local_client_on(authorization: str, site: Site, tmp_path: Path, era: str) -> None:
    begin = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "local", "version": "1"},
    }
    call = {"name": "run_my_open_incidents", "arguments": {"limit": 1}}
    command = [*programs.installed_program("mcp-remote"), f"{site.url}/mcp", "--protocol", era]
    environment = {**os.environ, "HOME": str(tmp_path), "MCP_REMOTE_CONFIG_DIR": str(tmp_path)}
    with subprocess.Popen(
        [*command, "--header", f"Authorization:{authorization}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        assert process.stdin
        assert process.stdout

        def ask(request_id: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
            message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
            write_line(process, message)
            while (answer := json.loads(process.stdout.readline())).get("id") != request_id:  # type: ignore[union-attr]
                pass
            result: dict[str, Any] = answer["result"]
            return result

        assert ask(1, "initialize", begin)["serverInfo"]["name"] == "keyrack"
        write_line(process, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert [tool["name"] for tool in ask(2, "tools/list", {})["tools"]] == NAMES
        assert ask(3, "tools/call", call)["structuredContent"] == {"numbers": ["INC1"]}
        process.kill()


def write_line(process: "subprocess.Popen[str]", message: dict[str, Any]) -> None:
    assert process.stdin
    process.stdin.write(f"{json.dumps(message)}\n")
    process.stdin.flush()


def test_the_client_of_fastmcp_finds_calls_and_follows_the_tools(authorization: str, site: Site) -> None:
    source = Path(installed.__file__).parent / "fastmcp_client"
    try:
        python = installed.environment(source)
    except installed.Missing as lack:
        pytest.skip(str(lack))
    settings = {"url": f"{site.url}/mcp", "token": authorization.removeprefix("Bearer ")}
    done = subprocess.run(
        [str(python), str(source / "talk.py")],
        input=json.dumps(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["names"] == NAMES
    assert answer["ran"] == {"numbers": ["INC1"]}
    assert answer["progress"] == [[1, 1]]
    assert answer["resources"] == ["keyrack://tools/read_incidents"]
