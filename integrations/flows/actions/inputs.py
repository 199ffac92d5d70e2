"""Inputs of an action: checked against the declared names and types, and completed by defaults."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from integrations import expressions
from integrations.expressions import BadExpression
from integrations.models.flows import InputType
from integrations.models.flows.declared import is_of_type

Declared = Iterable[Mapping[str, Any]]
TRUTH = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


class BadInputs(ValueError):
    """The inputs don't match the declaration. The message holds names, never values."""


def validate_inputs(declared: Declared, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs as the steps see them. Raises `BadInputs`."""
    rows = {row["name"]: row for row in declared}
    if unknown := sorted(map(str, inputs.keys() - rows.keys())):
        names = {"name": unknown[0][:80].encode(errors="replace").decode(), "there": ", ".join(rows) or _("none")}
        raise BadInputs(_("There is no input “%(name)s”. There are: %(there)s.") % names)
    missing = [name for name, row in rows.items() if name not in inputs and "default" not in row]
    if missing:
        raise BadInputs(_("The input “%(name)s” is required.") % {"name": missing[0]})
    return {name: convert_input(row, inputs[name]) if name in inputs else row["default"] for name, row in rows.items()}


def convert_input(row: Mapping[str, Any], value: Any) -> Any:
    """Convert a value to the declared type where the meaning is clear: "5" for an integer, 5 for a text."""
    if value is None and "default" in row:
        return row["default"]
    try:
        expressions.as_json(value)
    except BadExpression as error:
        raise BadInputs(_("The input “%(name)s”: %(why)s") % {"name": row["name"], "why": error}) from None
    converted = convert_value(row["type"], value)
    if not is_of_type(converted, row["type"]):
        raise BadInputs(_("The input “%(name)s” isn’t of type %(type)s.") % {"name": row["name"], "type": row["type"]})
    return converted


def convert_value(kind: str, value: Any) -> Any:
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


def parse_inputs(declared: Declared, texts: Mapping[str, str]) -> dict[str, Any]:
    """Read inputs typed on a command line or into a form. Parses JSON where JSON is declared."""
    kinds = {row["name"]: row["type"] for row in declared}
    return {name: parse_text(name, text, kinds.get(name, "")) for name, text in texts.items()}


def parse_text(name: str, text: str, kind: str) -> Any:
    if kind != InputType.JSON:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadInputs(_("The input “%(name)s” isn’t valid JSON.") % {"name": name}) from None
