"""An agent without a model, at the running demo: `python3 demo/agent.py`, in a second terminal.

Connects, looks for tools, calls one that needs a sign-in, is refused, waits until you have signed in, and is allowed.
It is a plain script of the standard library: each request of the Model Context Protocol is one POST. Its address and
token are in demo.agent of the demo's folder; arguments take their place: `python3 demo/agent.py URL TOKEN`.
"""

import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "demo-agent", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
TOOL, ARGUMENTS = "call_orchard_calendar", {"method": "GET", "path": "notes/"}
FILE = "demo.agent"
LONGEST = 400  # characters of an answer that are printed


class Agent:
    """A client of one server, with one token."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one request; returns its result. Raises SystemExit with what the server says instead."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": META, **params}}
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": VERSION,
            "Mcp-Method": method,
            **({"Mcp-Name": params["name"]} if "name" in params else {}),
        }
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers)  # noqa: S310 - the demo's
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy for loopback
        try:
            with opener.open(request, timeout=60) as answer:
                result: dict[str, Any] = json.load(answer)["result"]
        except HTTPError as error:
            raise SystemExit(f"{method}: {error.code} {error.read().decode(errors='replace')}") from None
        return result


def main() -> int:
    agent = Agent(*(sys.argv[1:3] if len(sys.argv) > 2 else stored()))
    say("connect", ", ".join(agent.ask("server/discover")["supportedVersions"]))
    say("tools", ", ".join(tool["name"] for tool in agent.ask("tools/list")["tools"]))
    result = agent.ask("tools/call", name=TOOL, arguments=ARGUMENTS)
    if result["isError"]:
        values = result["structuredContent"]
        say("refused", f"{values['error']}: {values['error_description']}")
        say("sign in", values.get("initiator_url", "There is no address for that."))
        sys.stdout.write("Open the address in the browser in which you use the demo as Amira, then press Enter.\n")
        sys.stdout.flush()
        sys.stdin.readline()
        result = agent.ask("tools/call", name=TOOL, arguments=ARGUMENTS)
    say("refused" if result["isError"] else "allowed", " ".join(block["text"] for block in result["content"]))
    return int(result["isError"])


def stored() -> tuple[str, str]:
    """Address and token, as the demo has written them."""
    folder = Path(os.environ.get("DATA_DIR", Path(__file__).resolve().parent.parent / "var"))
    try:
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except OSError:
        raise SystemExit("Start the demo first: python3 manage.py demo") from None
    return values["url"], values["token"]


def say(step: str, words: str) -> None:
    sys.stdout.write(f"{step:>8}  {words[:LONGEST]}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
