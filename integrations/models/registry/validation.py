"""What a registry must look like, by whichever door it comes in, and what a change of it means for its secret.

Looks at one row and asks nobody: whether the server agrees is not known here.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from foundation.oauth_client import base_urls, call_headers, revocation_requests, transport, userinfo
from foundation.oauth_client.base_urls import origin
from foundation.oauth_client.errors import OAuthError
from foundation.oauth_client.revocation_requests import BadDialect
from integrations.models.registry.registrations import ApplicationRegistry, ClientAuthentication, GrantType
from integrations.models.stored_json import check_kept

ADDRESSES = (
    "issuer", "authorization_url", "token_url", "refresh_url", "token_revocation_url", "token_introspection_url",
    "userinfo_url", "account_settings_url",
)  # fmt: skip
LINKS = ("account_settings_url",)  # for people: nobody calls them, and they may lead to a part of a page
BOUND_TO_SECRET = ("client_id", "send_credentials", "issuer", "authorization_url", "token_url")
GET_SECRETS = ("token_url", "refresh_url", "token_revocation_url", "token_introspection_url", "userinfo_url")
OURS_TO_SEND = frozenset(
    {
        *("client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "request", "request_uri"),
        *("code_challenge", "code_challenge_method"),
    }
)
OURS_IN_TOKEN_REQUESTS = frozenset(
    {
        *("grant_type", "client_id", "client_secret", "code", "code_verifier", "redirect_uri", "refresh_token"),
        *("scope", "username", "password", "client_assertion", "client_assertion_type"),
    }
)
PARAMETERS = {"authorization_parameters": OURS_TO_SEND, "token_parameters": OURS_IN_TOKEN_REQUESTS}
REQUESTS: Mapping[str, Callable[[object], object]] = {
    "call_headers": partial(call_headers.read, "Headers of calls"),
    "userinfo_request": userinfo.read,
}
JSON_FIELDS = ("revocation_request", *PARAMETERS, *REQUESTS)


def faults(registry: ApplicationRegistry) -> Iterator[tuple[str, str]]:
    """The field and a sentence for each value that could not work. Quotes names, never values."""
    if wrong := wrong_name(registry.client_id):
        yield "client_id", wrong
    for name in ADDRESSES:
        url = getattr(registry, name)
        if url and (wrong := wrong_address(url.partition("#")[0] if name in LINKS else url)):
            yield name, wrong
    if wrong := wrong_dialect(registry):
        yield "revocation_request", wrong
    for name, ours in PARAMETERS.items():
        if wrong := wrong_parameters(getattr(registry, name), ours):
            yield name, wrong
    for name, read in REQUESTS.items():
        if wrong := wrong_request(read, getattr(registry, name)):
            yield name, wrong
    for name in JSON_FIELDS:
        if wrong := wrong_json(getattr(registry, name)):
            yield name, wrong
    if registry.scope_parameter in OURS_TO_SEND - {"scope"}:
        yield "scope_parameter", _("Keyrack sets this itself: %(names)s.") % {"names": registry.scope_parameter}
    if wrong := wrong_hosts(registry.base_url_path, registry.base_url_hosts):
        yield "base_url_hosts", wrong


def wrong_name(client_id: str) -> str:
    return "" if client_id.isprintable() else _("A client ID is one line, without control characters.")


def wrong_address(url: str) -> str:
    try:
        transport.check_spelling(url)
    except OAuthError as error:
        return _("This is no address that could be called: %(why)s.") % {"why": error.description or error.code}
    return ""


def wrong_dialect(registry: ApplicationRegistry) -> str:
    try:
        dialect = revocation_requests.read(registry.revocation_request)
        if registry.token_revocation_url:
            revocation_requests.check_together(
                dialect, registry.token_revocation_url, registered=registry.send_credentials
            )
    except BadDialect as error:
        return str(error)
    return ""


def wrong_request(read: Callable[[object], object], raw: object) -> str:
    try:
        read(raw)
    except BadDialect as error:
        return str(error)
    return ""


def wrong_parameters(parameters: object, ours_to_send: frozenset[str]) -> str:
    if not isinstance(parameters, dict) or not all(isinstance(value, str) for value in parameters.values()):
        return _('Enter a JSON object of texts, such as {"access_type": "offline"}.')
    if ours := sorted(ours_to_send & parameters.keys()):
        return _("Keyrack sets this itself: %(names)s.") % {"names": ", ".join(ours)}
    return ""


def wrong_json(value: object) -> str:
    try:
        check_kept(value)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


def wrong_hosts(path: str, hosts: str) -> str:
    if path and not hosts.split():
        return _("Say to which hosts a base URL from the token answer may lead; no other is believed.")
    bad = [pattern for pattern in hosts.split() if not base_urls.is_pattern(pattern)]
    if bad:
        return _("A host is written like na1.example.com or *.example.com; this is not: %(names)s.") % {
            "names": ", ".join(bad)
        }
    return ""


def shortcomings(registry: ApplicationRegistry) -> Iterator[tuple[str, str]]:
    """What is missing in one registry, in words for its administrator, and the id of the check that says so."""
    grants = {profile.grant_type for profile in registry.profiles.all()}
    if not grants:
        yield "It has no OAuth Entity Profile, so no credential can use it.", "keyrack.W010"
    if GrantType.AUTHORIZATION_CODE in grants and not registry.authorization_url:
        yield "The Authorization URL is missing.", "keyrack.W011"
    if registry.send_credentials != ClientAuthentication.NONE and not registry.__dict__["client_secret"]:
        yield "The Client Secret is missing.", "keyrack.W012"
    if registry.send_credentials == ClientAuthentication.NONE and not registry.pkce_required:
        yield "A public client without PKCE: anybody who sees a code can redeem it.", "keyrack.W013"
    if not registry.token_revocation_url:
        yield "The Token Revocation URL is missing: revoking here will not reach the provider.", "keyrack.W014"
    elif wrong := wrong_dialect(registry):
        yield f"The provider cannot be told of revocations: {wrong}", "keyrack.W015"


def leading_elsewhere(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Which changes decide anew who receives the secret, or for whom it speaks: only who knows it may make them."""
    changed = [name for name in BOUND_TO_SECRET if after[name] != (before.get(name) or "")]
    moved = [name for name in GET_SECRETS if after[name] and origin(after[name]) != origin(before.get(name) or "")]
    return changed + [name for name in moved if name not in changed]


def leading_people_elsewhere(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Which changes decide anew where people's tokens, or people themselves, are sent, beside the endpoints.

    A field that did not pass its own check is missing in `after`.
    """
    found, known = [], (before.get("base_url_hosts") or "").split()
    if any(pattern not in known for pattern in (after.get("base_url_hosts") or "").split()):
        found.append("base_url_hosts")
    headers = after.get("call_headers")
    if headers and headers != (before.get("call_headers") or {}):
        found.append("call_headers")
    link, old_link = after.get("account_settings_url"), before.get("account_settings_url")
    if link and old_link and origin(link) != origin(old_link):
        found.append("account_settings_url")
    return found


def new_receivers(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Servers that people's tokens would go to after the change, and those that they went to so far."""
    known = {origin(before.get(name) or "") for name in GET_SECRETS if before.get(name)}
    known |= set((before.get("base_url_hosts") or "").split())
    new = {origin(after[name]) for name in GET_SECRETS if after[name]} | set((after["base_url_hosts"] or "").split())
    return new - known, known


def picture_type(head: bytes) -> str:
    """By its first bytes, not by its name or what the browser says."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "image/webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else ""
