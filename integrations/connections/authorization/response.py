"""The way back: one answer of the provider, for one person in one browser session, taken once."""

import hmac
from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

from accounts.models import User
from foundation.oauth_client import client, error_codes, error_reasons
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.client_check import Verdict
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unusable
from foundation.secrets_at_rest import Unreadable
from integrations import registration_health
from integrations.connections.authorization.access import still_available
from integrations.connections.authorization.request import binding_digest
from integrations.connections.authorization.storage import fail, take
from integrations.models.registry import Use
from integrations.models.registry.health import CLIENT_REFUSED, UNEXPLAINED_REFUSALS
from integrations.models.tokens import (
    AttemptStatus,
    AuthorizationAttempt,
    state_digest,
)

LONGEST_STATE = 512
LONGEST_CODE = 4096


class BadCallback(Exception):
    """An answer that belongs to no sign-in of this person in this browser. Nothing was sent anywhere."""


class OfAnotherPerson(BadCallback):
    """It belongs to somebody else's sign-in."""


class OfAnotherBrowser(BadCallback):
    """It belongs to a sign-in of this person that began in another browser or session."""


def complete(
    user: User, registry_id: UUID, parameters: Mapping[str, Sequence[str]], *, session_binding: str
) -> AuthorizationAttempt:
    """Take the provider's answer, once. Whatever comes of it is in the attempt that is returned (RFC 6749 §4.1.2)."""
    attempt = find_attempt(user, registry_id, parameters, session_binding)
    if not attempt.claim(AttemptStatus.CLAIMED, while_in=AttemptStatus.PENDING):
        attempt.refresh_from_db()
        return attempt
    code, refusal = single(parameters, "code"), why_not(attempt, parameters)
    if refusal or not code:
        # An error that names our registration is the administrators' to hear of, as at the token endpoint.
        broken = Use.SIGN_IN if refusal in error_codes.MISCONFIGURED and single(parameters, "error") else None
        fail(attempt, refusal or "missing_code", reason=reason_in(parameters), broken=broken)
        return attempt
    take(attempt, partial(redeem, attempt, code))
    return attempt


def redeem(attempt: AuthorizationAttempt, code: str) -> TokenAnswer:
    registration = attempt.registry.registration()
    try:
        code_verifier, nonce = attempt.code_verifier, attempt.nonce
    except Unreadable:
        raise Unusable("unreadable", "the key of this sign-in is gone") from None
    try:
        return client.exchange(
            registration,
            code=code,
            redirect_uri=attempt.redirect_uri,
            code_verifier=code_verifier,
            nonce=nonce,
        )
    except OAuthError as error:
        raise suspecting_ourselves(attempt, error) from error


def suspecting_ourselves(attempt: AuthorizationAttempt, error: OAuthError) -> OAuthError:
    """A code refused by a registry that was changed and not accepted since says nothing of the person yet."""
    registry = attempt.registry
    is_refusal = isinstance(error, Refused) or (400 <= error.status < 500 and error.status not in {408, 429})
    if not (registry.is_unproven and is_refusal) or isinstance(error, Misconfigured):
        return error
    check = registration_health.check_registration(registry)
    if check is None or check.verdict == Verdict.ACCEPTED:
        return error
    was_refused = check.verdict == Verdict.REFUSED
    return registration_health.hold_renewals(registry, CLIENT_REFUSED if was_refused else UNEXPLAINED_REFUSALS)


def reason_in(parameters: Mapping[str, Sequence[str]]) -> str:
    """The provider's own words for its error (RFC 6749 §4.1.2.1), as they can be shown to an administrator."""
    sent = (single(parameters, name) for name in ("state", "code"))
    return error_reasons.masked(single(parameters, "error_description"), sent)


def find_attempt(
    user: User, registry_id: UUID, parameters: Mapping[str, Sequence[str]], session_binding: str
) -> AuthorizationAttempt:
    """The one sign-in that this answer can belong to: this state, registry, person and browser session."""
    if any(len(values) > 1 for values in parameters.values()):
        raise BadCallback
    state = single(parameters, "state")
    if not 0 < len(state) <= LONGEST_STATE or len(single(parameters, "code")) > LONGEST_CODE:
        raise BadCallback
    attempt = (
        AuthorizationAttempt.objects.select_related("user", "credential__profile__registry", "registry")
        .filter(registry=registry_id, state_hash=state_digest(state))
        .first()
    )
    if attempt is None:
        raise BadCallback
    if attempt.user_id != user.pk:
        raise OfAnotherPerson
    if not session_binding or not hmac.compare_digest(attempt.session_hash, binding_digest(session_binding)):
        raise OfAnotherBrowser
    if attempt.status == AttemptStatus.PENDING and not attempt.seconds_left:
        raise BadCallback
    return attempt


def single(parameters: Mapping[str, Sequence[str]], name: str) -> str:
    return next(iter(parameters.get(name, ())), "")


def why_not(attempt: AuthorizationAttempt, parameters: Mapping[str, Sequence[str]]) -> str:
    """The reason to stop before the code goes anywhere, or ""."""
    registry, issuer = attempt.registry, single(parameters, "iss")
    if issuer and registry.issuer and issuer != registry.issuer:
        return "issuer_mismatch"
    if error := single(parameters, "error"):
        return error[:100] if error.isprintable() else "invalid_error"
    if registry.names_issuer and not (issuer and registry.issuer):
        return "issuer_missing"
    if attempt.endpoints != registry.endpoints():
        return "registration_changed"
    return "" if still_available(attempt) else "no_longer_available"
