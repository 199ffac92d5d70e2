"""Remote tables as an administrator would make them, and a third party that shows each person something else."""

import re
from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from django.test import Client

from accounts.models import User
from integrations.models import Alias, RemoteTable
from tests import cast, walks
from tests.servers.hostile import Answer, Call, HostileServer

PAGE = "/remote-tables/incidents/"

ROWS = "GET /api/now/incidents"
INCIDENTS = [
    {"number": "INC3", "short": "Printer on fire", "priority": 1, "opened": "2026-11-21T08:30:00Z", "open": True,
     "state": "New", "link": {"url": "https://northwind.example/INC3", "text": "INC3"}, "due": "2026-11-30"},
    {"number": "INC1", "short": "Änderung <b>bold</b>", "priority": 10, "opened": "2026-11-19 10:00:00", "open": False,
     "state": "Closed", "link": "javascript:alert(1)", "due": None},
    {"number": "INC2", "short": "=cmd|' /C calc'!A0", "priority": -2.5, "opened": 1763800000, "open": "false",
     "state": "New", "link": "https://northwind.example/INC2"},
]  # fmt: skip
COLUMNS = (
    ("Number", "number", "text"),
    ("Short description", "short", "text"),
    ("Priority", "priority", "number"),
    ("Opened", "opened", "date-time"),
    ("Due", "due", "date"),
    ("Open", "open", "boolean"),
    ("State", "state", "badge"),
    ("Record", "link", "link"),
)


def incidents(alias: Alias | None, **fields: Any) -> RemoteTable:
    defaults = {"name": "incidents", "label": "Incidents", "path": "now/incidents", "rows_path": "result"}
    table = RemoteTable.objects.create(alias=alias, **{**defaults, **fields})
    for order, (label, path, kind) in enumerate(COLUMNS):
        table.columns.create(label=label, path=path, type=kind, order=order)
    return table


def rows_of_each(of_token: dict[str, list[dict[str, Any]]]) -> Callable[[Call], Answer]:
    """What the third party shows to the bearer of each token, by the end of its name; nobody else is let in."""

    def reply(call: Call) -> Answer:
        bearer = call.headers.get("authorization", "").rpartition("-")[2]
        return Answer(json={"result": of_token[bearer]}) if bearer in of_token else Answer(status=401)

    return reply


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"number": f"INC{number:04}", "priority": number} for number in range(count)]


def read_by(user: User, server: HostileServer) -> Alias:
    """An alias at which this person is signed in, and nothing kept from before."""
    cache.clear()
    alias = walks.northwind(server)
    cast.signed_in(user, alias, account_label="amira@northwind.example")
    server.on(ROWS).always(rows_of_each({"1": INCIDENTS, "bob": [{"number": "INC9"}]}))
    return alias


def page(client: Client, query: str = "", **options: Any) -> str:
    response = client.get(f"{PAGE}{query}", **options)
    assert response.status_code == 200
    return walks.words(response)


def numbers(html: str) -> list[str]:
    return re.findall(r'<th scope="row">\s*<bdi>(INC\d+)', html)


def trouble(html: str) -> str:
    matches = re.findall(r'data-trouble="(\w+)"', html)
    return matches[0] if matches else ""
