"""Complete a sign-in of the authorization code grant with the provider's response (RFC 6749 §4.1.2, §4.1.3).

A response is accepted once, from the person and the browser session that began the sign-in.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from accounts.models import User
from foundation.exceptions import Explained
from foundation.oauth_client import client, default_callback_rules, metadata, signatures
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.client_check import Verdict
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unusable
from foundation.oauth_client.provider_profile import texts
from foundation.secrets_at_rest import Unreadable, value_or_blank
from integrations import registration_health
from integrations.connections.authorization.callback_errors import BEGUN_THERE, holds_value_at, read_error
from integrations.connections.authorization.failures import fail_attempt
from integrations.connections.authorization.storage import fetch_and_store, is_still_available
from integrations.models.failures import CLIENT_REFUSED, UNEXPLAINED_REFUSALS
from integrations.models.registry import ApplicationRegistry, Use
from integrations.models.tokens import (
    AttemptStatus,
    AuthorizationAttempt,
    consent,
    session_digest,
    state_digest,
)

LONGEST_STATE = 512
LONGEST_CODE = 16384  # Azure AD B2C has codes of more than 4 kB; a server's request line is the real limit
LONGEST_SERVER = 200


class BadCallback(Explained):
    """The response belongs to no sign-in of this person in this browser. Nothing was sent."""

    message = "The response belongs to no sign-in of this person in this browser."


class BegunElsewhere(BadCallback):
    """No state: the person began at the provider, for example by installing an app or consenting for others there."""


class UnassignedError(BadCallback):
    """An error without a state, which belongs to no sign-in."""


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
    callback = attempt.registry.readable_profile.callback
    codes = (first_value(parameters, name) for name in texts(callback.code))
    code = next(filter(None, codes), "")
    error = read_error(attempt.registry, {name: values[0] for name, values in parameters.items() if values})
    refusal = refusal_code(attempt, parameters, error.code)
    if refusal or not code:
        is_theirs = bool(error.code) and refusal == error.code
        # Administrators must learn of an error about our registration, as at the token endpoint.
        broken = Use.SIGN_IN if is_theirs and error.is_ours else None
        meaning = error.meaning if is_theirs else ""
        fail_attempt(attempt, refusal or "missing_code", reason=error.reason, broken=broken, meaning=meaning)
        return attempt
    fetch_and_store(attempt, partial(exchange_code, attempt, code, parameters))
    return attempt


def exchange_code(attempt: AuthorizationAttempt, code: str, parameters: Mapping[str, Sequence[str]]) -> TokenAnswer:
    """Exchange the code, and add what only the callback tells: values that calls need, and granted scopes."""
    registry = attempt.registry
    callback, values = registry.readable_profile.callback, kept_parameters(registry, parameters)
    named_server = values.get(callback.token_host, "") if callback.token_host else ""
    registration = registry.registration().at(
        consent.allowed_base_url(attempt.agreed, named_server, registry.base_url_hosts)
    )
    try:
        code_verifier, nonce = attempt.code_verifier, attempt.nonce
    except Unreadable:
        raise Unusable("unreadable", "the key of this sign-in is not configured any more") from None
    try:
        answer = client.exchange(
            registration,
            code=code,
            redirect_uri=attempt.redirect_uri,
            code_verifier=code_verifier,
            nonce=nonce,
            scopes=attempt.scopes,
            state=first_value(parameters, "state"),
        )
    except OAuthError as error:
        raise review_error(attempt, error) from error
    scopes = answer.scopes
    if scopes is None and callback.scopes in parameters:
        words = re.split(r"[\s,]+", first_value(parameters, callback.scopes))
        scopes = tuple(word for word in words if word and word.isprintable()) or None
    return replace(answer, scopes=scopes, kept={**values, **answer.kept})


def kept_parameters(registry: ApplicationRegistry, parameters: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Parameters of the callback that calls need, as far as their values look as expected."""
    callback = registry.readable_profile.callback
    values = {name: first_value(parameters, name) for name in callback.keep}
    believable = {n: value if re.fullmatch(callback.keep[n].pattern, value) else "" for n, value in values.items()}
    if callback.token_host and (server := first_value(parameters, callback.token_host)):
        believable[callback.token_host] = server[:LONGEST_SERVER]
    mapped = {name: registry.readable_profile.mapped(name, value) for name, value in believable.items()}
    return {name: value for name, value in mapped.items() if value and value.isprintable() and value not in {".", ".."}}


