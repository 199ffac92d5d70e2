"""Values of a file for plain columns: of the column's own kind, and without the spaces that forms strip.

YAML has read a value before anybody can see how it was written: 0123 is 83, `no` is false, 2026-1-1 is a day.
"""

import json
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

REPORTED_LENGTH = 80  # characters of a value


def clean_value(column: Any, value: Any, row: models.Model) -> Any:
    """Return the value as the column stores it. Raises `ValidationError`; its message goes on after the name."""
    if fault := wrong_kind(column, value):
        raise ValidationError(fault)
    if isinstance(value, str) and is_text(column) and column.max_length != 1:  # a separator may be a space
        value = value.strip()
    try:
        return column.clean(value, row)
    except ValidationError as error:
        raise ValidationError(f": {' '.join(error.messages)}") from None


def clean_words(value: Any, stored: str) -> str:
    """Return a list as the text that holds its words. The same words stay as they are stored: a form writes lines."""
    if not isinstance(value, list) or not all(isinstance(word, str) and len(word.split()) == 1 for word in value):
        raise ValidationError(" is a list of texts without spaces.")
    return stored if stored.split() == value else " ".join(value)


def wrong_kind(column: Any, value: Any) -> str:
    if isinstance(column, models.JSONField):
        return ""
    if isinstance(value, dict | list | bytes):
        return " is one value."
    if value is None:
        return "" if column.null else " has no value. Leave the line out to keep what is there."
    if is_text(column) and not isinstance(value, str):
        return " is a text: put it in quotes."
    if isinstance(column, models.BooleanField) and not isinstance(value, bool):
        return " is true or false."
    if isinstance(column, models.IntegerField) and isinstance(value, bool | float | date):
        return " is a whole number."
    if isinstance(column, models.DateField) and not isinstance(value, date | str):
        return " is a day, such as 2027-02-28."
    return ""


def is_text(column: Any) -> bool:
    return isinstance(column, models.CharField | models.TextField)


def describe_change(name: str, before: Any, after: Any) -> str:
    """Return a change for the report."""
    return f"{name}: {abbreviate_value(before)} → {abbreviate_value(after)}"


def abbreviate_value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return f"{text[:REPORTED_LENGTH]}…" if len(text) > REPORTED_LENGTH else text or "nothing"
