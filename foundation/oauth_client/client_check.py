"""Does the authorization server accept our client credentials? Asked with made-up tokens: nobody's are touched.

Each answer to our own credentials needs a witness: what the same request gets with credentials that are surely wrong.
Where both get the same answer, the endpoint cannot tell, and the next one is asked. The same where the answer to our
own changes from one request to the next: a difference means nothing then. Knows no database.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from foundation.oauth_client import client, error_codes, revocation, transport
from foundation.oauth_client.errors import OAuthError, Unreachable
from foundation.oauth_client.registration import Registration
from foundation.oauth_client.revocation import Ending

SECONDS = 12.0  # for all requests of one check


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class ClientCheck:
    """`unknown_token_answer` is the fingerprint of how the server refuses a refresh token that nobody issued."""

    verdict: Verdict
    unknown_token_answer: str = ""


def check_client(registration: Registration) -> ClientCheck:
    """Sends at most seven requests. Raises nothing: what cannot be asked is `UNKNOWN`."""
    with transport.deadline(SECONDS):
        try:
            return ask_endpoints(registration, with_wrong_credentials(registration))
        except Unreachable:
            return ClientCheck(verdict=Verdict.UNKNOWN)


def ask_endpoints(ours: Registration, wrong: Registration) -> ClientCheck:
    answer = refresh_made_up_token(ours)
    if answer is not None and answer.code in error_codes.CLIENT_REFUSED:
        return ClientCheck(verdict=Verdict.REFUSED)
    unknown_token_answer = answer.fingerprint if answer is not None else ""
    witness = refresh_made_up_token(wrong)
    if tells_apart(answer, witness) and not tells_apart(answer, refresh_made_up_token(ours)):
        return ClientCheck(verdict=Verdict.ACCEPTED, unknown_token_answer=unknown_token_answer)
    for ask in other_endpoints(ours):
        answer = ask(ours)
        if answer is None and ask(wrong) is not None:
            return ClientCheck(verdict=Verdict.ACCEPTED, unknown_token_answer=unknown_token_answer)
        # Some servers take Basic alone at these endpoints: with another way, their no says nothing of the secret.
        if answer and answer.status == 401 and ours.client_authentication == "client_secret_basic":
            return ClientCheck(verdict=Verdict.REFUSED)
    return ClientCheck(verdict=Verdict.UNKNOWN, unknown_token_answer=unknown_token_answer)


def tells_apart(answer: OAuthError | None, other: OAuthError | None) -> bool:
    return answer is not None and other is not None and answer.fingerprint != other.fingerprint


def with_wrong_credentials(registration: Registration) -> Registration:
    """A public client is known by its name alone."""
    if registration.client_authentication == "none":
        return replace(registration, client_id=secrets.token_urlsafe(16))
    return replace(registration, client_secret=secrets.token_urlsafe(32))


def other_endpoints(registration: Registration) -> list[Callable[[Registration], OAuthError | None]]:
    introspection = [introspect_made_up_token] if registration.introspection_url else []
    return [*introspection, *([revoke_made_up_token] if registration.revocation_url else [])]


def refresh_made_up_token(registration: Registration) -> OAuthError | None:
    return refusal_of(lambda: client.refresh(registration, refresh_token=secrets.token_urlsafe(32)))


def introspect_made_up_token(registration: Registration) -> OAuthError | None:
    return refusal_of(lambda: client.introspect(registration, secrets.token_urlsafe(32)))


def revoke_made_up_token(registration: Registration) -> OAuthError | None:
    ending = Ending(refresh_token=secrets.token_urlsafe(32))
    return refusal_of(lambda: revocation.revoke(registration, ending, "refresh_token"))


def refusal_of(ask: Callable[[], object]) -> OAuthError | None:
    """None where the server had nothing against it. `Unreachable` where it did not answer the question."""
    try:
        ask()
    except Unreachable as error:
        if error.status == 403:
            return error
        raise
    except OAuthError as error:
        return error
    return None