def review_error(attempt: AuthorizationAttempt, error: OAuthError) -> OAuthError:
    """The error to act upon. If the registry was changed and not accepted since, first check our registration."""
    registry = attempt.registry
    is_refusal = isinstance(error, Refused) or (400 <= error.status < 500 and error.status not in {408, 429})
    if not (registry.is_unproven and is_refusal) or isinstance(error, Misconfigured):
        return error
    check = registration_health.check_registration(registry)
    if check is None or check.verdict == Verdict.ACCEPTED:
        return error
    code = CLIENT_REFUSED if check.verdict == Verdict.REFUSED else UNEXPLAINED_REFUSALS
    return registration_health.hold_renewals(registry, code, reason=error.reason)


def is_signed(registry: ApplicationRegistry, parameters: Mapping[str, Sequence[str]]) -> bool:
    """Whether the callback has the signature that the profile of the provider demands."""
    signature = registry.readable_profile.callback.signature
    if signature is None:
        return True
    client_secret = value_or_blank(registry, "client_secret")
    return signatures.is_signed({name: values[0] for name, values in parameters.items()}, signature, client_secret)


def require_state(parameters: Mapping[str, Sequence[str]]) -> None:
    """Raise what the response is, as far as it says so, if it names no sign-in.

    Raises `BadCallback` if a parameter is repeated or nameless.
    """
    if "" in parameters or any(len(values) > 1 for values in parameters.values()):
        raise BadCallback
    if first_value(parameters, "state"):
        return
    first_values = {name: first_value(parameters, name) for name in parameters}
    errors = (*default_callback_rules.CALLBACK_CODES, *default_callback_rules.CALLBACK_DENIALS)
    if not first_values.get("code") and holds_value_at(first_values, errors):
        raise UnassignedError
    if holds_value_at(first_values, BEGUN_THERE):
        raise BegunElsewhere
    if holds_value_at(first_values, default_callback_rules.CALLBACK_TEXTS):
        raise UnassignedError


def find_attempt(
    user: User, registry_id: UUID, parameters: Mapping[str, Sequence[str]], session_binding: str
) -> AuthorizationAttempt:
    """The attempt with this state, registry, person and browser session. Raises `BadCallback` if there is none."""
    require_state(parameters)
    state = first_value(parameters, "state")
    if not 0 < len(state) <= LONGEST_STATE or any(
        len(first_value(parameters, name)) > LONGEST_CODE for name in parameters
    ):
        raise BadCallback
    attempt = (
        AuthorizationAttempt.objects.select_related(
            "user", "credential__profile__registry", "registry", "link__created_by"
        )
        .filter(registry=registry_id, state_hash=state_digest(state))
        .first()
    )
    if attempt is None:
        raise BadCallback
    if attempt.signer_id != user.pk:
        raise OtherPersonsCallback
    if not session_binding or not hmac.compare_digest(attempt.session_hash, session_digest(session_binding)):
        raise OtherBrowsersCallback
    if attempt.status == AttemptStatus.PENDING and not attempt.seconds_left:
        raise BadCallback
    return attempt


def first_value(parameters: Mapping[str, Sequence[str]], name: str) -> str:
    return next(iter(parameters.get(name, ())), "")


def refusal_code(attempt: AuthorizationAttempt, parameters: Mapping[str, Sequence[str]], error: str) -> str:
    """The failure code if the authorization code must not be exchanged; otherwise "". `error`: the provider's."""
    registry, issuer = attempt.registry, first_value(parameters, "iss")
    if issuer and registry.issuer and not metadata.is_named(issuer, registry.issuer):
        return "issuer_mismatch"
    if error:
        return error
    if registry.names_issuer and not (issuer and registry.issuer):
        return "issuer_missing"
    if not is_signed(registry, parameters):
        return "bad_signature"
    if attempt.endpoints != registry.endpoints():
        return "registration_changed"
    return "" if is_still_available(attempt) else "no_longer_available"
