"""Whose token it is, by the provider's own word. A sign-in does not fail for it."""

import re
from collections.abc import Mapping

from foundation.oauth_client import client, json_pointers
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import OAuthError
from integrations.models.registry import ApplicationRegistry
from integrations.models.tokens import consent

# What a path to an account begins with if it leads elsewhere than into userinfo and the id token.
IN_TOKEN_ANSWER, IN_INTROSPECTION = "/token_answer", "/introspection"
UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters and halves of characters


def account_of(registry: ApplicationRegistry, answer: TokenAnswer, *, agreed: consent.Agreement) -> tuple[str, str]:
    """Id and label of the account behind the token, where the set-up tells how.

    `agreed`: the addresses that the person signed in with. What was changed since does not get the token.
    """
    claims: dict[str, object] = dict(answer.claims)
    told = userinfo(registry, answer, agreed)
    if claims.get("sub") in {None, told.get("sub")}:  # OpenID Connect Core §5.3.2: another subject is not believed
        claims |= told
    claims |= introspection(registry, answer, agreed)
    return first_of(claims, registry.account_id_path, answer), first_of(claims, registry.account_label_path, answer)


def userinfo(registry: ApplicationRegistry, answer: TokenAnswer, agreed: consent.Agreement) -> Mapping[str, object]:
    if not registry.userinfo_url or not consent.allows(agreed, "userinfo_url", registry.userinfo_url):
        return {}
    base_url = consent.believed(agreed, answer.unverified_base_url, registry.base_url_hosts)
    try:
        return client.userinfo(registry.registration(), answer.access_token, base_url=base_url)
    except OAuthError:
        return {}


def introspection(
    registry: ApplicationRegistry, answer: TokenAnswer, agreed: consent.Agreement
) -> Mapping[str, object]:
    """What the server says of the token, below a name of its own. Asked only where a path leads there."""
    paths = f"{registry.account_id_path} {registry.account_label_path}".split()
    if not registry.token_introspection_url or not any(path.startswith(f"{IN_INTROSPECTION}/") for path in paths):
        return {}
    if not consent.allows(agreed, "token_introspection_url", registry.token_introspection_url):
        return {}
    try:
        told = client.introspect(registry.registration(), answer.access_token, hint="access_token")
    except OAuthError:
        return {}
    return {IN_INTROSPECTION.removeprefix("/"): told.claims} if told.active else {}


def first_of(claims: object, paths: str, answer: TokenAnswer) -> str:
    """The first of some JSON pointers (RFC 6901) that leads to something, as text."""
    for pointer in paths.split():
        in_answer = pointer.startswith(f"{IN_TOKEN_ANSWER}/")
        found = answer.tell(pointer.removeprefix(IN_TOKEN_ANSWER)) if in_answer else json_pointers.at(claims, pointer)
        if found not in (None, "") and not isinstance(found, dict | list):
            return UNSTORABLE.sub("", str(found))[:255]
    return ""
