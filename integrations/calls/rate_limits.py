"""Rate limits, as servers announce them in headers.

`Retry-After` (RFC 9110 §10.2.3); `RateLimit-Reset` in seconds, or `RateLimit: …;t=…`
(draft-ietf-httpapi-ratelimit-headers); `X-RateLimit-Reset` in seconds, as a Unix time, or as a date, also of ISO 8601.
"""

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_ASKED = 366 * 86_400.0  # seconds; any longer wait is treated the same
UNIX_TIME = 1_000_000_000  # larger numbers are not a duration but a Unix time


def is_limited(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a rate limit is exceeded. Some servers send 403 for that."""
    return status == 429 or (status == 403 and (is_used_up(headers) or "Retry-After" in headers))


def is_used_up(headers: Mapping[str, str]) -> bool:
    """Whether the headers say that no calls remain."""
    remaining = [headers.get(f"{prefix}RateLimit-Remaining", "").strip() for prefix in ("", "X-")]
    return "0" in remaining or bool(re.search(r";\s*r=0\b", headers.get("RateLimit", "")))


def announced_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks for; None if it does not say."""
    waits = [parse_seconds(headers.get("Retry-After", ""))]
    if is_used_up(headers) or waits == [None]:
        waits += [parse_seconds(headers.get(name, "")) for name in ("RateLimit-Reset", "X-RateLimit-Reset")]
        waits += [float(number) for number in re.findall(r";\s*t=([0-9]{1,9})\b", headers.get("RateLimit", ""))]
    return max((wait for wait in waits if wait is not None), default=None)


def parse_seconds(text: str) -> float | None:
    """Seconds from now, at most `LONGEST_ASKED`. None if the text is neither a duration nor a time."""
    unlimited = parse_unlimited_seconds(text.strip())
    return None if unlimited is None else min(unlimited, LONGEST_ASKED)


def parse_unlimited_seconds(text: str) -> float | None:
    if re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,9})?", text):
        number = float(text)
        if number > UNIX_TIME * 100:  # in milliseconds
            number /= 1000
        return max(0.0, number - time.time()) if number > UNIX_TIME else number
    parse = datetime.fromisoformat if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T", text) else parsedate_to_datetime
    with suppress(TypeError, ValueError, OverflowError, IndexError):
        moment = parse(text)
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    return None
