"""Lifetimes of tokens, as servers write them: seconds, a moment, or a duration of ISO 8601.

What can't be read in one way is None: a guess would end tokens that live, or keep dead ones.
"""

import re
from collections.abc import Callable

from foundation.oauth_client.provider_profile.rules import seconds_until

MAX_LIFETIME = 10 * 365 * 86400
# Members that count seconds, in the order of preference; the first stands beside one in milliseconds (Zoho).
DURATIONS = (
    "expires_in_sec", "expires_in", "expire_in", "expires_in_seconds", "access_token_expires_in", "token_expires_in",
    "access_token_expire_in", "access_expires_in", "expires", "expire",
)  # fmt: skip
MOMENTS = (
    "expires_in", "expires_at", "expires_on", "expires", "expire_at", "expire_time", "expiry", "expiration",
    "expiration_date", "expiration_time", "valid_until", "access_token_expires_at", "token_expires_at", ".expires",
)  # fmt: skip
REFRESH_DURATIONS = (
    "refresh_expires_in", "refresh_token_expires_in", "x_refresh_token_expires_in", "refresh_token_expire_in",
    "refresh_expire_in", "re_expires_in", "refresh_token_validity_seconds", "refresh_token_expires",
)  # fmt: skip
REFRESH_MOMENTS = ("refresh_token_expires_at", "refresh_expires_at", "refresh_token_expires_on")
FIRST_MOMENT = 1_000_000_000  # a larger figure may be a moment since 1970
_ISO_DURATION = re.compile(
    r"P(?:(\d{1,5})W|(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})(?:\.\d{1,9})?S)?)?)"
)
# 3600s, as protobuf writes durations; 1h and 7d, as libraries of Node.js do. Not 60m, which may be months.
_WITH_UNIT = re.compile(
    r"(\d{1,10}(?:\.\d{1,9})?) ?"
    r"(?:(s(?:ec(?:ond)?s?)?)|(min(?:ute)?s?)|(h(?:(?:ou)?rs?)?)|(d(?:ays?)?)|(w(?:eeks?)?))",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(?:(\d{1,4})\.)?(\d{1,2}):(\d\d):(\d\d)(?:\.\d+)?")  # a TimeSpan of .NET
_WEEK, _DAY, _HOUR, _MINUTE = 7 * 86400, 86400, 3600, 60

Member = Callable[[str], object]


def read_lifetime(member: Member) -> int | None:
    """Seconds of the access token, from the members of a token response, by their usual names.

    Zero and -1 are how some servers say "never": no server issues a dead token. So they tell no lifetime.
    """
    for name in DURATIONS:
        if (seconds := seconds_of(member(name))) is not None:
            return seconds or None
    for name in MOMENTS:
        if (left := seconds_until(member(name))) is not None:
            return seconds_of(left)
    return None


def read_refresh_lifetime(member: Member) -> int | None:
    """Seconds of the refresh token, or None. Zero is how Keycloak says "never" (offline tokens)."""
    if seconds := next((each for name in REFRESH_DURATIONS if (each := seconds_of(member(name)))), None):
        return seconds
    moments = (seconds_until(member(name)) for name in REFRESH_MOMENTS)
    return next((seconds_of(left) for left in moments if left is not None), None)


def seconds_of(value: object) -> int | None:
    """Seconds of a figure, also as text, of a moment in place of a figure, or of a duration. None for anything else."""
    if isinstance(value, str):
        value = _of_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    except OverflowError:  # an integer beyond floats
        seconds = float("inf") if int(value) > 0 else 0.0
    if seconds != seconds:  # NaN
        return None
    if seconds >= FIRST_MOMENT and (left := seconds_until(value)) is not None and left < MAX_LIFETIME:
        seconds = left
    return int(min(max(seconds, 0.0), MAX_LIFETIME))


def _of_text(text: str) -> str | float:
    """The seconds of a duration; any other text as it is."""
    if (match := _ISO_DURATION.fullmatch(text)) and any(match.groups()):
        figures = (int(figure or 0) for figure in match.groups())
        return float(sum(figure * unit for figure, unit in zip(figures, (_WEEK, _DAY, _HOUR, _MINUTE, 1), strict=True)))
    if match := _CLOCK.fullmatch(text):
        figures = (int(figure or 0) for figure in match.groups())
        return float(sum(figure * unit for figure, unit in zip(figures, (_DAY, _HOUR, _MINUTE, 1), strict=True)))
    if match := _WITH_UNIT.fullmatch(text):
        units = zip(match.groups()[1:], (1, _MINUTE, _HOUR, _DAY, _WEEK), strict=True)
        return float(match[1]) * next(unit for word, unit in units if word)
    return text
