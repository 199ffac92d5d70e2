"""Time zones by name, and the zone and language in which the reader of a page or mail is told times and texts.

The reader's zone is Django's current zone, set for one request or one mail. Without one, times are in the site's zone,
which is then named beside each time. Knows no requests and no users.
"""

import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from functools import cache

from django.conf import settings
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

REGIONS = frozenset(
    ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
)
UTC = "UTC"
LANGUAGE_PARAMETER = "language"  # of an address; chooses the language of the browser that opens it
_zone_is_readers: ContextVar[bool] = ContextVar("zone_is_readers", default=False)


@cache
def zone_names() -> frozenset[str]:
    """Every name of the time zone database."""
    return frozenset(zoneinfo.available_timezones())


@cache
def zones_by_region() -> dict[str, list[str]]:
    """Names to choose from, by continent or ocean; without the database's older and technical ones."""
    regions: dict[str, list[str]] = {}
    for name in sorted(zone_names()):
        region, separator, _place = name.partition("/")
        if separator and region in REGIONS:
            regions.setdefault(region, []).append(name)
    return regions


def zone_named(name: str) -> zoneinfo.ZoneInfo | None:
    """Return the zone of this name; None if there is none. The name may come from outside."""
    return zoneinfo.ZoneInfo(name) if name in zone_names() else None


@contextmanager
def in_zone(name: str) -> Iterator[None]:
    """Tell times in this zone. An unknown name or "" means the site's zone, named beside each time."""
    zone = zone_named(name)
    mark = _zone_is_readers.set(zone is not None)
    try:
        with timezone.override(zone):
            yield
    finally:
        _zone_is_readers.reset(mark)


@contextmanager
def as_read_by(*, time_zone: str, language: str) -> Iterator[None]:
    """Tell times and texts as this reader wants them; "" leaves the site's."""
    with in_zone(time_zone), translation.override(language or translation.get_language()):
        yield


def with_language(url: str) -> str:
    """The address, for a page in the current language. Unchanged if that is the site's."""
    language = translation.get_language()
    if language == settings.LANGUAGE_CODE:
        return url
    address, mark, fragment = url.partition("#")
    return f"{address}{'&' if '?' in address else '?'}{LANGUAGE_PARAMETER}={language}{mark}{fragment}"


def is_readers_zone() -> bool:
    """Whether the current zone is known to be the reader's. If not, times have to name it."""
    return _zone_is_readers.get()


def zone_label(moment: datetime) -> str:
    """Name of the current zone as people read it, at this moment: "UTC", "CET", "Sao Paulo (UTC-03:00)"."""
    local = timezone.localtime(moment)
    short = local.tzname() or ""
    if short.isalpha():
        return short
    place = timezone.get_current_timezone_name().rpartition("/")[2].replace("_", " ")
    return f"{place} ({offset_of(local)})"


def full_zone_label(moment: datetime) -> str:
    """Name of the current zone where no page explains it: "UTC", "Asia/Tokyo (UTC+09:00)"."""
    name = timezone.get_current_timezone_name()
    return name if name == UTC else f"{name.replace('_', ' ')} ({offset_of(timezone.localtime(moment))})"


def offset_of(local: datetime) -> str:
    """Distance from UTC: "UTC+05:30"."""
    digits = local.strftime("%z")
    return f"{UTC}{digits[:3]}:{digits[3:5]}"


# Moments in texts -----------------------------------------------------------------------------------------------------


def date_words(moment: datetime) -> str:
    return day_words(timezone.localtime(moment).date())


def day_words(day: date | None) -> str:
    # Translators: a date in Django's date format letters ("14 Feb 2027")
    return date_format(day, gettext("j M Y")) if day else ""


def clock_words(moment: datetime) -> str:
    """The time of day; with its zone, if that isn't known to be the reader's."""
    # Translators: a time of day in Django's date format letters ("17:42")
    words = date_format(timezone.localtime(moment), gettext("H:i"))
    return words if is_readers_zone() else f"{words} {zone_label(moment)}"


def date_and_time_words(moment: datetime) -> str:
    return gettext("%(date)s, %(time)s") % {"date": date_words(moment), "time": clock_words(moment)}


def full_words(moment: datetime) -> str:
    """Date, time and zone, where no page explains them."""
    # Translators: a date and a time in Django's date format letters ("14 Feb 2027, 17:42"); the zone comes after it
    words = date_format(timezone.localtime(moment), gettext("j M Y, H:i"))
    return f"{words} {full_zone_label(moment)}"


def time_element(moment: datetime, words: str) -> SafeString:
    """The words as a <time> element, with date, time and zone in its title."""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(timespec="seconds"), full_words(moment), words
    )
