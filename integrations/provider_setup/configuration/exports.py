"""Rows out, by names. Whether a secret is stored can be seen; what it is, cannot."""

from typing import Any

import yaml
from django.db import models, transaction

from integrations.provider_setup.configuration.kinds import KINDS, Kind, Link

VERSION = 1
HEAD = """\
# Set-up of Keyrack. `manage.py configuration import FILE` brings it in again.
# No secret is in here. {kept: true} keeps what is stored; {env: NAME} takes it from that environment variable.
"""


@transaction.atomic
def exported() -> str:
    """All of it as it is at one moment."""
    told: dict[str, Any] = {"keyrack": VERSION}
    for kind in KINDS:
        rows = kind.model._default_manager.filter(**kind.only).order_by(*kind.order)
        told[kind.name] = [as_told(kind, row) for row in rows]
    return HEAD + yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=110)


def as_told(kind: Kind, row: models.Model) -> dict[str, Any]:
    told: dict[str, Any] = {kind.key: getattr(row, kind.key)}
    told |= {name: column.value_from_object(row) for name, column in kind.columns.items()}
    told |= {name: linked(link, getattr(row, name)) for name, link in kind.links.items()}
    told |= {name: {"kept": True} if row.__dict__[name] else None for name in kind.secrets}
    told |= {name: bytes(held) if (held := getattr(row, name)) else None for name in kind.pictures}
    told |= {name: sorted(linked(link, each) for each in getattr(row, name).all()) for name, link in kind.many.items()}
    for child in kind.children:
        below = child.model._default_manager.filter(**{child.parent: row}).order_by(*child.order)
        told[child.name] = [as_told(child, each) for each in below]
    return told


def linked(link: Link, other: Any) -> Any:
    """Its name, or the names that lead to it."""
    if other is None:
        return None
    found = {path.replace("__name", ""): value_at(other, path) for path in link.by}
    return found if len(found) > 1 else next(iter(found.values()))


def value_at(row: Any, path: str) -> Any:
    for step in path.split("__"):
        row = getattr(row, step)
    return row
