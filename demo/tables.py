"""Remote tables of the demo, as an administrator would set them up."""

from integrations.models.flows import Action
from integrations.models.registry import Alias
from integrations.models.remote_tables import RemoteTable

CONTACTS = (
    ("Name", "name", "text"),
    ("Company", "company", "text"),
    ("City", "city", "badge"),
    ("Email", "email", "text"),
    ("Phone", "phone", "text"),
)
INCIDENTS = (
    ("Number", "number", "number"),
    ("Short description", "title", "text"),
    ("Opened", "opened_at", "date-time"),
)


def rows() -> None:
    """Create one table that reads by its alias and one that reads by an action. Safe to repeat."""
    northwind, action = Alias.objects.get(name="northwind"), Action.objects.get(name="open_incidents")
    table("contacts", CONTACTS, label="Contacts", alias=northwind, path="contacts/", rows_path="results")
    table("incidents", INCIDENTS, label="Open incidents", action=action, rows_path="incidents", cache_seconds=60)


def table(name: str, columns: tuple[tuple[str, str, str], ...], **fields: object) -> None:
    row, is_new = RemoteTable.objects.get_or_create(name=name, defaults=fields)
    for position, (label, path, kind) in enumerate(columns if is_new else ()):
        row.columns.create(label=label, path=path, type=kind, order=position)
