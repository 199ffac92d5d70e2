"""Form fields of one entry per line: inputs, outputs, query parameters, headers. Stored as JSON."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from integrations.models.flows import InputType
from integrations.models.stored_json import check_storable


class LinesField(forms.CharField):
    """Field of lines "name = value". Also accepts the stored JSON, e.g. copied from another record."""

    widget = forms.Textarea
    sign = "="

    def __init__(self, **options: Any) -> None:
        options.pop("encoder", None)
        options.pop("decoder", None)
        super().__init__(**{**options, "required": False, "strip": True})

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {**super().widget_attrs(widget), "rows": 3, "spellcheck": "false", "class": "vLargeTextField lines"}

    def to_python(self, value: Any) -> Any:
        text = value.strip() if isinstance(value, str) else ""
        if text[:1] in {"[", "{"}:
            return self.from_json(text)
        lines = [line.strip() for line in text.splitlines()]
        return [self.from_line(number, line) for number, line in enumerate(lines, start=1) if line]

    def from_json(self, text: str) -> Any:
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError):
            raise ValidationError(_("This isn’t valid JSON.")) from None
        check_storable(rows)
        return [self.row(name, value) for name, value in rows.items()] if isinstance(rows, dict) else rows

    def from_line(self, number: int, line: str) -> Any:
        name, sign, value = line.partition(self.sign)
        if not sign or not name.strip():
            message = _("Line %(number)d: write name %(sign)s value.")
            raise ValidationError(message % {"number": number, "sign": self.sign})
        return self.row(name.strip(), value.strip())

    def row(self, name: str, value: Any) -> Any:
        return [name, value if isinstance(value, str) else json.dumps(value)]

    def line(self, row: Any) -> str:
        return f"{row[0]}{self.before_sign}{self.sign} {row[1]}"

    @property
    def before_sign(self) -> str:
        return " " if self.sign == "=" else ""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(self.line, value)) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((initial or []) != self.to_python(data))
        except ValidationError:
            return True


class HeadersField(LinesField):
    sign = ":"


class OutputsField(LinesField):
    def row(self, name: str, value: Any) -> Any:
        return {"name": name, "path": str(value)}

    def line(self, row: Any) -> str:
        return f"{row['name']} = {row['path']}"


class InputsField(LinesField):
    """Field of lines "name: type = default"."""

    def from_line(self, number: int, line: str) -> Any:
        declared, sign, default = line.partition("=")
        name, _colon, kind = declared.partition(":")
        row = {"name": name.strip(), "type": kind.strip() or InputType.TEXT.value}
        return {**row, "default": default_of(number, row["type"], default.strip())} if sign else row

    def row(self, name: str, value: Any) -> Any:
        return {"name": name, "type": str(value)}

    def line(self, row: Any) -> str:
        declared = f"{row['name']}: {row['type']}"
        if "default" not in row:
            return declared
        is_text = row["type"] == InputType.TEXT and isinstance(row["default"], str)
        return f"{declared} = {row['default'] if is_text else json.dumps(row['default'], ensure_ascii=False)}"


def default_of(number: int, kind: str, text: str) -> Any:
    if kind == InputType.TEXT:
        return text
    try:
        default = json.loads(text or "null")
    except (ValueError, RecursionError):
        message = _("Line %(number)d: write the default as JSON: 5, true, null, [1, 2].")
        raise ValidationError(message % {"number": number}) from None
    check_storable(default)
    return default
