"""Validation of a registry, for forms and imports alike, and of what a change means for its secret.

Looks at one row only and makes no requests: whether the server accepts it is not checked here.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from foundation.name_lists import join_names
from foundation.oauth_client import dialects, transport
from foundation.oauth_client.dialects import BadDialect
from foundation.oauth_client.errors import OAuthError
from foundation.oauth_client.provider_profile import BadProfile, parse_profile
from foundation.oauth_client.registration import is_host_pattern, origin, trusted_origin
from foundation.reader_time import day_words
from integrations.models.registry.choices import GrantType
from integrations.models.registry.exchanged_addresses import describe_exchange
from integrations.models.registry.registrations import ApplicationRegistry
from integrations.models.stored_json import check_storable

ADDRESSES = (
    "issuer", "authorization_url", "token_url", "refresh_url", "token_revocation_url", "token_introspection_url",
    "userinfo_url", "account_settings_url",
)  # fmt: skip
PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9_-]*)\}")
OPENED_BY_PEOPLE = ("account_settings_url", "authorization_url")  # in a browser, so they may have a fragment
LINKS = ("account_settings_url",)  # for people: never called, and they may have a fragment
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
# Fields that are checked together with the provider profile.
WITH_PROFILE = (*GET_SECRETS, "base_url_hosts", "call_headers", "provider_profile")
PARAMETERS = {"authorization_parameters": OURS_TO_SEND, "token_parameters": OURS_IN_TOKEN_REQUESTS}
REQUESTS: Mapping[str, Callable[[object], object]] = {
    "userinfo_request": dialects.parse_userinfo_request,
    "provider_profile": parse_profile,
}
# Shortcomings without whose remedy nobody can sign in.
INCOMPLETE = frozenset({"keyrack.W010", "keyrack.W011", "keyrack.W012"})
SECRET_ENDS_SOON = 30  # days
JSON_FIELDS = ("revocation_request", "call_headers", *PARAMETERS, *REQUESTS)


def find_faults(registry: ApplicationRegistry) -> Iterator[tuple[str, str]]:
    """Yield the field and a sentence for each value that cannot work. Quotes names, never values."""
    if message := wrong_name(registry.client_id):
        yield "client_id", message
    for name in ADDRESSES:
        url = getattr(registry, name)
        if url and (message := wrong_address(url.partition("#")[0] if name in OPENED_BY_PEOPLE else url)):
            yield name, message
    if message := wrong_dialect(registry):
        yield "revocation_request", message
    for name, ours in PARAMETERS.items():
        if message := wrong_parameters(getattr(registry, name), ours):
            yield name, message
    if message := wrong_call_headers(registry):
        yield "call_headers", message
    for name, read in REQUESTS.items():
        if message := wrong_request(read, getattr(registry, name)):
            yield name, message
    if not wrong_request(parse_profile, registry.provider_profile) and (message := wrong_profile_address(registry)):
        yield "provider_profile", message
    for name in JSON_FIELDS:
        if message := wrong_json(getattr(registry, name)):
            yield name, message
    if registry.scope_parameter in OURS_TO_SEND - {"scope"}:
        yield "scope_parameter", _("Keyrack sets this itself: %(names)s.") % {"names": registry.scope_parameter}
    if message := wrong_hosts(registry.base_url_path, registry.base_url_hosts):
        yield "base_url_hosts", message


def wrong_name(client_id: str) -> str:
    return "" if client_id.isprintable() else _("A client ID must be one line, without control characters.")


@sensitive_variables("secret")
def wrong_secret(secret: str) -> str:
    """A sentence about a new secret that was copied together with something else.

    A field for secrets shows neither spaces nor invisible characters, and providers only say that the secret is wrong.
    """
    if secret.strip() and not secret.strip().isprintable():
        return _("A secret is one line, without invisible characters. Copy it again, and nothing else with it.")
    if secret != secret.strip():
        return _("This begins or ends with a space or a line break. Copy it again without it.")
    return ""


def wrong_address(url: str) -> str:
    try:
        transport.check_spelling(url)
    except OAuthError as error:
        return _("This isn’t an address that can be called: %(why)s.") % {"why": error.describe(_)}
    return ""


def wrong_connection_url(url: str, value_names: Collection[str] = ()) -> str:
    """A sentence about a connection URL, which may hold values that the profile of the registry keeps."""
    unknown = sorted(set(PLACEHOLDER.findall(url)) - set(value_names))
    if unknown:
        return _("“%(name)s” isn’t a value that the provider’s profile keeps.") % {"name": unknown[0]}
    return wrong_address(PLACEHOLDER.sub("sample", url))


def wrong_dialect(registry: ApplicationRegistry) -> str:
    try:
        dialect = dialects.parse_dialect(registry.revocation_request)
        if registry.token_revocation_url:
            dialects.check_together(dialect, registry.token_revocation_url, registered=registry.send_credentials)
    except BadDialect as error:
        return str(error)
    return ""


def wrong_request(read: Callable[[object], object], raw: object) -> str:
    try:
        read(raw)
    except (BadDialect, BadProfile) as error:
        return str(error)
    return ""


def wrong_call_headers(registry: ApplicationRegistry) -> str:
    """A sentence about the headers of calls, which may hold values that the profile keeps."""
    value_names = registry.readable_profile.kept_values()
    return wrong_request(
        partial(dialects.parse_call_headers, "Headers of calls", value_names=value_names), registry.call_headers
    )


def wrong_profile_address(registry: ApplicationRegistry) -> str:
    """A sentence about a URL of the profile that leads to a server which the registry does not name.

    The registry's own addresses are what a person agrees to when signing in, so no other server may receive a token.
    """
    known_origins = {origin(getattr(registry, name)) for name in GET_SECRETS if getattr(registry, name)}
    for url in parse_profile(registry.provider_profile).addresses():
        is_known = origin(url) in known_origins or trusted_origin(url, registry.base_url_hosts)
        if not is_known:
            message = _("%(url)s is at a server that the other addresses don’t name. Add it to “%(field)s”.")
            field = ApplicationRegistry._meta.get_field("base_url_hosts").verbose_name
            return message % {"url": url, "field": field}
    return ""


def wrong_parameters(parameters: object, ours_to_send: frozenset[str]) -> str:
    if not isinstance(parameters, dict) or not all(isinstance(value, str) for value in parameters.values()):
        return _('Enter a JSON object of texts, such as {"access_type": "offline"}.')
    if ours := sorted(ours_to_send & parameters.keys()):
        return _("Keyrack sets this itself: %(names)s.") % {"names": ", ".join(ours)}
    return ""


def wrong_json(value: object) -> str:
    try:
        check_storable(value)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


def wrong_hosts(path: str, hosts: str) -> str:
    if path and not hosts.split():
        return _("Enter the hosts that a base URL from the token answer may lead to. Others are ignored.")
    bad = [pattern for pattern in hosts.split() if not is_host_pattern(pattern)]
    if bad:
        return _("Write a host as na1.example.com or *.example.com. Not valid: %(names)s.") % {"names": ", ".join(bad)}
    return ""


def days_until_secret_ends(registry: ApplicationRegistry) -> int | None:
    """Days until the day that was entered as the end of the secret, if that is near or past; else None."""
    if registry.client_secret_expires_on is None or not registry.needs_secret:
        return None
    days = (registry.client_secret_expires_on - timezone.localdate()).days
    return days if days <= SECRET_ENDS_SOON else None


def describe_secret_end(registry: ApplicationRegistry) -> str:
    """A sentence on the end of the secret; "" if it is far away or not known."""
    days = days_until_secret_ends(registry)
    if days is None:
        return ""
    text = _("Its Client Secret expires on %(day)s: create a new one at the provider before then.")
    if days < 0:
        text = _("Its Client Secret expired on %(day)s, by what was entered here: replace it.")
    return text % {"day": day_words(registry.client_secret_expires_on)}


def find_shortcomings(registry: ApplicationRegistry) -> Iterator[tuple[str, str]]:
    """Yield what is missing in one registry, as a sentence for its administrator, and the id of the check."""
    grants = {profile.grant_type for profile in registry.profiles.all()}
    if not grants:
        yield _("It has no OAuth Entity Profile, so no credential can use it."), "keyrack.W010"
    if GrantType.AUTHORIZATION_CODE in grants and not registry.authorization_url:
        yield _("The Authorization URL is missing."), "keyrack.W011"
    if sentence := describe_exchange(registry.authorization_url, registry.token_url):
        yield sentence, "keyrack.W017"
    if registry.needs_secret and not registry.__dict__["client_secret"]:
        yield _("The Client Secret is missing."), "keyrack.W012"
    if sentence := describe_secret_end(registry):
        yield sentence, "keyrack.W016"
    if not registry.needs_secret and not registry.pkce_required:
        yield _("A public client without PKCE: anybody who sees a code can redeem it."), "keyrack.W013"
    if not registry.token_revocation_url:
        yield _("The Token Revocation URL is missing: revoking here will not reach the provider."), "keyrack.W014"
    elif message := wrong_dialect(registry):
        yield _("The provider cannot be told of revocations: %(why)s") % {"why": message}, "keyrack.W015"


def changes_of_secret_receiver(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Changed fields that decide who receives the client secret, or what it authenticates.

    Only an administrator who knows the secret may change them.
    """
    changed = [name for name in BOUND_TO_SECRET if after[name] != (before.get(name) or "")]
    changed += [name for name in GET_SECRETS if after[name] and origin(after[name]) != origin(before.get(name) or "")]
    if names_new_hosts(before, after):  # a host named in a callback redeems codes, with the secret
        changed.append("base_url_hosts")
    receivers = secret_receivers(after.get("provider_profile"))
    if any(receivers) and receivers != secret_receivers(before.get("provider_profile")):
        changed.append("provider_profile")
    return list(dict.fromkeys(changed))


