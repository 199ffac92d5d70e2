"""Export of rows to YAML, with natural keys. Shows whether a secret is stored, never its value."""

from typing import Any

import yaml
from django.db import models, transaction

from integrations.provider_setup.configuration.kinds import KINDS, Kind, Link

VERSION = 1
HEAD = """\
# Set-up of Keyrack. `manage.py configuration import FILE` imports it again.
# Contains no secrets. {kept: true} keeps the stored one; {env: NAME} reads it from that environment variable.
"""


@transaction.atomic
def export_configuration() -> str:
    """Return the whole set-up as YAML, as of one moment."""
    document: dict[str, Any] = {"keyrack": VERSION}
    for kind in KINDS:
        rows = kind.model._default_manager.filter(**kind.only).order_by(*kind.order)
        document[kind.name] = [row_members(kind, row) for row in rows]
    return HEAD + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def row_members(kind: Kind, row: models.Model) -> dict[str, Any]:
    members: dict[str, Any] = {kind.key: getattr(row, kind.key)}
    members |= {name: column.value_from_object(row) for name, column in kind.columns.items()}
    members |= {name: natural_key(link, getattr(row, name)) for name, link in kind.links.items()}
    members |= {name: {"kept": True} if row.__dict__[name] else None for name in kind.secrets}
    members |= {name: bytes(picture) if (picture := getattr(row, name)) else None for name in kind.pictures}
    members |= {
        name: sorted(natural_key(link, each) for each in getattr(row, name).all()) for name, link in kind.many.items()
    }
    for child in kind.children:
        children = child.model._default_manager.filter(**{child.parent: row}).order_by(*child.order)
        members[child.name] = [row_members(child, each) for each in children]
    return members


def natural_key(link: Link, other: Any) -> Any:
    """Return the natural key of a linked row: one name, or a mapping of names."""
    if other is None:
        return None
    names = {path.replace("__name", ""): value_at(other, path) for path in link.by}
    return names if len(names) > 1 else next(iter(names.values()))


def value_at(row: Any, path: str) -> Any:
    for step in path.split("__"):
        row = getattr(row, step)
    return row
