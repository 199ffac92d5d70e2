"""Cells: one value of a row as people read it, as programs get it, and its sort order."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from foundation.reader_time import date_and_time_words
from integrations.models.remote_tables import ColumnType
from integrations.remote_tables.moments import parse_day, parse_moment

YES, NO = frozenset({"true", "yes", "1", "on", "y", "t"}), frozenset({"false", "no", "0", "off", "n", "f"})
LONGEST_TEXT = 2000  # characters of one cell; a truncated value has an ellipsis after them
LARGEST_EXACT = 2**53 - 1  # beyond, JavaScript and spreadsheets round integers (RFC 8259 §6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """`value` is JSON for programs; `text` is for people, and "" if the column found nothing."""

    type: str
    value: Any = None
    text: str = ""
    url: str = ""
    at: date | None = None  # a datetime for the type date-time

    @property
    def is_empty(self) -> bool:
        return self.value is None

    @property
    def exact_value(self) -> Any:
        """The value for JSON: a text if it is a number that programs would round."""
        is_large = isinstance(self.value, int) and abs(self.value) > LARGEST_EXACT
        return str(self.value) if is_large or isinstance(self.value, Decimal) else self.value

    @property
    def words(self) -> str:
        """Text to search in: as people read the value, and as the third party wrote it."""
        return f"{self.text} {self.value if self.value is not None else ''}".casefold()

    @property
    def order(self) -> tuple[Any, ...]:
        """Sort key: dates by time, numbers by value, and both before texts."""
        if isinstance(self.at, datetime):
            return (0, self.at.timestamp())
        if self.at:
            return (0, datetime(self.at.year, self.at.month, self.at.day, tzinfo=UTC).timestamp())
        if isinstance(self.value, bool | int | float | Decimal):
            return (0, self.value)
        return (1, self.text.casefold())


def make_cell(kind: str, raw: Any) -> Cell:
    """Make a cell of the column's type. A value that doesn't fit the type is shown as it came."""
    if raw is None or raw == "":
        return Cell(type=kind)
    typed = MAKERS[kind](raw) if kind in MAKERS else None
    return typed or Cell(type=ColumnType.BADGE if kind == ColumnType.BADGE else ColumnType.TEXT, **plain_fields(raw))


def plain_fields(raw: Any) -> dict[str, Any]:
    text = as_text(raw)
    return {"value": raw if is_number(raw) else text, "text": text}


def is_number(raw: Any) -> bool:
    """Whether JSON can represent it. Python also has NaN, 1e999 and integers of thousands of digits."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return False
    try:
        return math.isfinite(raw)
    except OverflowError:  # an integer that is too large for a float
        return False


def as_text(raw: Any) -> str:
    """Convert to text. Lone surrogates, which JSON can spell and UTF-8 cannot encode, are replaced."""
    if isinstance(raw, str):
        return raw.encode("utf-8", "replace").decode()
    if isinstance(raw, list) and not any(isinstance(item, list | dict) for item in raw):
        return ", ".join(as_text(item) for item in raw if item is not None)
    return as_text(json.dumps(raw, ensure_ascii=False))


def number_cell(raw: Any) -> Cell | None:
    """Read a number. What a double would round, such as an amount of 20 digits, is kept to the last digit."""
    value = as_number(raw) if isinstance(raw, str) else raw
    if not is_number(value):
        return None
    exact = exact_number(raw) if isinstance(raw, str) and isinstance(value, float) else value
    if exact is None:
        return Cell(type=ColumnType.NUMBER, value=value, text=str(value))
    if exact != value and Decimal(repr(value)) != exact:
        return Cell(type=ColumnType.NUMBER, value=exact, text=raw.strip())
    return Cell(type=ColumnType.NUMBER, value=value, text=str(value))


def exact_number(text: str) -> Decimal | None:
    """The decimal number; None if its exponent is beyond what Python holds."""
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        return None


def as_number(text: str) -> int | float | None:
    """Parse a number as programs write it; None if it is none.

    Refuses integers that Python refuses to parse, and 1_000, which only Python accepts.
    """
    try:
        value = int(text) if text.strip().lstrip("+-").isdigit() else float(text)
    except ValueError:
        return None
    return value if is_number(value) and "_" not in text else None


def date_cell(raw: Any) -> Cell | None:
    value = parse_day(raw)
    if value is None:
        return None
    # Translators: a date in Django's date format letters ("14 Feb 2027")
    return Cell(type=ColumnType.DATE, value=value.isoformat(), text=date_format(value, _("j M Y")), at=value)


def date_time_cell(raw: Any) -> Cell | None:
    moment = parse_moment(raw)
    if moment is None:
        return None
    try:
        text = date_and_time_words(moment)
    except OverflowError:  # on the first or last day of the calendar
        return None
    return Cell(type=ColumnType.DATE_TIME, value=moment.isoformat(), text=text, at=moment)


def boolean_cell(raw: Any) -> Cell | None:
    text = as_text(raw).strip().casefold()
    if text not in YES | NO:
        return None
    return Cell(type=ColumnType.BOOLEAN, value=text in YES, text=_("Yes") if text in YES else _("No"))


def link_cell(raw: Any) -> Cell | None:
    """Read a URL, or an object with `url` and `text`. Only http and https: never a scheme that a browser would run."""
    url, text = (raw.get("url"), raw.get("text")) if isinstance(raw, dict) else (raw, None)
    if not is_web(url):
        return Cell(type=ColumnType.TEXT, **plain_fields(text)) if text else None
    return Cell(type=ColumnType.LINK, value=url, text=as_text(text or url), url=str(url))


def is_web(url: Any) -> bool:
    if not isinstance(url, str) or not url.isprintable() or len(url) > LONGEST_TEXT:
        return False
    try:
        address = urlsplit(url)
    except ValueError:
        return False
    return address.scheme in {"http", "https"} and bool(address.hostname)


MAKERS: dict[str, Callable[[Any], Cell | None]] = {
    ColumnType.NUMBER: number_cell,
    ColumnType.DATE: date_cell,
    ColumnType.DATE_TIME: date_time_cell,
    ColumnType.BOOLEAN: boolean_cell,
    ColumnType.LINK: link_cell,
}
