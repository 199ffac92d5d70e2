"""What actions and subflows say of their inputs and outputs, as JSON, and whether it can be true.

inputs     [{"name": "limit", "type": "integer", "default": 5}]      without "default": required
outputs    [{"name": "incidents", "path": "steps.list.body.result"}]
pairs      [["sysparm_limit", "{{ inputs.limit }}"]]                 query, headers, what an action is given
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
from integrations.models.stored_json import check_kept

MOST_ROWS = 1000  # of a list that an administrator writes
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
    """What callers name: with inputs that it takes and outputs that it gives."""

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
        told: dict[str, Any] = {}
        for field, check in (("inputs", check_inputs), ("outputs", check_outputs)):
            try:
                check(getattr(self, field))
            except ValidationError as error:
                told[field] = error
        if told:
            raise ValidationError(told)


def check_inputs(inputs: Any) -> None:
    check_names(inputs, {"name", "type"})
    for declared in inputs:
        if declared["type"] not in InputType.values:
            names = {"name": declared["name"], "types": ", ".join(InputType.values)}
            raise ValidationError(_("Input “%(name)s”: there is no such type. There are: %(types)s.") % names)
        if declared.get("default") is not None and not fits(declared["default"], declared["type"]):
            names = {"name": declared["name"], "type": declared["type"]}
            raise ValidationError(_("Input “%(name)s”: the default is no %(type)s.") % names)


def check_outputs(outputs: Any) -> None:
    check_names(outputs, {"name", "path"})
    for declared in outputs:
        try:
            expressions.check_path(declared["path"])
        except BadExpression as error:
            raise ValidationError(_("Output “%(name)s”: %(why)s") % {"name": declared["name"], "why": error}) from None


def check_beginnings(outputs: Any, known: Mapping[str, set[str]]) -> None:
    """Each output begins with what is there."""
    for declared in outputs:
        root, name = expressions.beginning(declared["path"])
        try:
            if root:
                check_reference(root, name, known)
        except ValidationError as error:
            why = " ".join(error.messages)
            raise ValidationError(_("Output “%(name)s”: %(why)s") % {"name": declared["name"], "why": why}) from None


def check_names(given: Any, keys: set[str]) -> None:
    """Rows with these keys as texts, and a name for each that only one of them has."""
    if not isinstance(given, list) or not all(isinstance(row, dict) and keys <= row.keys() for row in given):
        raise ValidationError(_("Give a list in which each row has: %(keys)s.") % {"keys": ", ".join(sorted(keys))})
    check_length(given)
    check_kept(given)
    names = [row["name"] for row in given]
    for row in given:
        if not all(isinstance(row[key], str) for key in keys) or not NAME.fullmatch(row["name"]):
            told = _("“%(name)s” is no name: letters, digits and underscores only, not beginning with a digit.")
            raise ValidationError(told % {"name": row["name"]})
        if names.count(row["name"]) > 1:
            raise ValidationError(_("“%(name)s” is there twice.") % {"name": row["name"]})


def check_pairs(given: Any) -> None:
    is_pair = [
        isinstance(row, list) and len(row) == 2 and row[0] and all(isinstance(part, str) for part in row)
        for row in (given if isinstance(given, list) else [None])
    ]
    if not all(is_pair):
        raise ValidationError(_("Give a list of pairs: a name and what it is set to."))
    check_length(given)
    check_kept(given)


def check_length(given: list[Any]) -> None:
    if len(given) > MOST_ROWS:
        raise ValidationError(_("At most %(most)d, not %(count)d.") % {"most": MOST_ROWS, "count": len(given)})


def check_template(source: str, known: Mapping[str, set[str]]) -> None:
    """It can be read, and names only what is there at this place."""
    try:
        expressions.check(source)
        needed = expressions.references(source)
    except BadExpression as error:
        raise ValidationError(str(error)) from None
    for root, name in sorted(needed):
        check_reference(root, name, known)


def check_reference(root: str, name: str, known: Mapping[str, set[str]]) -> None:
    if root not in known:
        told = _("“%(root)s” is not known here. Known are: %(known)s.")
        raise ValidationError(told % {"root": root, "known": ", ".join(known)})
    if name and name not in known[root]:
        there = ", ".join(sorted(known[root])) or _("none")
        told = _("There is no “%(name)s” in %(root)s at this point. There are: %(there)s.")
        raise ValidationError(told % {"name": name, "root": root, "there": there})


def check_templates(given: Any, known: Mapping[str, set[str]]) -> None:
    """All texts of a JSON structure; keys are no templates."""
    if isinstance(given, str):
        check_template(given, known)
    below: Iterable[Any] = given.values() if isinstance(given, dict) else given if isinstance(given, list) else ()
    for each in below:
        check_templates(each, known)


def fits(value: Any, kind: str) -> bool:
    if kind == InputType.JSON:
        return True
    if kind == InputType.TEXT:
        return isinstance(value, str)
    if kind == InputType.BOOLEAN or isinstance(value, bool):
        return kind == InputType.BOOLEAN and isinstance(value, bool)
    return isinstance(value, int) or (kind == InputType.NUMBER and isinstance(value, float) and math.isfinite(value))