def names_new_hosts(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    old_hosts = (before.get("base_url_hosts") or "").split()
    return any(pattern not in old_hosts for pattern in (after.get("base_url_hosts") or "").split())


def secret_receivers(profile: object) -> tuple[object, ...]:
    """The parts of a provider profile that decide which servers receive the client secret."""
    try:
        parsed = parse_profile(profile or {})
    except BadProfile:
        return ()  # not saved: a form or import reports it
    return parsed.callback.token_host, parsed.exchange, parsed.self_renewal


def changes_of_token_receiver(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Changed fields, other than endpoints, that decide where people's tokens, or people themselves, are sent.

    A field that failed its own validation is missing in `after`.
    """
    fields = ["base_url_hosts"] if names_new_hosts(before, after) else []
    headers = after.get("call_headers")
    if headers and headers != (before.get("call_headers") or {}):
        fields.append("call_headers")
    link, old_link = after.get("account_settings_url"), before.get("account_settings_url")
    if link and old_link and origin(link) != origin(old_link):
        fields.append("account_settings_url")
    return fields


def changes_of_receivers(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Changed fields for which the secret has to be typed again, each once."""
    of_secret, of_tokens = changes_of_secret_receiver(before, after), changes_of_token_receiver(before, after)
    return list(dict.fromkeys([*of_secret, *of_tokens]))


def receivers_message(labels: Iterable[str]) -> str:
    message = _("Enter the Client Secret again: these changes decide who receives it, or people’s tokens (%(labels)s).")
    return message % {"labels": join_names(labels)}


def new_receivers(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Servers that would newly receive people's tokens after the change, and those that have received them."""
    old_receivers = {origin(before.get(name) or "") for name in GET_SECRETS if before.get(name)}
    old_receivers |= set((before.get("base_url_hosts") or "").split())
    receivers = {origin(after[name]) for name in GET_SECRETS if after[name]} | set(
        (after["base_url_hosts"] or "").split()
    )
    return receivers - old_receivers, old_receivers


def picture_type(head: bytes) -> str:
    """Return the type of an image by its first bytes, not by its name or the browser's Content-Type."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "image/webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else ""
