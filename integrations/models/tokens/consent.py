"""Consent to addresses: those that the owner of a token agreed to, compared with the current set-up.

A token stores the addresses that were set up when its owner signed in or confirmed them (`Token.agreed`). A token may
be sent or handed out only if `unagreed_changes` returns none. Compares origins (scheme, host, port), not paths. Only
`current_agreement` queries the database.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from django.db.models import BigIntegerField, QuerySet, UUIDField

from foundation.database import CompiledQuery, Slot
from foundation.oauth_client.registration import fill_address, origin, trusted_origin, with_origin
from integrations.models import admission
from integrations.models.failures import ADDRESS_CHANGED
from integrations.models.registry import ApplicationRegistry, HttpConnection, OAuth2Credential

CHANGED = ADDRESS_CHANGED  # code of a token that is blocked until its owner confirms
CONNECTION = "connection_url"
LINK = "account_settings_url"  # for people; no token is sent there
# Endpoints of the authorization server. All of the first group may receive a refresh token.
SERVER = ("token_url", "refresh_url", "token_revocation_url", "token_introspection_url")
ENDPOINTS = (*SERVER, "userinfo_url", LINK)
COLUMNS = (*ENDPOINTS, "base_url_hosts", "call_headers")  # of the registry
SNAPSHOT = {  # columns of a revocation, and the registry's fields they come from
    "revocation_url": "token_revocation_url",
    "introspection_url": "token_introspection_url",
    "userinfo_url": "userinfo_url",
    "token_url": "token_url",
}
Agreement = dict[str, Any]
CREDENTIAL_ID, USER_ID = Slot("credential", UUIDField()), Slot("user", BigIntegerField())

origin_of = lru_cache(maxsize=4096)(origin)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One address that the owner has not agreed to. `name`: field of the address."""

    name: str
    old: str
    new: str


def build_agreement(registry: ApplicationRegistry, connection_urls: Iterable[str]) -> Agreement:
    """Return what a person who signs in now agrees to."""
    return {
        "connections": sorted(set(connection_urls)),
        **{name: getattr(registry, name) for name in ENDPOINTS},
        "base_url_hosts": registry.base_url_hosts.split(),
        "call_headers": hash_headers(registry.call_headers),
        "revocation_request": registry.revocation_request,  # how to revoke at the old address, if it changes
    }


def current_agreement(credential: OAuth2Credential, user_id: int | None) -> Agreement:
    """Return the agreement with all connections in use that this user, or the system, may use."""
    if user_id is None:
        urls = list(connections_in_use(credential.pk).values_list("connection_url", flat=True))
    else:
        rows = visible_connections(tuple(admission.RULES)).rows(credential=credential.pk, user=user_id)
        urls = [url for (url,) in rows]
    return build_agreement(credential.registry, urls)


@cache
def visible_connections(rules: tuple[admission.Rule, ...]) -> CompiledQuery:
    """The compiled statement, cached by the rules of admission that are part of it."""
    return CompiledQuery(
        lambda: (
            connections_in_use(CREDENTIAL_ID)
            .filter(alias__in=admission.filter_visible(USER_ID))
            .values_list("connection_url")
        )
    )


def connections_in_use(credential_id: Any) -> QuerySet[HttpConnection]:
    return HttpConnection.objects.filter(active=True, alias__active=True, credential_id=credential_id)


def unagreed_changes(agreed: Agreement | None, registry: Mapping[str, Any], connection_url: str = "") -> list[Change]:
    """Return the addresses that the owner of a token has not agreed to. The token may be used if there are none.

    `registry`: values of `COLUMNS`. `connection_url`: where the call is to go, if the token is to be used for one.
    """
    if agreed is None:
        agreed = {}
    unagreed: list[Change] = []
    if connection_url and not allows_call(agreed, connection_url):
        unagreed.append(Change(name=CONNECTION, old=agreed_connection(agreed), new=connection_url))
    unagreed += [
        Change(name=name, old=agreed.get(name, ""), new=registry[name])
        for name in ENDPOINTS
        if registry[name] != agreed.get(name, "") and not allows_endpoint(agreed, name, registry[name])
    ]
    return unagreed + other_changes(agreed, registry)


