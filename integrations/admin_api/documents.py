"""Rows as JSON documents: without secrets, with natural keys, and only what the caller may see in the admin."""

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest

from integrations.admin_api.resources import Resource, identity_of
from integrations.provider_setup.configuration.exports import row_members
from integrations.provider_setup.configuration.kinds import Kind

Document = dict[str, Any]
ETAG_DIGITS = 32


def document_of(resource: Resource, row: Any, request: HttpRequest) -> Document:
    hidden = hidden_children(resource, row, request)
    document = without_secrets(resource.kind, row_members(resource.kind, row, without=hidden))
    attributes = {name: getattr(row, name) for name in resource.attributes}
    return {"id": identity_of(row), **document, **attributes}


def hidden_children(resource: Resource, row: Any, request: HttpRequest) -> set[str]:
    """Return the names of lists whose rows the caller may not see."""
    model_admin = resource.model_admin
    visible = {inline.model for inline in model_admin.get_inline_instances(request, row)}
    return {child.name for child in resource.kind.children if child.model not in visible}


def without_secrets(kind: Kind, members: Document) -> Document:
    """Replace secrets by whether there is one, and pictures by their base64 text."""
    document = {name: value for name, value in members.items() if name not in kind.secrets}
    document |= {f"has_{name}": members[name] is not None for name in kind.secrets}
    document |= {name: encode_picture(members[name]) for name in kind.pictures}
    children = [child for child in kind.children if child.name in members]
    return document | {child.name: [without_secrets(child, each) for each in members[child.name]] for child in children}


def encode_picture(picture: bytes | None) -> str | None:
    return base64.b64encode(picture).decode() if picture else None


def etag_of(document: Document) -> str:
    """Return a strong validator of a document (RFC 9110 §8.8.3)."""
    text = json.dumps(document, sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:ETAG_DIGITS]}"'


def find_differences(kind: Kind, before: Document, after: Document, path: str = "") -> Iterator[Document]:
    """Yield what differs, each with its path. Rows of a list are compared by their natural key."""
    children = {child.name: child for child in kind.children}
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if name in children:
            yield from row_differences(children[name], old or [], new or [], f"{path}{name}/")
        elif old != new and name != "id":
            yield {"path": f"{path}{name}", "before": old, "after": new}


def row_differences(kind: Kind, before: list[Document], after: list[Document], path: str) -> Iterator[Document]:
    old_rows, new_rows = ({row[kind.key]: row for row in rows} for rows in (before, after))
    for key in dict.fromkeys((*old_rows, *new_rows)):
        if key in old_rows and key in new_rows:
            yield from find_differences(kind, old_rows[key], new_rows[key], f"{path}{key}/")
        else:
            yield {"path": f"{path}{key}", "before": old_rows.get(key), "after": new_rows.get(key)}
