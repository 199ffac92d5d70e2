"""What callers give: completed by defaults, of the declared types, and nothing that was not declared."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from integrations import expressions
from integrations.expressions import BadExpression
from integrations.models.flows import InputType
from integrations.models.flows.declared import fits

Declared = Iterable[Mapping[str, Any]]
TRUTH = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


class BadInputs(ValueError):
    """A sentence for who gave them. Holds names, no values."""


def taken(declared: Declared, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as the steps see them. Raises `BadInputs`."""
    rows = {row["name"]: row for row in declared}
    if unknown := sorted(map(str, given.keys() - rows.keys())):
        names = {"name": unknown[0][:80].encode(errors="replace").decode(), "there": ", ".join(rows) or _("none")}
        raise BadInputs(_("There is no input “%(name)s”. There are: %(there)s.") % names)
    missing = [name for name, row in rows.items() if name not in given and "default" not in row]
    if missing:
        raise BadInputs(_("The input “%(name)s” is needed.") % {"name": missing[0]})
    return {name: typed(row, given[name]) if name in given else row["default"] for name, row in rows.items()}


def typed(row: Mapping[str, Any], value: Any) -> Any:
    """Of the declared type, or what can be meant by it: "5" for an integer, 5 for a text."""
    if value is None and "default" in row:
        return row["default"]
    try:
        expressions.as_json(value)
    except BadExpression as error:
        raise BadInputs(_("The input “%(name)s”: %(why)s") % {"name": row["name"], "why": error}) from None
    meant = meant_by(row["type"], value)
    if not fits(meant, row["type"]):
        raise BadInputs(_("The input “%(name)s” is no %(type)s.") % {"name": row["name"], "type": row["type"]})
    return meant


def meant_by(kind: str, value: Any) -> Any:
    if kind == InputType.TEXT and isinstance(value, int | float):
        return expressions.as_text(value)
    if not isinstance(value, str) or kind in {InputType.TEXT, InputType.JSON}:
        return value
    if kind == InputType.BOOLEAN:
        return TRUTH.get(value.strip().lower(), value)
    try:
        return int(value) if kind == InputType.INTEGER else float(value)
    except ValueError:
        return value


def from_texts(declared: Declared, given: Mapping[str, str]) -> dict[str, Any]:
    """What was typed on a command line or into a form: JSON is read where JSON is declared."""
    kinds = {row["name"]: row["type"] for row in declared}
    return {name: from_text(name, text, kinds.get(name, "")) for name, text in given.items()}


def from_text(name: str, text: str, kind: str) -> Any:
    if kind != InputType.JSON:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadInputs(_("The input “%(name)s” is no JSON.") % {"name": name}) from None
