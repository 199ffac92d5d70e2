"""One value of a row: what people read, what programs get, and how it compares with others."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from integrations.models.remote_tables import ColumnType

YES, NO = frozenset({"true", "yes", "1", "on"}), frozenset({"false", "no", "0", "off"})
LONGEST_TEXT = 2000  # characters of one cell; what was cut is one longer
IN_MILLISECONDS = 100_000_000_000  # a moment in seconds would be in the year 5138


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """`value` is for programs: JSON. `text` is for people; "" where the column found nothing."""

    type: str
    value: Any = None
    text: str = ""
    url: str = ""
    at: date | None = None  # a datetime for a moment

    @property
    def is_empty(self) -> bool:
        return self.value is None

    @property
    def words(self) -> str:
        """What a search looks through: as people read it, and as the third party wrote it."""
        return f"{self.text} {self.value if self.value is not None else ''}".casefold()

    @property
    def order(self) -> tuple[Any, ...]:
        """Numbers before words; moments, of which days are the first, by time."""
        if isinstance(self.at, datetime):
            return (0, self.at.timestamp())
        if self.at:
            return (0, datetime(self.at.year, self.at.month, self.at.day, tzinfo=UTC).timestamp())
        if isinstance(self.value, bool | int | float):
            return (0, self.value)
        return (1, self.text.casefold())


def cell(kind: str, raw: Any) -> Cell:
    """What does not fit the column's type is shown as it came: better a strange cell than a wrong one."""
    if raw is None or raw == "":
        return Cell(type=kind)
    made = MAKERS[kind](raw) if kind in MAKERS else None
    return made or Cell(type=ColumnType.BADGE if kind == ColumnType.BADGE else ColumnType.TEXT, **plain(raw))


def plain(raw: Any) -> dict[str, Any]:
    text = as_text(raw)
    return {"value": raw if is_number(raw) else text, "text": text}


def is_number(raw: Any) -> bool:
    """One that JSON can write and others can read: Python knows NaN, 1e999 and integers of thousands of digits."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return False
    try:
        return math.isfinite(raw)
    except OverflowError:  # an integer beyond floats
        return False


def as_text(raw: Any) -> str:
    """Half a character, which JSON can hold, could not be sent to anybody."""
    if isinstance(raw, str):
        return raw.encode("utf-8", "replace").decode()
    if isinstance(raw, list) and not any(isinstance(one, list | dict) for one in raw):
        return ", ".join(as_text(one) for one in raw if one is not None)
    return as_text(json.dumps(raw, ensure_ascii=False))


def number(raw: Any) -> Cell | None:
    found = as_number(raw) if isinstance(raw, str) else raw
    return Cell(type=ColumnType.NUMBER, value=found, text=str(found)) if is_number(found) else None


def as_number(text: str) -> int | float | None:
    """Digits as programs write them. An int that Python would rather not read is no number to us either; 1_000 is none
    to anybody else.
    """
    try:
        found = int(text) if text.strip().lstrip("+-").isdigit() else float(text)
    except ValueError:
        return None
    return found if is_number(found) and "_" not in text else None


def day(raw: Any) -> Cell | None:
    """A moment's day is that of its own clock: 2026-11-22T23:30+09:00 is the 22nd."""
    try:
        found = date.fromisoformat(str(raw).strip()[:10])
    except ValueError:
        return None
    # Translators: a date in Django's date format letters ("14 Feb 2027")
    return Cell(type=ColumnType.DATE, value=found.isoformat(), text=date_format(found, _("j M Y")), at=found)


def moment(raw: Any) -> Cell | None:
    """ISO 8601, or seconds or milliseconds since 1970. Without a zone it is UTC, as APIs mean it."""
    try:
        found = since_1970(raw) if is_number(raw) else datetime.fromisoformat(str(raw).strip())
        aware = found if found.tzinfo else found.replace(tzinfo=UTC)
        local = timezone.localtime(aware)
    except (ValueError, OverflowError, OSError):
        return None
    # Translators: a date and a time in Django's date format letters ("14 Feb 2027, 17:42")
    text = date_format(local, _("j M Y, H:i"))
    return Cell(type=ColumnType.DATE_TIME, value=aware.isoformat(), text=text, at=aware)


def since_1970(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds / 1000 if abs(seconds) >= IN_MILLISECONDS else seconds, UTC)


def boolean(raw: Any) -> Cell | None:
    text = as_text(raw).strip().casefold()
    if text not in YES | NO:
        return None
    return Cell(type=ColumnType.BOOLEAN, value=text in YES, text=_("Yes") if text in YES else _("No"))


def link(raw: Any) -> Cell | None:
    """An address, or an object with `url` and `text`. Only to the web: nothing that a browser would run."""
    url, text = (raw.get("url"), raw.get("text")) if isinstance(raw, dict) else (raw, None)
    if not is_web(url):
        return Cell(type=ColumnType.TEXT, **plain(text)) if text else None
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
    ColumnType.NUMBER: number,
    ColumnType.DATE: day,
    ColumnType.DATE_TIME: moment,
    ColumnType.BOOLEAN: boolean,
    ColumnType.LINK: link,
}
