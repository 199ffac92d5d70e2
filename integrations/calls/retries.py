"""One call with its retries: a renewal after a 401, and repetitions after transient failures.

Waits as long as the server says (RFC 9110 §10.2.3), or longer with each try. Servers announce rate limits in several
ways: `Retry-After`; `RateLimit-Reset` in seconds, or `RateLimit: …;t=…` (draft-ietf-httpapi-ratelimit-headers);
`X-RateLimit-Reset` in seconds, as a Unix time, or as a date.
"""

import random
import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Protocol, TypeVar
from uuid import UUID

from foundation import database
from foundation.oauth_client.errors import OAuthError, Unreachable
from integrations import circuit_breaker
from integrations.connections import renewal
from integrations.models.registry import ApplicationRegistry
from integrations.models.tokens import Token

TRANSIENT = frozenset({408, 425, 429, 502, 503, 504})
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0  # seconds, if the server does not say; doubled each time
LONGEST_ASKED = 366 * 86_400.0  # seconds; any longer wait is treated the same
UNIX_TIME = 1_000_000_000  # larger numbers are not a duration but a Unix time
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110 §9.2.2, without TRACE
MOST_RETRIES = 5
AWAY = frozenset({502, 503, 504})  # sent by a gateway for the server behind it; a plain 500 is about one call
ENOUGH_TO_TELL = 2.0  # seconds; a shorter timeout proves nothing about the server


def is_transient(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the same call may succeed later."""
    return status in TRANSIENT or is_limited(status, headers)


def is_limited(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a rate limit is exceeded. Some servers send 403 for that."""
    return status == 429 or (status == 403 and (is_used_up(headers) or "Retry-After" in headers))


def is_used_up(headers: Mapping[str, str]) -> bool:
    """Whether the headers say that no calls remain."""
    remaining = [headers.get(f"{prefix}RateLimit-Remaining", "").strip() for prefix in ("", "X-")]
    return "0" in remaining or bool(re.search(r";\s*r=0\b", headers.get("RateLimit", "")))


def pause(headers: Mapping[str, str], tries: int) -> float:
    """Seconds to wait. `tries`: the number of calls so far."""
    announced = announced_wait(headers)
    return guess_pause(tries) if announced is None else announced


def announced_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks for; None if it does not say."""
    waits = [parse_seconds(headers.get("Retry-After", ""))]
    if is_used_up(headers) or waits == [None]:
        waits += [parse_seconds(headers.get(name, "")) for name in ("RateLimit-Reset", "X-RateLimit-Reset")]
        waits += [float(number) for number in re.findall(r";\s*t=([0-9]{1,9})\b", headers.get("RateLimit", ""))]
    return max((wait for wait in waits if wait is not None), default=None)


def guess_pause(tries: int) -> float:
    """Seconds to wait if the server does not say."""
    longest = min(FIRST_PAUSE * 2.0 ** (tries - 1), LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


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
    with suppress(TypeError, ValueError, OverflowError, IndexError):
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    return None


class Answer(Protocol):
    """A response, buffered or streamed."""

    status_code: int

    @property
    def headers(self) -> Mapping[str, str]: ...
    def close(self) -> None: ...


class UsableToken(Protocol):
    """A decrypted token: a model instance or a `renewal.ReadyCall`."""

    @property
    def pk(self) -> UUID: ...
    @property
    def version(self) -> int: ...
    @property
    def access_token(self) -> str: ...


A = TypeVar("A", bound=Answer)
Call = Callable[[str, float], A]  # with an access token, and the seconds that are left


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Deadline of a call, number of retries, and whether it can be repeated now."""

    ends_at: float
    retries: int
    repeatable: Callable[[], bool]

    def seconds_left(self) -> float:
        return self.ends_at - monotonic()

    def allow_retry(self, tries: int) -> bool:
        return tries <= min(self.retries, MOST_RETRIES) and self.repeatable()


def call_with_renewal(call: Call[A], token: UsableToken, terms: Terms) -> A:
    """Call with retries. A 401 forces one renewal, and one more call if it can be repeated."""
    answer = call_with_retries(call, token.access_token, terms)
    if answer.status_code != 401:
        return answer
    stored = row_of(token)
    if stored and stored.renews_itself:
        with ExitStack() as on_error:
            on_error.callback(answer.close)
            renewed = renewal.renew(token, is_rejected=True)
            if not terms.repeatable() or terms.seconds_left() <= 0:
                on_error.pop_all()
                return answer
        return call(renewed.access_token, terms.seconds_left())
    if stored and names_the_token(answer):
        renewal.reject_token(stored)
    return answer


def call_with_retries(call: Call[A], access_token: str, terms: Terms) -> A:
    """Repeat the call after transient failures, while there are retries and time left."""
    tries = 1
    while True:
        try:
            answer = call(access_token, terms.seconds_left())
        except Unreachable as error:
            wait = guess_pause(tries)
            if error.code == "provider_down" or not terms.allow_retry(tries) or wait >= terms.seconds_left():
                raise
        else:
            if not is_transient(answer.status_code, answer.headers) or not terms.allow_retry(tries):
                return answer
            wait = pause(answer.headers, tries)
            if wait >= terms.seconds_left():
                return answer
            answer.close()
        database.release_connection()
        time.sleep(wait)
        tries += 1


def row_of(token: UsableToken) -> Token | None:
    return token if isinstance(token, Token) else Token.objects.with_registry().filter(pk=token.pk).first()


def names_the_token(answer: Answer) -> bool:
    """Whether a 401 is about the token itself (RFC 6750 §3.1), not about this call."""
    return "invalid_token" in answer.headers.get("WWW-Authenticate", "")


def call_unless_down(
    call: Callable[[], A],
    registry: ApplicationRegistry,
    url: str,
    seconds: float,
    *,
    release: Callable[[], None] = database.release_connection,
) -> A:
    """Make the call unless the circuit is open, and report the result to the circuit breaker."""
    if not circuit_breaker.allows(registry, url):
        raise Unreachable("provider_down")
    release()
    try:
        answer = call()
    except OAuthError as error:
        if seconds >= ENOUGH_TO_TELL or error.code != "timeout":
            circuit_breaker.record_result(registry, url, error)
        raise
    if answer.status_code in AWAY:
        circuit_breaker.record_result(registry, url, error_of(answer))
    elif answer.status_code < 500:
        circuit_breaker.record_result(registry, url)
    return answer


def error_of(answer: Answer) -> Unreachable:
    retry_after = parse_seconds(answer.headers.get("Retry-After", ""))
    error = Unreachable(f"http_{answer.status_code}", retry_after=retry_after)
    error.status = answer.status_code
    return error
