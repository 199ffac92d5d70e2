"""Moments as APIs write them: ISO 8601, RFC 2822, and numbers since 1970. What could mean two things is none.

A number counts seconds, or thousandths and so on of them, by how many digits it has; each has one reading between 1973
and 2286. Numbers with another count of digits, two-digit years and unknown time zones are not guessed at.
"""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Digits before the point → how many of these units are a second. 11 digits could be seconds or milliseconds.
UNITS_PER_SECOND = {9: 1, 10: 1, 12: 1000, 13: 1000, 16: 10**6, 19: 10**9}
DIGITS_IN_TEXTS = frozenset({10, 13, 16, 19})  # a text of 9 or 12 digits may be something else, such as 202403101530
FIRST_YEAR = 1900  # of negative numbers
YEAR_9999 = range(253_370_764_800, 253_402_300_801)  # in seconds; "never", to some

NUMBER = re.compile(r"(-?)([0-9]{1,19})(?:\.([0-9]{1,20}))?")
MICROSOFT = re.compile(r"\\?/Date\((-?[0-9]{1,18})([+-][0-9]{4})?\)\\?/")
ZONE = r"(?: ?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?))?"
ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?" + ZONE + r")?"
    r"|[0-9]{4}-W[0-9]{2}-[0-9]"
    r"|(?:19|20|21)[0-9]{6}(?:T[0-9]{4}(?:[0-9]{2}(?:[.,][0-9]+)?)?" + ZONE + r")?"
)
COMPACT = re.compile(r"((?:19|20|21)[0-9]{12})(?:(?:\.[0-9]{1,6})?Z)?")  # 20240310153000, and …Z of LDAP (RFC 4517)
DAY_FIRST = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?![0-9])")
# After a day: an interval, as 2024-03-10/2024-03-12 and 2024-03-10T10:00Z/P3D.
SEVERAL_DAYS = re.compile(r"[/–—]|[0-9]{4}-[0-9]{2}-[0-9]{2}| (?:to|until|till|-) |^-[0-9]{1,2}$", re.IGNORECASE)
WITH_SLASHES = re.compile(r"([0-9]{4})/([0-9]{2})/([0-9]{2})(?![0-9/])")  # the year is first, so the month is second
NAMED_DAY = r"(?:[A-Za-z]{3},? )?"
RFC_2822 = re.compile(
    NAMED_DAY + r"[0-9]{1,2}[ -][A-Za-z]{3}[ -][0-9]{4} [0-9]{2}:[0-9]{2}(?::[0-9]{2})?"
    r" (?:[+-][0-9]{4}|GMT|UTC|UT|Z|[ECMP][SD]T)",
    re.IGNORECASE,
)
DAY_OF_RFC_2822 = re.compile(NAMED_DAY + r"([0-9]{1,2}[ -][A-Za-z]{3}[ -][0-9]{4})")
YEAR_LAST = re.compile(r"[A-Za-z]{3} [A-Za-z]{3} [0-9]{1,2} [0-9:]{8} (?:[+-][0-9]{4}|GMT|UTC) [0-9]{4}")


def parse_moment(raw: object) -> datetime | None:
    """The moment, in its own time zone; without one it is UTC, as in most APIs. None if it can't be told for sure."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return None
    with suppress(ValueError, OverflowError, IndexError, TypeError):
        moment = parse_number(raw) if isinstance(raw, int | float) else parse_text(" ".join(raw[:100].split()))
        return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def parse_day(raw: object) -> date | None:
    """The day. That of a moment is the day in its own time zone: 2026-11-22T23:30+09:00 is the 22nd."""
    text = WITH_SLASHES.sub(r"\1-\2-\3", " ".join(raw[:100].split()), count=1) if isinstance(raw, str) else ""
    with suppress(ValueError):
        if (match := DAY_FIRST.match(text)) and not SEVERAL_DAYS.search(text[match.end() :]):
            return date.fromisoformat(match[1])
        if match := DAY_OF_RFC_2822.fullmatch(text):
            return datetime.strptime(match[1].replace("-", " "), "%d %b %Y").replace(tzinfo=UTC).date()
    moment = parse_moment(raw)
    return moment.date() if moment else None


def parse_number(number: float) -> datetime | None:
    text = str(number) if isinstance(number, int) else f"{number:.6f}"
    match = NUMBER.fullmatch(text)
    return since_1970(match) if match and int(match[2]) not in YEAR_9999 else None


def parse_text(text: str) -> datetime | None:
    if match := WITH_SLASHES.match(text):
        text = match.expand(r"\1-\2-\3") + text[match.end() :]
    if (match := NUMBER.fullmatch(text)) and len(match[2]) in DIGITS_IN_TEXTS:
        return since_1970(match)
    if match := COMPACT.fullmatch(text):
        return datetime.strptime(match[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    if match := MICROSOFT.fullmatch(text):
        return of_microsoft(match)
    named = re.sub(r"\[[\w/+-]+\]$|(?<=[0-9]) ?(UTC|GMT)$", lambda zone: "" if zone[0][0] == "[" else "Z", text)
    if ISO.fullmatch(named):
        return datetime.fromisoformat(named.upper().replace(" ", "T", 1).replace(" ", "").replace(",", "."))
    without_comment = re.sub(r" ?\([^()]*\)$", "", text)
    if RFC_2822.fullmatch(without_comment):
        return parsedate_to_datetime(re.sub(r"(?<=[0-9]) (UT|Z)$", " GMT", without_comment))
    if YEAR_LAST.fullmatch(text):
        return datetime.strptime(re.sub(r"GMT|UTC", "+0000", text), "%a %b %d %H:%M:%S %z %Y")
    return None


def since_1970(match: re.Match[str]) -> datetime | None:
    """The moment of a number, exact to the microsecond."""
    sign, digits, fraction = match[1], match[2], match[3] or ""
    units = UNITS_PER_SECOND.get(len(digits))
    if units is None:
        return None
    microseconds = int(f"{digits}{fraction[:6]:0<6}") // units
    moment = EPOCH + timedelta(microseconds=-microseconds if sign else microseconds)
    return moment if moment.year >= FIRST_YEAR else None


def of_microsoft(match: re.Match[str]) -> datetime:
    """/Date(1710103012345+0200)/: milliseconds since 1970, and the time zone in which it was written down."""
    moment = EPOCH + timedelta(milliseconds=int(match[1]))
    if not match[2]:
        return moment
    hours, minutes = int(match[2][:3]), int(match[2][0] + match[2][3:])
    return moment.astimezone(timezone(timedelta(hours=hours, minutes=minutes)))
