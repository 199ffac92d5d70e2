"""Waits, as servers announce them in headers and in bodies.

Headers: `Retry-After` (RFC 9110 §10.2.3) and its variants in milliseconds; `RateLimit-Reset` in seconds, or `RateLimit`
in the syntaxes of draft-ietf-httpapi-ratelimit-headers; `X-RateLimit-Reset` in seconds, as a Unix time, or as a date,
also of ISO 8601. Of several limits, the wait is that of those that are used up, beside what `Retry-After` asks for.
Moments count from the header `Date`, if there is one: the server's clock may differ from ours.
Bodies: members that say it, or a sentence such as "Expected available in 35 seconds".
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from foundation.oauth_client import error_documents, json_pointers
from foundation.oauth_client.default_call_words import OTHER_LIMITS
from foundation.oauth_client.error_documents import TEXT_PLACES

LONGEST_ASKED = 366 * 86_400.0  # seconds; any longer wait is treated the same
UNIX_TIME = 1_000_000_000  # larger numbers are not a duration but a Unix time
LONGEST_TEXT = 2000  # characters of a sentence

WAITS = ("Retry-After", "X-Retry-After")
WAITS_IN_MILLISECONDS = ("Retry-After-Ms", "X-Ms-Retry-After-Ms")
# X-RateLimit-Remaining, X-RateLimit-Requests-Remaining, X-RateLimit-Remaining-Tokens, X-App-Limit-24hour-Remaining
REMAINING = re.compile(rf"^(?!.*(?<![a-z])({OTHER_LIMITS})+(?![a-z]))(?=.*limit).*remaining", re.IGNORECASE)
RESETS = (
    "RateLimit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset", "X-RateLimit-Reset-After", "X-RateLimit-Retry-After",
)  # fmt: skip
RATE_LIMITS = ("ratelimit", "x-ratelimit", "beta-ratelimit")  # with both in one value
WAITS_IN_BODIES = ("/retry_after", "/retry_after_seconds", "/retry_in_seconds", "/reset_in", "/retry_delay")
MILLISECONDS_IN_BODIES = ("/retry_after_ms",)
A_WAIT = re.compile(
    r"\b(?:in|after|for|wait)(?: (?:about|another|at least))? (\d{1,7}(?:\.\d{1,9})?) ?"
    r"(ms|milliseconds?|s|secs?|seconds?|minutes?|mins?|hours?)\b",
    re.IGNORECASE,
)
# 30 seconds, 6m0s, 250ms, PT30S. Not a bare figure.
A_DURATION = re.compile(
    r"(?=.*[a-z])(?:P?T?)(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,9})?) ?s(?:ec(?:ond)?s?)?)?"
    r"(?:(\d{1,9}(?:\.\d{1,9})?) ?ms)?",
    re.IGNORECASE,
)
SEVERAL_UNITS = re.compile(r"\b(?:in|after|for|wait) ((?:\d{1,3}h)?(?:\d{1,3}m)?\d{1,5}(?:\.\d{1,9})?s)\b")  # in 1m30s
UNITS = {"ms": 0.001, "mil": 0.001, "s": 1.0, "sec": 1.0, "min": 60.0, "hou": 3600.0}  # by their first letters


def is_limited(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a rate limit is exceeded. Some servers send 403 for that."""
    return status == 429 or (status == 403 and (is_used_up(headers) or "Retry-After" in headers))


def is_used_up(headers: Mapping[str, str]) -> bool:
    """Whether the headers say that no calls remain, of one limit at least."""
    return any(_is_none(left) for left, _reset in _limits(headers))


