"""How long a server wants us to wait before we ask again, by its own words (RFC 9110 §10.2.3) or by the count of tries.

Rate limits are told in several dialects: `Retry-After`; `RateLimit-Reset` in seconds, or `RateLimit: …;t=…`
(draft-ietf-httpapi-ratelimit-headers); `X-RateLimit-Reset` in seconds, as a moment since 1970, or as a date.
"""

import random
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import time

TRANSIENT = frozenset({408, 425, 429, 502, 503, 504})
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0  # seconds, where the server does not say; doubled each time
LONGEST_ASKED = 366 * 86_400.0  # seconds; a longer wait means the same to everybody here
A_MOMENT = 1_000_000_000  # more seconds than anybody lets us wait: counted since 1970


def may_pass(status: int, headers: Mapping[str, str]) -> bool:
    """The same question may be answered later."""
    return status in TRANSIENT or is_limited(status, headers)


def is_limited(status: int, headers: Mapping[str, str]) -> bool:
    """Asked too often. A used-up limit is told as 403 as well."""
    return status == 429 or (status == 403 and (is_used_up(headers) or "Retry-After" in headers))


def is_used_up(headers: Mapping[str, str]) -> bool:
    told = [headers.get(f"{prefix}RateLimit-Remaining", "").strip() for prefix in ("", "X-")]
    return "0" in told or bool(re.search(r";\s*r=0\b", headers.get("RateLimit", "")))


def pause(headers: Mapping[str, str], tries: int) -> float:
    """Seconds. `tries`: how many there have been."""
    asked = asked_for(headers)
    return guess(tries) if asked is None else asked


def asked_for(headers: Mapping[str, str]) -> float | None:
    """Seconds; None where the server does not say."""
    told = [seconds(headers.get("Retry-After", ""))]
    if is_used_up(headers) or told == [None]:
        told += [seconds(headers.get(name, "")) for name in ("RateLimit-Reset", "X-RateLimit-Reset")]
        told += [float(found) for found in re.findall(r";\s*t=([0-9]{1,9})\b", headers.get("RateLimit", ""))]
    known = [each for each in told if each is not None]
    return max(known, default=None)


def guess(tries: int) -> float:
    longest = min(FIRST_PAUSE * 2.0 ** (tries - 1), LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def seconds(text: str) -> float | None:
    """Seconds from now, `LONGEST_ASKED` at most; None where the text says neither a duration nor a moment."""
    found = unlimited_seconds(text.strip())
    return None if found is None else min(found, LONGEST_ASKED)


def unlimited_seconds(text: str) -> float | None:
    if re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,9})?", text):
        number = float(text)
        if number > A_MOMENT * 100:  # in milliseconds
            number /= 1000
        return max(0.0, number - time()) if number > A_MOMENT else number
    with suppress(TypeError, ValueError, OverflowError, IndexError):
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    return None
