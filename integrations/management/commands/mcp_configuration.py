"""`mcp_configuration`: the configuration with which common agents find this site. Writes nothing and makes no token."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from integrations.mcp.tools import SCOPES
from integrations.models.tool_sets import ToolSet

PORT = 41234  # of the redirect address on the machine of a person who uses Claude Code
VSCODE = ("http://127.0.0.1:33418/", "https://vscode.dev/redirect")  # its redirect addresses; the port may be another
CLIENTS = ("claude", "vscode", "chatgpt")


class Command(BaseCommand):
    help = (
        "Print the configuration with which Claude Code, VS Code and ChatGPT find the tools of this site. With the "
        "client ID of an OAuth application people sign in; without it they need a permanent token."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--client", choices=CLIENTS, help="Only for this one.")
        parser.add_argument("--set", dest="name", default="", help="Name of a tool set.")
        parser.add_argument("--client-id", default="", help="Client ID of an OAuth application.")

    def handle(self, *_args: Any, client: str | None, name: str, client_id: str, **_options: Any) -> None:
        if name and not ToolSet.objects.filter(name=name).exists():
            raise CommandError(f"There is no tool set “{name}”.")
        path = reverse("integrations:mcp_set", args=[name]) if name else reverse("integrations:mcp")
        texts = {"claude": describe_claude, "vscode": describe_vscode, "chatgpt": describe_chatgpt}
        sections = [texts[each](f"{settings.SITE_URL}{path}", client_id) for each in CLIENTS if client in {None, each}]
        self.stdout.write("\n\n".join(sections))


def describe_claude(url: str, client_id: str) -> str:
    command = f"claude mcp add --transport http keyrack {url}"
    if not client_id:
        return f'# Claude Code\n{command} --header "Authorization: Bearer $KEYRACK_TOKEN"'
    note = f"# Claude Code. Redirect URI of the application: http://localhost:{PORT}/callback"
    return f"{note}\n{command} --client-id {client_id} --callback-port {PORT}"


def describe_vscode(url: str, client_id: str) -> str:
    server: dict[str, Any] = {"type": "http", "url": url}
    content: dict[str, Any] = {"servers": {"keyrack": server}}
    if not client_id:
        server["headers"] = {"Authorization": "Bearer ${input:keyrack}"}
        content["inputs"] = [
            {"id": "keyrack", "type": "promptString", "description": "Keyrack token", "password": True}
        ]
    note = "It asks for the client ID when it connects." if client_id else "It asks for the token."
    addresses = f"\n# Redirect URIs of the application: {' '.join(VSCODE)}" if client_id else ""
    return f"# VS Code: .vscode/mcp.json. {note}{addresses}\n{json.dumps(content, indent=2)}"


def describe_chatgpt(url: str, client_id: str) -> str:
    return "\n".join(
        (
            "# ChatGPT: Settings, Apps & Connectors, Advanced settings, Developer mode; then create an app with",
            f"MCP server URL:  {url}",
            "Authentication:  OAuth",
            f"Client ID:       {client_id or 'of an OAuth application (ChatGPT takes no permanent token)'}",
            f"Scopes:          {' '.join(SCOPES)}",
            "Redirect URI:    ChatGPT shows it; add it to the application",
        )
    )