def _limits(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is left of each limit, and when it is reset, as the headers write it; "" if they don't say.

    One header may speak of several: X-RateLimit-Remaining: 1, 1000 and X-RateLimit-Reset: 1, 1419704.
    """
    values = {name.lower(): value for name, value in headers.items()}
    for name in filter(REMAINING.match, values):
        reset = values.get(name.replace("remaining", "reset"), "")
        left, resets = values[name].split(","), reset.split(",")
        yield from zip(left, resets if len(resets) == len(left) else [reset] * len(left), strict=True)
    for name in RATE_LIMITS:
        text = values.get(name, "")
        if of_one := re.search(r"\bremaining=(\d+)(?:.*\breset=(\d+))?", text):  # to version 07 of the draft
            yield of_one[1], of_one[2] or ""
        for item in re.findall(r"(?:\"[^\"]*\"|[^,\"])+", text):
            left_of_item, reset_of_item = (re.search(rf";\s*{key}=(\d+)\b", item) for key in "rt")
            if left_of_item:
                yield left_of_item[1], reset_of_item[1] if reset_of_item else ""


def _is_none(left: str) -> bool:
    return bool(re.fullmatch(r"\s*0+(\.0*)?\s*", left))


def announced_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that the headers ask for; None if they do not say."""
    now = _server_time(headers)
    waits = [parse_seconds(headers.get(name, ""), now=now) for name in WAITS]
    waits += [_thousandth(parse_seconds(headers.get(name, ""))) for name in WAITS_IN_MILLISECONDS]
    limits = list(_limits(headers))
    waits += [parse_seconds(reset, now=now) for left, reset in limits if _is_none(left)]
    if all(wait is None for wait in waits):
        waits += [parse_seconds(headers.get(name, ""), now=now) for name in RESETS]
        if not is_used_up(headers):  # otherwise only the reset of another limit could be read
            waits += [parse_seconds(reset, now=now) for _left, reset in limits]
    return max((wait for wait in waits if wait is not None), default=None)


def wait_in_body(document: object) -> float | None:
    """Seconds that the body of a refusal for a limit asks for; None if it does not say."""
    views = error_documents.views_of(document)
    waits = [_seconds_of(json_pointers.resolve(view, place)) for view in views for place in WAITS_IN_BODIES]
    waits += [
        _thousandth(_seconds_of(json_pointers.resolve(view, place)))
        for view in views
        for place in MILLISECONDS_IN_BODIES
    ]
    if all(wait is None for wait in waits):
        waits += [_wait_in_words(json_pointers.resolve(view, place)) for view in views for place in TEXT_PLACES]
    return max((wait for wait in waits if wait is not None), default=None)


def parse_seconds(text: str, *, now: float | None = None) -> float | None:
    """Seconds from now, at most `LONGEST_ASKED`. None if the text is neither a duration nor a time.

    `now`: the Unix time from which moments count, if not that of our clock.
    """
    unlimited = parse_unlimited_seconds(text.strip(' "'), time.time() if now is None else now)
    return None if unlimited is None else min(unlimited, LONGEST_ASKED)


def parse_unlimited_seconds(text: str, now: float) -> float | None:
    if re.fullmatch(r"[0-9.]{1,20}s?(\s*,\s*[0-9.]{1,20}s?)+", text):  # the same header twice, or one for each limit
        text = text.partition(",")[0].strip()
    if duration := A_DURATION.fullmatch(text):
        days, hours, minutes, seconds, thousandths = (float(figure or 0) for figure in duration.groups())
        whole = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        return whole + thousandths / 1000 if any(duration.groups()) else None
    if re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,9})?s?", text):
        number = float(text.removesuffix("s"))
        if number > UNIX_TIME * 100:  # in milliseconds or microseconds
            number /= 1000 if number < UNIX_TIME * 100_000 else 1_000_000
        return max(0.0, number - now) if number > UNIX_TIME else number
    is_iso = re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", text)
    with suppress(TypeError, ValueError, OverflowError, IndexError):
        moment = datetime.fromisoformat(text.removesuffix(" UTC")) if is_iso else parsedate_to_datetime(text)
        return max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now)
    return None


def _server_time(headers: Mapping[str, str]) -> float | None:
    """The Unix time of the server when it answered (RFC 9110 §6.6.1); None if it doesn't say."""
    with suppress(TypeError, ValueError, OverflowError, IndexError):
        moment = parsedate_to_datetime(headers.get("Date", "").strip())
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    return None


def _seconds_of(value: object) -> float | None:
    is_figure = isinstance(value, str | int | float) and not isinstance(value, bool)
    return parse_seconds(str(value)) if is_figure else None


def _thousandth(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / 1000


def _wait_in_words(value: object) -> float | None:
    match = A_WAIT.search(value[:LONGEST_TEXT]) if isinstance(value, str) else None
    if not match:
        several = SEVERAL_UNITS.search(value[:LONGEST_TEXT]) if isinstance(value, str) else None
        return parse_seconds(several[1]) if several else None
    unit = match[2].lower()
    return float(match[1]) * UNITS.get(unit if unit in UNITS else unit[:3], 1.0)
