"""Apply the rules of a provider profile to a response: the first rule that matches says what it means.

Knows neither which error class a meaning becomes nor what follows from it. Opens no socket.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from requests import Response

from foundation.oauth_client import json_pointers, response_bodies
from foundation.oauth_client.provider_profile.format import ProviderProfile
from foundation.oauth_client.provider_profile.rule_format import (
    Condition,
    Place,
    Request,
    Rule,
    Texts,
    Wait,
    texts,
)

LONGEST_TEXT = 20_000  # characters of a body that patterns are searched for in
LONGEST_WAIT = 86400.0  # seconds
# With a zone, in ISO 8601 or as HTTP has it.
A_MOMENT = (
    r"\d{4}-\d\d-\d\d[T ].{5,20}(Z|[+-]\d\d:?\d\d)"
    r"|[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} [0-9:]{8} (GMT|[+-]\d{4})"
)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a server answered, as the rules see it. `document`: its JSON value or form; None if it is neither."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)  # case-insensitive, as requests has them
    document: object = None
    text: str = ""


def reply_of(response: Response, document: object = None) -> Reply:
    """The reply of a response whose body has been read. `document`: the body, if it was parsed already."""
    text = response.content[: 4 * LONGEST_TEXT].decode("utf-8", "replace")[:LONGEST_TEXT]
    if document is None:
        document = json_of(response.content, response.headers.get("Content-Type", ""))
    return Reply(status=response.status_code, headers=response.headers, document=document, text=text)


def json_of(content: bytes, content_type: str = "") -> object:
    try:
        return response_bodies.parse_json(content, content_type)
    except ValueError:
        return None


def find_rule(profile: ProviderProfile, request: Request, reply: Reply) -> Rule | None:
    """The first rule for this kind of request that matches the reply."""
    values: dict[Texts, list[object]] = {}  # those at the places of conditions, of which many rules share the same
    for rule in profile.rules:
        kinds = (rule.request,) if isinstance(rule.request, str) else rule.request
        statuses = (rule.status,) if isinstance(rule.status, int) else rule.status
        if request not in kinds or (statuses and reply.status not in statuses):
            continue
        if all(is_met(condition, reply, values) for condition in rule.when):
            return rule
    return None


def is_met(condition: Condition, reply: Reply, values: dict[Texts, list[object]]) -> bool:
    return any(_fits(condition, value) for value in _candidates(condition, reply, values)) is not condition.absent


def _candidates(condition: Condition, reply: Reply, values: dict[Texts, list[object]]) -> list[object]:
    if condition.text:
        return [reply.text]
    if condition.header:
        return [reply.headers.get(condition.header)]
    if condition.at not in values:
        resolved = [json_pointers.resolve(reply.document, pointer) for pointer in texts(condition.at)]
        there = [value for value in resolved if value is not None]
        values[condition.at] = there if len(there) == len(resolved) else [*there, None]
    return values[condition.at]


def _fits(condition: Condition, value: object) -> bool:
    if value is None:
        return condition.equals is None
    if condition.matches:
        return isinstance(value, str | int | float) and bool(
            re.search(condition.matches, str(value)[:LONGEST_TEXT], re.IGNORECASE)
        )
    if condition.equals == ():
        return value not in ({}, [])
    expected = condition.equals if isinstance(condition.equals, tuple) else (condition.equals,)
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in expected)


def value_at(place: Place | Wait, reply: Reply) -> str:
    """The value at a place, as text; "" if there is none."""
    candidates: list[object] = [reply.headers.get(place.header)] if place.header else []
    candidates += [json_pointers.resolve(reply.document, pointer) for pointer in texts(place.at)]
    for value in candidates:
        if isinstance(value, list):
            value = " ".join(str(each) for each in value if isinstance(each, str))
        if not isinstance(value, str | int | float) or isinstance(value, bool) or value == "":
            continue
        text = str(value)[:LONGEST_TEXT]
        if not place.pattern:
            return text
        if match := re.search(place.pattern, text, re.IGNORECASE):
            return match[1] if match.re.groups else match[0]
    return ""


def seconds_to_wait(waits: tuple[Wait, ...], reply: Reply) -> float | None:
    """The longest of the waits that the reply names, in seconds; None if it names none."""
    seconds = [each for wait in waits if (each := _seconds(wait, reply)) is not None]
    return max(seconds) if seconds else None


def _seconds(wait: Wait, reply: Reply) -> float | None:
    text = value_at(wait, reply)
    seconds = seconds_from(text, wait.unit) if text else None
    if seconds is None:
        seconds = float(wait.seconds) if wait.seconds else None
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT)


def seconds_from(text: str, unit: str) -> float | None:
    """Seconds from now for a duration or a moment as text; None if it is neither."""
    if unit == "date":
        moment = _moment(text)
        return None if moment is None else (moment - datetime.now(UTC)).total_seconds()
    try:
        number = float(text)
    except ValueError:
        return None
    if number != number or abs(number) == float("inf"):
        return None
    number = number / 1000 if unit.endswith("milliseconds") else number
    return number - datetime.now(UTC).timestamp() if unit.startswith("epoch") else number


def seconds_until(value: object) -> float | None:
    """Seconds until a moment that can be read in one way only and is still to come; None for anything else.

    That is ISO 8601 or a date of HTTP, both with a zone, or the time since 1970 in seconds (ten digits) or
    milliseconds (thirteen), also as older servers of Microsoft write it: /Date(1893456000000)/.
    """
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    if re.fullmatch(r"[12][0-9]{9}(\.[0-9]+)?", text):
        seconds = seconds_from(text, "epoch_seconds")
    elif milliseconds := re.fullmatch(r"(?:\\?/Date\()?([12][0-9]{12})(?:[+-]\d{4})?(?:\)\\?/)?", text):
        seconds = seconds_from(milliseconds[1], "epoch_milliseconds")
    elif re.fullmatch(A_MOMENT, text):
        seconds = seconds_from(text, "date")
    else:
        return None
    return seconds if seconds and seconds > 0 else None


def _moment(text: str) -> datetime | None:
    """A moment as ISO 8601 or RFC 9110 has it; UTC where it names no zone."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
        except (TypeError, ValueError, IndexError, OverflowError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
