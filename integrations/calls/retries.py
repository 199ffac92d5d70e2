"""One call, and what is tried before its answer is final: a renewal after a 401, and repetitions if they are wanted."""

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
AWAY = frozenset({502, 503, 504})  # what a server says in place of the one behind it; a plain 500 is about one call
ENOUGH_TO_TELL = 2.0  # seconds; who gives a server less than that has learnt nothing about it from a timeout


class Answer(Protocol):
    status_code: int

    @property
    def headers(self) -> Mapping[str, str]: ...
    def close(self) -> None: ...


class Held(Protocol):
    """A token, open: as a row, or as part of a `tokens.ReadyCall`."""

    @property
    def pk(self) -> UUID: ...
    @property
    def version(self) -> int: ...
    @property
    def access_token(self) -> str: ...


A = TypeVar("A", bound=Answer)
Ask = Callable[[str, float], A]  # with an access token, and the seconds that are left


@dataclass(frozen=True, kw_only=True)
class Terms:
    """When a call must be over, how often it may be repeated, and whether that can be done now."""

    ends_at: float
    retries: int
    repeatable: Callable[[], bool]

    def seconds_left(self) -> float:
        return self.ends_at - monotonic()

    def let_another(self, tries: int) -> bool:
        return tries <= min(self.retries, MOST_RETRIES) and self.repeatable()


def answered(ask: Ask[A], token: Held, terms: Terms) -> A:
    """A 401 forces one renewal, and one more call where repeating does no harm."""
    answer = patiently(ask, token.access_token, terms)
    if answer.status_code != 401:
        return answer
    stored = row_of(token)
    if stored and stored.renews_itself:
        with ExitStack() as unless_told:
            unless_told.callback(answer.close)
            renewed = renewal.renew(token)
            if not terms.repeatable() or terms.seconds_left() <= 0:
                unless_told.pop_all()
                return answer
        return ask(renewed.access_token, terms.seconds_left())
    if stored and names_the_token(answer):
        renewal.refused(stored)
    return answer


def patiently(ask: Ask[A], access_token: str, terms: Terms) -> A:
    """What may pass is asked again while there are retries and time; else it is the answer."""
    tries = 1
    while True:
        try:
            answer = ask(access_token, terms.seconds_left())
        except Unreachable as error:
            wait = rate_limits.guess(tries)
            if error.code == "provider_down" or not terms.let_another(tries) or wait >= terms.seconds_left():
                raise
        else:
            if not rate_limits.may_pass(answer.status_code, answer.headers) or not terms.let_another(tries):
                return answer
            wait = rate_limits.pause(answer.headers, tries)
            if wait >= terms.seconds_left():
                return answer
            answer.close()
        renewal.release_connection()
        time.sleep(wait)
        tries += 1


def row_of(token: Held) -> Token | None:
    return token if isinstance(token, Token) else Token.objects.with_registry().filter(pk=token.pk).first()


def names_the_token(answer: Answer) -> bool:
    """It is the token itself that the third party no longer accepts (RFC 6750 §3.1), not something about this call."""
    return "invalid_token" in answer.headers.get("WWW-Authenticate", "")


def guarded(
    call: Callable[[], A],
    registry: ApplicationRegistry,
    url: str,
    seconds: float,
    *,
    release: Callable[[], None] = renewal.release_connection,
) -> A:
    """The call, unless the server is known to be down; and what it tells about the server as a whole."""
    if not circuit_breaker.allows(registry, url):
        raise Unreachable("provider_down")
    release()
    try:
        answer = call()
    except OAuthError as error:
        if seconds >= ENOUGH_TO_TELL or error.code != "timeout":
            circuit_breaker.note(registry, url, error)
        raise
    if answer.status_code in AWAY:
        circuit_breaker.note(registry, url, away(answer))
    elif answer.status_code < 500:
        circuit_breaker.note(registry, url)
    return answer


def away(answer: Answer) -> Unreachable:
    retry_after = rate_limits.seconds(answer.headers.get("Retry-After", ""))
    error = Unreachable(f"http_{answer.status_code}", retry_after=retry_after)
    error.status = answer.status_code
    return error
