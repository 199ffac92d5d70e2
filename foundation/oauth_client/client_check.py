"""Check whether the authorization server accepts our client credentials, with made-up tokens only.

The answer to our own credentials is compared with the answer to credentials that are certainly wrong. If both are the
same, the endpoint cannot tell, and the next endpoint is tried; likewise if the answer to our own credentials changes
from one request to the next, because a difference means nothing then. Knows no database.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from foundation.oauth_client import client, error_codes, revocation, transport
from foundation.oauth_client.errors import OAuthError, Unreachable
from foundation.oauth_client.registration import Registration
from foundation.oauth_client.revocation import GrantTokens

SECONDS = 12.0  # for all requests of one check


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class ClientCheck:
    """The result. `unknown_token_answer`: fingerprint of the response to a refresh token that was never issued."""

    verdict: Verdict
    unknown_token_answer: str = ""


def check_client(registration: Registration) -> ClientCheck:
    """Send at most seven requests. Never raises an `OAuthError`: a check that cannot be made is `UNKNOWN`."""
    with transport.deadline(SECONDS):
        try:
            return check_endpoints(registration, with_wrong_credentials(registration))
        except Unreachable:
            return ClientCheck(verdict=Verdict.UNKNOWN)


def check_endpoints(ours: Registration, wrong: Registration) -> ClientCheck:
    """Compare the answers to `ours` and to `wrong`, endpoint by endpoint. Raises `Unreachable`."""
    answer = refresh_made_up_token(ours)
    if answer is not None and answer.code in error_codes.CLIENT_REFUSED:
        return ClientCheck(verdict=Verdict.REFUSED)
    unknown_token_answer = answer.fingerprint if answer is not None else ""
    answer_to_wrong = refresh_made_up_token(wrong)
    if responses_differ(answer, answer_to_wrong) and not responses_differ(answer, refresh_made_up_token(ours)):
        return ClientCheck(verdict=Verdict.ACCEPTED, unknown_token_answer=unknown_token_answer)
    for call in other_endpoints(ours):
        answer = call(ours)
        if answer is None and call(wrong) is not None:
            return ClientCheck(verdict=Verdict.ACCEPTED, unknown_token_answer=unknown_token_answer)
        if answer and rejects_client(answer, ours) and not responses_differ(answer, call(wrong)):
            return ClientCheck(verdict=Verdict.REFUSED)
    return ClientCheck(verdict=Verdict.UNKNOWN, unknown_token_answer=unknown_token_answer)


def rejects_client(answer: OAuthError, ours: Registration) -> bool:
    """Whether introspection or revocation names our client credentials as the cause.

    A bare 401 does not: introspection may want a Bearer token (RFC 7662 §2.1). And some servers accept only Basic at
    these endpoints, so that with another method not even the code says anything about the secret.
    """
    is_basic = ours.client_authentication == "client_secret_basic"
    return is_basic and answer.status == 401 and answer.code in error_codes.CLIENT_REFUSED


def responses_differ(answer: OAuthError | None, other: OAuthError | None) -> bool:
    return answer is not None and other is not None and answer.fingerprint != other.fingerprint


def with_wrong_credentials(registration: Registration) -> Registration:
    """The same registration with a random secret; for a public client, with a random client id."""
    if registration.client_authentication == "none":
        return replace(registration, client_id=secrets.token_urlsafe(16))
    return replace(registration, client_secret=secrets.token_urlsafe(32))


def other_endpoints(registration: Registration) -> list[Callable[[Registration], OAuthError | None]]:
    introspection = [introspect_made_up_token] if registration.introspection_url else []
    return [*introspection, *([revoke_made_up_token] if registration.revocation_url else [])]


def refresh_made_up_token(registration: Registration) -> OAuthError | None:
    return error_from(lambda: client.refresh(registration, refresh_token=secrets.token_urlsafe(32)))


def introspect_made_up_token(registration: Registration) -> OAuthError | None:
    return error_from(lambda: client.introspect(registration, secrets.token_urlsafe(32)))


def revoke_made_up_token(registration: Registration) -> OAuthError | None:
    ending = GrantTokens(refresh_token=secrets.token_urlsafe(32))
    return error_from(lambda: revocation.revoke(registration, ending, "refresh_token"))


def error_from(call: Callable[[], object]) -> OAuthError | None:
    """The error that the call raised, or None. Raises `Unreachable` if the server did not answer."""
    try:
        call()
    except Unreachable as error:
        if error.status == 403:
            return error
        raise
    except OAuthError as error:
        return error
    return None
