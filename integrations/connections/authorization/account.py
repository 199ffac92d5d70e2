"""The account that a token belongs to, according to the provider. A sign-in does not fail if it is unknown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from foundation.oauth_client import client, json_pointers
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import OAuthError
from integrations.models.registry import ApplicationRegistry
from integrations.models.tokens import AuthorizationAttempt, Token, consent

# Prefixes of account paths that do not point into userinfo or the id token.
IN_TOKEN_ANSWER, IN_INTROSPECTION, IN_KEPT_VALUES = "/token_answer", "/introspection", "/kept"
UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters and lone surrogates


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account of a sign-in: id and label, "" if unknown. `has_userinfo`: the Userinfo URL accepted the token."""

    id: str
    label: str
    has_userinfo: bool


def account_of(registry: ApplicationRegistry, answer: TokenAnswer, *, agreed: consent.Agreement) -> Account:
    """The account, read from the paths of the registry.

    `agreed`: the addresses that the person agreed to when signing in. An address changed since does not get the token.
    """
    claims: dict[str, object] = dict(answer.claims)
    base_url = consent.allowed_base_url(agreed, answer.unverified_base_url, registry.base_url_hosts)
    profile = fetch_userinfo(registry, answer, agreed, base_url)
    # OpenID Connect Core §5.3.2: ignore another subject
    if profile and claims.get("sub") in (None, profile.get("sub")):
        claims |= profile
    claims |= fetch_introspection(registry, answer, agreed)
    return Account(
        id=first_account_value(claims, registry.account_id_path, answer),
        label=first_account_value(claims, registry.account_label_path, answer),
        # At a person's own address it says nothing of the usual one, which is asked about revoked tokens.
        has_userinfo=profile is not None and not base_url,
    )


def fetch_userinfo(
    registry: ApplicationRegistry, answer: TokenAnswer, agreed: consent.Agreement, base_url: str
) -> Mapping[str, object] | None:
    """The claims of the Userinfo URL; None if it does not accept the token."""
    if not registry.userinfo_url or not consent.allows_endpoint(agreed, "userinfo_url", registry.userinfo_url):
        return None
    try:
        return client.userinfo(registry.registration(), answer.access_token, base_url=base_url)
    except OAuthError:
        return None


def fetch_introspection(
    registry: ApplicationRegistry, answer: TokenAnswer, agreed: consent.Agreement
) -> Mapping[str, object]:
    """The introspection response, as one claim. Requested only if an account path points into it."""
    paths = f"{registry.account_id_path} {registry.account_label_path}".split()
    if not registry.token_introspection_url or not any(path.startswith(f"{IN_INTROSPECTION}/") for path in paths):
        return {}
    if not consent.allows_endpoint(agreed, "token_introspection_url", registry.token_introspection_url):
        return {}
    try:
        result = client.introspect(registry.registration(), answer.access_token, hint="access_token")
    except OAuthError:
        return {}
    return {IN_INTROSPECTION.removeprefix("/"): result.claims} if result.active else {}


def first_account_value(claims: object, paths: str, answer: TokenAnswer) -> str:
    """The first text or number at one of these JSON pointers (RFC 6901), as text; "" if there is none."""
    for pointer in paths.split():
        value: object
        if pointer.startswith(f"{IN_KEPT_VALUES}/"):
            value = json_pointers.resolve(dict(answer.kept), pointer.removeprefix(IN_KEPT_VALUES))
        elif pointer.startswith(f"{IN_TOKEN_ANSWER}/"):
            value = answer.member_at(pointer.removeprefix(IN_TOKEN_ANSWER))
        else:
            value = json_pointers.resolve(claims, pointer)
        if value not in (None, "") and not isinstance(value, dict | list):
            return UNSTORABLE.sub("", str(value))[:255]
    return ""


def name_by_kept_values(attempt: AuthorizationAttempt, answer: TokenAnswer) -> None:
    """Fill in id and label of the account, if only a value that was looked up or chosen tells them. Not saved."""
    registry = attempt.registry
    attempt.account_id = attempt.account_id or first_account_value({}, registry.account_id_path, answer)
    attempt.account_label = attempt.account_label or first_account_value({}, registry.account_label_path, answer)


def is_other_account(stored: Token, attempt: AuthorizationAttempt) -> bool:
    return bool(stored.account_id and attempt.account_id and stored.account_id != attempt.account_id)


def is_same_account(stored: Token, attempt: AuthorizationAttempt) -> bool:
    """Whether both are known to be of one account, or nothing is known about either."""
    if stored.account_id or attempt.account_id:
        return stored.account_id == attempt.account_id
    return stored.account_label == attempt.account_label
