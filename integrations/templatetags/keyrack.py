"""Template tags and filters: moments in words, monograms, icons, safe links.

Must not know models, requests or the database: every value comes from the template.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext_lazy

from foundation.name_lists import isolate_name, join_names, join_sentences, sentence_separator
from foundation.reader_time import clock_words, date_and_time_words, date_words, full_words, time_element, with_language

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

register = template.Library()
register.filter(with_language)

HUES = 12
CUTS = (
    "M40 12v28H12A28 28 0 0 0 40 12Z",
    "M0 40 40 0v40Z",
    "M0 26h40v14H0Z",
    "M20 0a20 20 0 0 1 0 40Z",
    "M40 0v18A22 22 0 0 1 18 40H0A40 40 0 0 0 40 0Z",
    "M0 0h16v40H0Z",
    "M40 40H8a32 32 0 0 1 32-32Z",
)

MINUTE, HOUR, DAY = 60, 60 * 60, 24 * 60 * 60
# (upper bound in seconds, seconds of one unit, unit). Days and weeks reach far, because "in 30 days" says more than
# "in a month", and "in 12 weeks" more than "in 3 months".
UNITS = (
    (HOUR, MINUTE, "minute"),
    (36 * HOUR, HOUR, "hour"),
    (45 * DAY, DAY, "day"),
    (182 * DAY, 7 * DAY, "week"),
    (730 * DAY, 30 * DAY, "month"),
)
AHEAD = {
    "minute": ngettext_lazy("in %(n)d minute", "in %(n)d minutes", "n"),
    "hour": ngettext_lazy("in %(n)d hour", "in %(n)d hours", "n"),
    "day": ngettext_lazy("in %(n)d day", "in %(n)d days", "n"),
    "week": ngettext_lazy("in %(n)d week", "in %(n)d weeks", "n"),
    "month": ngettext_lazy("in %(n)d month", "in %(n)d months", "n"),
    "year": ngettext_lazy("in %(n)d year", "in %(n)d years", "n"),
}
AGO = {
    "minute": ngettext_lazy("%(n)d minute ago", "%(n)d minutes ago", "n"),
    "hour": ngettext_lazy("%(n)d hour ago", "%(n)d hours ago", "n"),
    "day": ngettext_lazy("%(n)d day ago", "%(n)d days ago", "n"),
    "week": ngettext_lazy("%(n)d week ago", "%(n)d weeks ago", "n"),
    "month": ngettext_lazy("%(n)d month ago", "%(n)d months ago", "n"),
    "year": ngettext_lazy("%(n)d year ago", "%(n)d years ago", "n"),
}
LEFT = {
    "minute": ngettext_lazy("%(n)d minute left", "%(n)d minutes left", "n"),
    "hour": ngettext_lazy("%(n)d hour left", "%(n)d hours left", "n"),
    "day": ngettext_lazy("%(n)d day left", "%(n)d days left", "n"),
    "week": ngettext_lazy("%(n)d week left", "%(n)d weeks left", "n"),
    "month": ngettext_lazy("%(n)d month left", "%(n)d months left", "n"),
    "year": ngettext_lazy("%(n)d year left", "%(n)d years left", "n"),
}


# Moments


@register.filter
def when(moment: datetime | None) -> SafeString | str:
    """The moment in words ("4 minutes ago", "Yesterday, 17:42", "14 Feb 2027"), as a <time> element."""
    return time_element(moment, _spoken(moment)) if moment else ""


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """Date and time, always both, as a <time> element."""
    return time_element(value, date_and_time_words(value)) if value else ""


@register.filter
def full_moment(value: datetime | None) -> str:
    """Date, time and zone as plain text, for mails."""
    return full_words(value) if value else ""


@register.filter
def clock(value: datetime | None) -> SafeString | str:
    """The time if it was today, else date and time."""
    if value is None:
        return ""
    today = timezone.localtime(value).date() == timezone.localdate()
    return time_element(value, clock_words(value) if today else date_and_time_words(value))


@register.filter
def day(value: datetime | None) -> SafeString | str:
    """The day without the year, for recent events."""
    if value is None:
        return ""
    # Translators: a date without the year, in Django's date format letters ("19 Nov")
    return time_element(value, date_format(timezone.localtime(value), gettext("j M")))


@register.filter
def relative(value: datetime | None) -> str:
    """The distance to a moment: "in 12 weeks", "4 minutes ago"."""
    if value is None:
        return ""
    seconds = (value - timezone.now()).total_seconds()
    if abs(seconds) < MINUTE:
        return gettext("in a moment") if seconds > 0 else gettext("just now")
    return _counted(AHEAD if seconds > 0 else AGO, abs(seconds))


@register.filter
def left(value: datetime | None) -> str:
    """The time left until a moment: "2 days left"."""
    seconds = (value - timezone.now()).total_seconds() if value else 0
    return _counted(LEFT, seconds) if seconds >= MINUTE else gettext("Less than a minute left")


@register.filter
def countdown(seconds: float | None) -> str:
    """Minutes and seconds of a short wait: 581 is "9:41"."""
    whole = max(0, int(seconds or 0))
    return f"{whole // 60}:{whole % 60:02d}"


def _counted(words: Mapping[str, "StrPromise"], seconds: float) -> str:
    size, unit = next(((size, unit) for below, size, unit in UNITS if seconds < below), (365 * DAY, "year"))
    # A minute short of two days is still "2 days" to a reader
    return words[unit] % {"n": max(1, round(seconds / size))}


def _spoken(value: datetime) -> str:
    local, now = timezone.localtime(value), timezone.localtime()
    if timedelta() <= now - local < timedelta(hours=1):
        return relative(value)
    if local.date() == now.date():
        return gettext("Today, %(time)s") % {"time": clock_words(value)}
    if local.date() == (now - timedelta(days=1)).date():
        return gettext("Yesterday, %(time)s") % {"time": clock_words(value)}
    return date_and_time_words(value) if timedelta() < local - now < timedelta(days=7) else date_words(value)


# Names and marks


@register.filter
def tile_hue(name: object) -> int:
    """One of twelve hues, derived from the name. Used as a class, because the CSP allows no inline style."""
    return _byte(name, 1) % HUES


@register.filter
def tile_cut(name: object) -> str:
    """The shape behind the letter: it tells apart two integrations of one letter and one hue."""
    return CUTS[_byte(name, 0) % len(CUTS)]


def _byte(name: object, place: int) -> int:
    # not hash(), which differs from process to process
    return hashlib.sha256(str(name).encode()).digest()[place]


@register.filter
def initial(name: object) -> str:
    """The first letter or digit, upper case."""
    return next((letter.upper()[:1] for letter in str(name) if letter.isalnum()), "?")


@register.filter
def letter_id(letter: str) -> str:
    """A letter as part of an element's id."""
    return letter if letter.isalnum() else "other"