def blocking_changes(agreed: Agreement | None, registry: Mapping[str, Any], urls: Iterable[str]) -> list[Change]:
    """Return unagreed changes if the token may be used for none of these Connection URLs; else none."""
    changes = [unagreed_changes(agreed, registry, url) for url in urls or [""]]
    return changes[0] if all(changes) else []


def other_changes(agreed: Agreement, registry: Mapping[str, Any]) -> list[Change]:
    """Return changes of the hosts that a base URL may lead to, and of the headers that each call carries."""
    unagreed, hosts = [], agreed.get("base_url_hosts", [])
    if any(not covers_hosts(hosts, pattern) for pattern in registry["base_url_hosts"].split()):
        unagreed.append(Change(name="base_url_hosts", old=" ".join(hosts), new=registry["base_url_hosts"]))
    headers = registry["call_headers"]
    if headers and hash_headers(headers) != agreed.get("call_headers", ""):
        unagreed.append(
            Change(name="call_headers", old="", new=", ".join(headers) if isinstance(headers, dict) else "")
        )
    return unagreed


def allows_call(agreed: Agreement, connection_url: str) -> bool:
    agreed_urls = agreed.get("connections", [])
    return connection_url in agreed_urls or origin_of(connection_url) in {origin_of(url) for url in agreed_urls}


def allows_endpoint(agreed: Agreement, name: str, url: str) -> bool:
    """Whether a token may be sent to this endpoint. A new link for people is allowed: no token is sent there."""
    if not url or (name == LINK and not agreed.get(LINK)):
        return True
    agreed_urls = [agreed.get(name, ""), *(agreed.get(endpoint, "") for endpoint in SERVER)]
    return origin_of(url) in {origin_of(agreed_url) for agreed_url in agreed_urls if agreed_url}


def covers_hosts(hosts: Iterable[str], pattern: str) -> bool:
    """Whether these hosts include every host that the pattern matches."""
    return any(
        pattern == host or (host.startswith("*.") and pattern.removeprefix("*").endswith(host[1:])) for host in hosts
    )


def home_of(url: str, *, base_url: str = "", values: Mapping[str, str], agreed: Agreement | None, hosts: str) -> str:
    """Return the URL with one person's values, at the server that the provider named for that person.

    A server that the provider named, or a host that a value completes, is believed if the set-up and the owner allow it
    now; else the URL keeps its own server or its placeholder.
    """
    here = with_origin(url, allowed_base_url(agreed, base_url, hosts))
    if "{" not in here:
        return here
    filled = fill_address(here, values)
    names_host = "{" in here.partition("://")[2].partition("/")[0]
    return filled if not names_host or allowed_base_url(agreed, filled, hosts) else here


def allowed_base_url(agreed: Agreement | None, base_url: str, hosts: str) -> str:
    """Return the origin that a token answer names for calls, if the set-up and the owner allow it; else ""."""
    agreed_hosts = " ".join((agreed or {}).get("base_url_hosts", []))
    return trusted_origin(base_url, hosts) and trusted_origin(base_url, agreed_hosts)


def revocation_snapshot(agreed: Agreement, registry: ApplicationRegistry, *, server: str = "") -> dict[str, Any]:
    """Return the registry's addresses for a revocation.

    An address at a server that the owner has not agreed to is replaced with the one that they agreed to.
    `server`: where the tokens of this person were issued, if not where all others are.
    """
    snapshot = registry.revocation_snapshot()
    for column, name in SNAPSHOT.items():
        if not allows_endpoint(agreed, name, snapshot[column]):
            snapshot[column] = agreed.get(name, "")
            if column == "revocation_url":
                snapshot["revocation_request"] = agreed.get("revocation_request", {})
    for column in ("revocation_url", "introspection_url", "token_url"):
        snapshot[column] = with_origin(snapshot[column], server)
    return snapshot


def agreed_connection(agreed: Agreement) -> str:
    urls: list[str] = agreed.get("connections", [])
    return urls[0] if len(urls) == 1 else ", ".join(urls)


def hash_headers(headers: object) -> str:
    """Hash the headers, which may contain an API key that must not be stored twice."""
    return hashlib.sha256(json.dumps(headers, sort_keys=True).encode()).hexdigest() if headers else ""
