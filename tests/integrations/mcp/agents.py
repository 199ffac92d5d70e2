"""An agent that speaks the protocol by hand, revision 2026-07-28 unless another is named."""

from typing import Any

from django.test import Client

from tests.walks import Page

VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "agent", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Agent:
    def __init__(self, client: Client, path: str = "/mcp") -> None:
        self.client, self.path = client, path

    def send(self, method: str, *, headers: dict[str, str] | None = None, **params: Any) -> Page:
        name = params.get("name")
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": META, **params}}
        all_headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": VERSION,
            "Mcp-Method": method,
            **({"Mcp-Name": name} if isinstance(name, str) else {}),
            **(headers or {}),
        }
        return self.client.post(self.path, body, content_type="application/json", headers=all_headers)

    def send_old(
        self, method: str, version: str = "2025-11-25", *, headers: dict[str, str] | None = None, **params: Any
    ) -> Page:
        """As a client of a revision with a handshake."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        all_headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": version,
            **(headers or {}),
        }
        return self.client.post(self.path, body, content_type="application/json", headers=all_headers)

    def tools(self) -> dict[str, dict[str, Any]]:
        return {tool["name"]: tool for tool in self.send("tools/list").json()["result"]["tools"]}

    def call(self, name: str, arguments: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
        answer = self.send("tools/call", name=name, arguments=arguments or {}, **params)
        assert answer.status_code == 200, answer.content
        result: dict[str, Any] = answer.json()["result"]
        return result