@register.filter
def initials(name: object) -> str:
    """Up to two initials of a person, from the first and the last word."""
    words = str(name).replace(".", " ").replace("_", " ").split()
    chosen = words[:1] + words[-1:] if len(words) > 1 else words
    return "".join(initial(word) for word in chosen) or "?"


@register.filter
def bidi(name: object) -> str:
    """The name, isolated if it has right-to-left text or direction marks, so that it can't reorder its sentence."""
    return isolate_name(name)


register.filter("sentences", join_sentences)
register.simple_tag(sentence_separator, name="blank")  # between two sentences of a template


@register.filter("listed")
def list_names(names: Iterable[object]) -> str:
    """The names in one line, as the reader's language separates them."""
    return join_names(names)


@register.filter
def web_url(address: object) -> str:
    """The address if it is HTTP or HTTPS, else "": a typed `javascript:` URL must not run."""
    text = str(address or "").strip()
    return text if text.lower().startswith(("https://", "http://")) else ""


@register.filter
def own_url(address: object) -> str:
    """The address if it is on this site, else "": pages load no pictures from other sites."""
    text = str(address or "")
    return text if text.startswith("/") and not text.startswith(("//", "/\\")) else ""


@register.simple_tag
def site_host() -> str:
    """The site's host, from SITE_URL: the page for a wrong Host header can't ask the request."""
    return str(urlsplit(settings.SITE_URL).netloc)


@register.simple_tag
@lru_cache
def icon(name: str, extra: str = "") -> SafeString:
    """A symbol of the sprite in _icons.html, hidden from screen readers."""
    classes = " ".join(filter(None, ("i", "spin" if name == "spin" else "", extra)))
    return format_html('<svg class="{}" aria-hidden="true"><use href="#i-{}"/></svg>', classes, name)


@register.filter
def message_tone(level_tag: str) -> str:
    """The tone of a toast, from the level of a Django message."""
    return {"error": "bad", "warning": "warn", "success": "ok"}.get(level_tag, "info")


@register.filter
def tone_icon(tone: str) -> str:
    """The symbol that says the same as the tone, for readers who don't see colour."""
    return {"bad": "alert", "warn": "alert", "ok": "ok"}.get(tone, "info")
