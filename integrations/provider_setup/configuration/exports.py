"""Export of rows to YAML, with natural keys. Shows whether a secret is stored, never its value."""

from collections.abc import Collection
from operator import attrgetter
from typing import Any

import yaml
from django.db import models, transaction

from accounts.sign_in import mfa
from integrations.provider_setup.configuration.kinds import KINDS, STAFF, Kind, Link

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
        rows = kind.model._default_manager.filter(**kind.only).order_by(*kind.order).prefetch_related(*kind.prefetches)
        document[kind.name] = [row_members(kind, row) for row in rows]
    document[STAFF] = {"requires_two_steps": mfa.is_required_of_staff()}
    return HEAD + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def row_members(kind: Kind, row: models.Model, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the members of a row. `without`: children to leave out."""
    members: dict[str, Any] = {kind.key: getattr(row, kind.key)}
    members |= {name: column.value_from_object(row) for name, column in kind.columns.items()}
    members |= {name: members[name].split() for name in kind.word_lists}
    members |= {name: natural_key(link, getattr(row, name)) for name, link in kind.links.items()}
    members |= {name: hasattr(row, relation) for name, relation in kind.switches.items()}
    members |= {name: {"kept": True} if row.__dict__[name] else None for name in kind.secrets}
    members |= {name: bytes(picture) if (picture := getattr(row, name)) else None for name in kind.pictures}
    members |= {
        name: sorted(natural_key(link, each) for each in getattr(row, name).all()) for name, link in kind.many.items()
    }
    for child in kind.children:
        if child.name in without:
            continue
        children = sorted(getattr(row, child.name).all(), key=attrgetter(*child.order))
        members[child.name] = [row_members(child, each) for each in children]
    return members


def natural_key(link: Link, other: Any) -> Any:
    """Return the natural key of a linked row: one name, or a mapping of names."""
    if other is None:
        return None
    if link.separator:
        return link.separator.join(value_at(other, path) for path in link.by)
    names = {name: value_at(other, path) for name, path in zip(link.names, link.by, strict=True)}
    return names if len(names) > 1 else next(iter(names.values()))


def value_at(row: Any, path: str) -> Any:
    for step in path.split("__"):
        row = getattr(row, step)
    return row
