"""Declarations of inputs and outputs of actions and subflows, as JSON, and their checks.

inputs     [{"name": "limit", "type": "integer", "default": 5}]      without "default": required
outputs    [{"name": "incidents", "path": "steps.list.body.result"}]
pairs      [["sysparm_limit", "{{ inputs.limit }}"]]                 query, headers, inputs of an action
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations import expressions
from integrations.expressions import BadExpression
from integrations.models.registry import SysIdModel
from integrations.models.stored_json import check_storable

MOST_ROWS = 1000  # in one list of a declaration
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")

name_validator = RegexValidator(
    r"^[A-Za-z_][A-Za-z0-9_]*\Z", gettext_lazy("Letters, digits and underscores only, not beginning with a digit.")
)
dotted_validator = RegexValidator(
    r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*\Z", gettext_lazy("Letters, digits and underscores only; single dots in between.")
)


class InputType(models.TextChoices):
    TEXT = "text", gettext_lazy("Text")
    INTEGER = "integer", gettext_lazy("Integer")
    NUMBER = "number", gettext_lazy("Number")
    BOOLEAN = "boolean", gettext_lazy("True or false")
    JSON = "json", gettext_lazy("JSON")


class Named(SysIdModel):
    """Base of records that callers run by name, with inputs and outputs."""

    name = models.CharField(gettext_lazy("Name"), max_length=80, unique=True, validators=[dotted_validator])
    label = models.CharField(gettext_lazy("Label"), max_length=100, blank=True)
    description = models.TextField(gettext_lazy("Description"), blank=True)
    inputs = models.JSONField(gettext_lazy("Inputs"), default=list, blank=True)
    outputs = models.JSONField(gettext_lazy("Outputs"), default=list, blank=True)
    active = models.BooleanField(gettext_lazy("Active"), default=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        return self.label or self.name

    @property
    def input_names(self) -> set[str]:
        return {declared["name"] for declared in self.inputs}

    def clean(self) -> None:
        errors: dict[str, Any] = {}
        for field, check in (("inputs", check_inputs), ("outputs", check_outputs)):
            try:
                check(getattr(self, field))
            except ValidationError as error:
                errors[field] = error
        if errors:
            raise ValidationError(errors)


def check_inputs(inputs: Any) -> None:
    check_names(inputs, {"name", "type"})
    for declared in inputs:
        if declared["type"] not in InputType.values:
            names = {"name": declared["name"], "types": ", ".join(InputType.values)}
            raise ValidationError(_("Input “%(name)s”: there is no such type. There are: %(types)s.") % names)
        if declared.get("default") is not None and not is_of_type(declared["default"], declared["type"]):
            names = {"name": declared["name"], "type": declared["type"]}
            raise ValidationError(_("Input “%(name)s”: the default isn’t of type %(type)s.") % names)


def check_outputs(outputs: Any) -> None:
    check_names(outputs, {"name", "path"})
    for declared in outputs:
        try:
            expressions.check_path(declared["path"])
        except BadExpression as error:
            raise ValidationError(_("Output “%(name)s”: %(why)s") % {"name": declared["name"], "why": error}) from None


def check_output_paths(outputs: Any, available: Mapping[str, set[str]]) -> None:
    """Check that each output's path begins with an available name."""
    for declared in outputs:
        root, name = expressions.first_names(declared["path"])
        try:
            if root:
                check_reference(root, name, available)
        except ValidationError as error:
            why = " ".join(error.messages)
            raise ValidationError(_("Output “%(name)s”: %(why)s") % {"name": declared["name"], "why": why}) from None


def check_names(rows: Any, keys: set[str]) -> None:
    """Check that these are rows with these keys as texts and unique names."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) and keys <= row.keys() for row in rows):
        raise ValidationError(_("Enter a list in which each row has: %(keys)s.") % {"keys": ", ".join(sorted(keys))})
    check_length(rows)
    check_storable(rows)
    names = [row["name"] for row in rows]
    for row in rows:
        if not all(isinstance(row[key], str) for key in keys) or not NAME.fullmatch(row["name"]):
            message = _(
                "“%(name)s” isn’t a valid name: use letters, digits and underscores, not beginning with a digit."
            )
            raise ValidationError(message % {"name": row["name"]})
        if names.count(row["name"]) > 1:
            raise ValidationError(_("“%(name)s” is there twice.") % {"name": row["name"]})


def check_pairs(pairs: Any) -> None:
    is_pair = [
        isinstance(row, list) and len(row) == 2 and row[0] and all(isinstance(part, str) for part in row)
        for row in (pairs if isinstance(pairs, list) else [None])
    ]
    if not all(is_pair):
        raise ValidationError(_("Enter a list of pairs: a name and its value."))
    check_length(pairs)
    check_storable(pairs)


def check_length(rows: list[Any]) -> None:
    if len(rows) > MOST_ROWS:
        raise ValidationError(
            _("Enter at most %(most)d rows, not %(count)d.") % {"most": MOST_ROWS, "count": len(rows)}
        )


def check_template(source: str, available: Mapping[str, set[str]]) -> None:
    """Check that a template can be parsed and refers only to available names."""
    try:
        expressions.check_template(source)
        needed = expressions.find_references(source)
    except BadExpression as error:
        raise ValidationError(str(error)) from None
    for root, name in sorted(needed):
        check_reference(root, name, available)


def check_reference(root: str, name: str, available: Mapping[str, set[str]]) -> None:
    if root not in available:
        message = _("“%(root)s” isn’t available here. Available: %(available)s.")
        raise ValidationError(message % {"root": root, "available": ", ".join(available)})
    if name and name not in available[root]:
        names = ", ".join(sorted(available[root])) or "–"
        message = _("There is no “%(name)s” in %(root)s at this point. There are: %(names)s.")
        raise ValidationError(message % {"name": name, "root": root, "names": names})


def check_templates(source: Any, available: Mapping[str, set[str]]) -> None:
    """Check all texts of a JSON structure as templates. Keys are plain text."""
    if isinstance(source, str):
        check_template(source, available)
    children: Iterable[Any] = (
        source.values() if isinstance(source, dict) else source if isinstance(source, list) else ()
    )
    for child in children:
        check_templates(child, available)


def is_of_type(value: Any, kind: str) -> bool:
    if kind == InputType.JSON:
        return True
    if kind == InputType.TEXT:
        return isinstance(value, str)
    if kind == InputType.BOOLEAN or isinstance(value, bool):
        return kind == InputType.BOOLEAN and isinstance(value, bool)
    return isinstance(value, int) or (kind == InputType.NUMBER and isinstance(value, float) and math.isfinite(value))
