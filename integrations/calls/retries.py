"""One call with its retries: a renewal when the token is refused, and repetitions after transient failures.

Waits as long as the third party says (RFC 9110 §10.2.3), or longer with each try. `meanings` says what an answer means.
"""

import random
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from time import monotonic
from typing import Protocol, TypeVar

from foundation import database
from foundation.oauth_client.announced_waits import announced_wait, is_limited, parse_seconds
from foundation.oauth_client.errors import OAuthError, Unreachable
from integrations import circuit_breaker
from integrations.calls.meanings import NOTHING_SAID, AnswerMeaning
from integrations.connections import renewal
from integrations.models.registry import ApplicationRegistry
from integrations.models.tokens import Token, TokenState

TRANSIENT = frozenset({408, 420, 425, 429, 430, 502, 503, 504, 529})
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0  # seconds, if the server does not say; doubled each time
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110 §9.2.2, without TRACE
MOST_RETRIES = 5
AWAY = frozenset({502, 503, 504})  # sent by a gateway for the server behind it; a plain 500 is about one call
ENOUGH_TO_TELL = 10.0  # seconds; a caller with a shorter timeout may be impatient with a slow page


def is_transient(status: int, headers: Mapping[str, str], meaning: AnswerMeaning = NOTHING_SAID) -> bool:
    """Whether the same call may succeed later."""
    return meaning.is_passing if meaning.code else status in TRANSIENT or is_limited(status, headers)


def pause(headers: Mapping[str, str], tries: int) -> float:
    """Seconds to wait. `tries`: the number of calls so far."""
    announced = announced_wait(headers)
    return guess_pause(tries) if announced is None else announced


def guess_pause(tries: int) -> float:
    """Seconds to wait if the server does not say."""
    longest = min(FIRST_PAUSE * 2.0 ** (tries - 1), LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


class Answer(Protocol):
    """A response, buffered or streamed."""

    status_code: int

    @property
    def headers(self) -> Mapping[str, str]: ...
    def close(self) -> None: ...


A = TypeVar("A", bound=Answer)
Call = Callable[[str, float], A]  # with an access token, and the seconds that are left


Read = Callable[[A], AnswerMeaning]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Deadline of a call, number of retries, and what may be sent again.

    `is_idempotent`: whether a call may be repeated although the third party may have acted on it. `can_resend`: whether
    the body is still there.
    """

    ends_at: float
    retries: int
    is_idempotent: bool
    can_resend: Callable[[], bool]

    def seconds_left(self) -> float:
        return self.ends_at - monotonic()

    def allow_retry(self, tries: int) -> bool:
        return tries <= min(self.retries, MOST_RETRIES) and self.is_idempotent and self.can_resend()

    def allow_renewed_call(self, meaning: AnswerMeaning) -> bool:
        """Whether to call once more with a new token, after an answer that refused the old one."""
        return (self.is_idempotent or meaning.repeatable) and self.can_resend() and self.seconds_left() > 0


def call_with_renewal(
    call: Call[A], token: renewal.UsableToken, terms: Terms, read: Read[A]
) -> tuple[A, AnswerMeaning]:
    """Call with retries. An answer that refuses the token forces one renewal, and one more call if that is safe."""
    answer, meaning = call_with_retries(call, token.access_token, terms, read)
    if not meaning.is_about_the_token:
        return answer, meaning
    stored = Token.objects.with_registry().filter(pk=token.pk).first()  # as it is now
    if stored is None:
        return answer, meaning
    if stored.version == token.version and not stored.renews_itself:
        note_refusal(stored, meaning)
        return answer, meaning
    with ExitStack() as on_error:
        on_error.callback(answer.close)
        renewed = renewal.renew_refused(token, stored, meaning) if meaning.renewing_helps else None
        if renewed is None or not terms.allow_renewed_call(meaning):
            on_error.pop_all()
            if renewed:
                renewal.note_unused(renewed)
            elif meaning.code == "person_must_act":
                note_refusal(stored, meaning)
            return answer, meaning
    answer = call(renewed.access_token, terms.seconds_left())
    meaning = read(answer)
    if not meaning.is_about_the_token:
        renewal.note_cured(renewed)
    elif meaning.code == "person_must_act":
        note_refusal(renewed, meaning)
    return answer, meaning


def note_refusal(token: Token, meaning: AnswerMeaning) -> None:
    """Store what follows for the person from a refusal that no renewal cures.

    What the person must do is demanded by one endpoint, for one call; others may go on with this token. The sign-in
    ends only if the third party calls the token itself dead.
    """
    if not meaning.is_certain or token.state != TokenState.VALID or token.is_client_credentials:
        return
    if meaning.code == "person_must_act":
        renewal.note_claims(token, meaning.claims)
    else:
        renewal.require_sign_in(token, "invalid_token")


def call_with_retries(call: Call[A], access_token: str, terms: Terms, read: Read[A]) -> tuple[A, AnswerMeaning]:
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
            meaning = read(answer)
            if not is_transient(answer.status_code, answer.headers, meaning) or not terms.allow_retry(tries):
                return answer, meaning
            wait = pause(answer.headers, tries) if meaning.wait is None else meaning.wait
            if wait >= terms.seconds_left():
                return answer, meaning
            answer.close()
        database.release_connection()
        time.sleep(wait)
        tries += 1


def call_unless_down(
    call: Callable[[], A],
    registry: ApplicationRegistry,
    url: str,
    seconds: float,
) -> A:
    """Make the call unless the circuit is open, and report the result to the circuit breaker."""
    if not circuit_breaker.allows(registry, url):
        raise Unreachable("provider_down")
    database.release_scarce_connection()
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
