"""One call with its retries: a renewal after a 401, and repetitions after transient failures."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic
from typing import Protocol, TypeVar
from uuid import UUID

from foundation.oauth_client.errors import OAuthError, Unreachable
from integrations import circuit_breaker
from integrations.calls import rate_limits
from integrations.connections import renewal
from integrations.models.registry import ApplicationRegistry
from integrations.models.tokens import Token

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110 §9.2.2, without TRACE
MOST_RETRIES = 5
AWAY = frozenset({502, 503, 504})  # sent by a gateway for the server behind it; a plain 500 is about one call
ENOUGH_TO_TELL = 2.0  # seconds; a shorter timeout proves nothing about the server


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
            renewed = renewal.renew(token)
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
            wait = rate_limits.guess_pause(tries)
            if error.code == "provider_down" or not terms.allow_retry(tries) or wait >= terms.seconds_left():
                raise
        else:
            if not rate_limits.is_transient(answer.status_code, answer.headers) or not terms.allow_retry(tries):
                return answer
            wait = rate_limits.pause(answer.headers, tries)
            if wait >= terms.seconds_left():
                return answer
            answer.close()
        renewal.release_connection()
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
    release: Callable[[], None] = renewal.release_connection,
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
    retry_after = rate_limits.parse_seconds(answer.headers.get("Retry-After", ""))
    error = Unreachable(f"http_{answer.status_code}", retry_after=retry_after)
    error.status = answer.status_code
    return error
