"""Authorization responses: each is accepted once, from the person and the browser session that began the sign-in."""

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
from integrations.connections.authorization.access import is_still_available
from integrations.connections.authorization.request import binding_digest
from integrations.connections.authorization.storage import fail_attempt, fetch_and_store
from integrations.models.registry import Use
from integrations.models.registry.health import CLIENT_REFUSED, UNEXPLAINED_REFUSALS
from integrations.models.tokens import AttemptStatus, AuthorizationAttempt, state_digest

LONGEST_STATE = 512
LONGEST_CODE = 4096


class BadCallback(Exception):
    """The response belongs to no sign-in of this person in this browser. Nothing was sent."""


class OtherPersonsCallback(BadCallback):
    """The response belongs to another person's sign-in."""


class OtherBrowsersCallback(BadCallback):
    """The response belongs to a sign-in that this person began in another browser or session."""


def complete(
    user: User, registry_id: UUID, parameters: Mapping[str, Sequence[str]], *, session_binding: str
) -> AuthorizationAttempt:
    """Process the authorization response (RFC 6749 §4.1.2). The returned attempt holds the result. Safe to repeat."""
    attempt = find_attempt(user, registry_id, parameters, session_binding)
    if not attempt.claim(AttemptStatus.CLAIMED, while_in=AttemptStatus.PENDING):
        attempt.refresh_from_db()
        return attempt
    code, refusal = first_value(parameters, "code"), refusal_code(attempt, parameters)
    if refusal or not code:
        # Administrators must learn of an error about our registration, as at the token endpoint.
        broken = Use.SIGN_IN if refusal in error_codes.MISCONFIGURED and first_value(parameters, "error") else None
        fail_attempt(attempt, refusal or "missing_code", reason=reason_in(parameters), broken=broken)
        return attempt
    fetch_and_store(attempt, partial(exchange_code, attempt, code))
    return attempt


def exchange_code(attempt: AuthorizationAttempt, code: str) -> TokenAnswer:
    registration = attempt.registry.registration()
    try:
        code_verifier, nonce = attempt.code_verifier, attempt.nonce
    except Unreadable:
        raise Unusable("unreadable", "the key of this sign-in is not configured any more") from None
    try:
        return client.exchange(
            registration,
            code=code,
            redirect_uri=attempt.redirect_uri,
            code_verifier=code_verifier,
            nonce=nonce,
        )
    except OAuthError as error:
        raise review_error(attempt, error) from error


def review_error(attempt: AuthorizationAttempt, error: OAuthError) -> OAuthError:
    """The error to act upon. If the registry was changed and not accepted since, first check our registration."""
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
    """The provider's error description (RFC 6749 §4.1.2.1), masked so that administrators may read it."""
    secrets = (first_value(parameters, name) for name in ("state", "code"))
    return error_reasons.mask_secrets(first_value(parameters, "error_description"), secrets)


def find_attempt(
    user: User, registry_id: UUID, parameters: Mapping[str, Sequence[str]], session_binding: str
) -> AuthorizationAttempt:
    """The attempt with this state, registry, person and browser session. Raises `BadCallback` if there is none."""
    if any(len(values) > 1 for values in parameters.values()):
        raise BadCallback
    state = first_value(parameters, "state")
    if not 0 < len(state) <= LONGEST_STATE or len(first_value(parameters, "code")) > LONGEST_CODE:
        raise BadCallback
    attempt = (
        AuthorizationAttempt.objects.select_related("user", "credential__profile__registry", "registry")
        .filter(registry=registry_id, state_hash=state_digest(state))
        .first()
    )
    if attempt is None:
        raise BadCallback
    if attempt.user_id != user.pk:
        raise OtherPersonsCallback
    if not session_binding or not hmac.compare_digest(attempt.session_hash, binding_digest(session_binding)):
        raise OtherBrowsersCallback
    if attempt.status == AttemptStatus.PENDING and not attempt.seconds_left:
        raise BadCallback
    return attempt


def first_value(parameters: Mapping[str, Sequence[str]], name: str) -> str:
    return next(iter(parameters.get(name, ())), "")


def refusal_code(attempt: AuthorizationAttempt, parameters: Mapping[str, Sequence[str]]) -> str:
    """The failure code if the authorization code must not be exchanged; otherwise ""."""
    registry, issuer = attempt.registry, first_value(parameters, "iss")
    if issuer and registry.issuer and issuer != registry.issuer:
        return "issuer_mismatch"
    if error := first_value(parameters, "error"):
        return error[:100] if error.isprintable() else "invalid_error"
    if registry.names_issuer and not (issuer and registry.issuer):
        return "issuer_missing"
    if attempt.endpoints != registry.endpoints():
        return "registration_changed"
    return "" if is_still_available(attempt) else "no_longer_available"
