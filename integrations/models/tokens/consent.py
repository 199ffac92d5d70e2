"""Where a token may go: the addresses that its owner agreed to, compared with the set-up as it is now.

A token remembers the addresses that were set up when its owner signed in or confirmed them (`Token.agreed`).
`changes` answers whether a token may be sent: whatever sends one, or hands one out, asks it first. Compares origins
(scheme, host, port); a path may change. Asks no database but in `agreement_now`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from foundation.oauth_client import base_urls
from integrations.models import admission
from integrations.models.registry import ApplicationRegistry, HttpConnection, OAuth2Credential

CHANGED = "address_changed"  # the code of a token that is held until its owner confirms
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

origin_of = lru_cache(maxsize=4096)(base_urls.origin)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One address that is not the one that the owner agreed to. `name`: the field that holds it."""

    name: str
    old: str
    new: str


def agreement(registry: ApplicationRegistry, connection_urls: Iterable[str]) -> Agreement:
    """What somebody agrees to who signs in now."""
    return {
        "connections": sorted(set(connection_urls)),
        **{name: getattr(registry, name) for name in ENDPOINTS},
        "base_url_hosts": registry.base_url_hosts.split(),
        "call_headers": digest(registry.call_headers),
        "revocation_request": registry.revocation_request,  # how the old address is told, should it change
    }


def agreement_now(credential: OAuth2Credential, user_id: int | None) -> Agreement:
    """The same, with the connections that are in use and that this person may use (all of them for the system)."""
    connections = HttpConnection.objects.filter(active=True, alias__active=True, credential=credential)
    if user_id is not None:
        connections = connections.filter(alias__in=admission.shown(user_id))
    return agreement(credential.registry, connections.values_list("connection_url", flat=True))


def changes(agreed: Agreement | None, registry: Mapping[str, Any], connection_url: str = "") -> list[Change]:
    """The addresses that the owner of a token has not agreed to; empty where the token may be used.

    `registry`: the values of `COLUMNS`. `connection_url`: where calls would go, where the token is to be used for that.
    """
    if agreed is None:
        agreed = {}
    found = [Change(name=CONNECTION, old=known_connection(agreed), new=connection_url)]
    found = [] if not connection_url or allows_call(agreed, connection_url) else found
    found += [
        Change(name=name, old=agreed.get(name, ""), new=registry[name])
        for name in ENDPOINTS
        if registry[name] != agreed.get(name, "") and not allows(agreed, name, registry[name])
    ]
    return found + other_changes(agreed, registry)


def other_changes(agreed: Agreement, registry: Mapping[str, Any]) -> list[Change]:
    """What decides where a base URL from the token answer may lead, and what is sent along with each call."""
    found, hosts = [], agreed.get("base_url_hosts", [])
    if any(not covers(hosts, pattern) for pattern in registry["base_url_hosts"].split()):
        found.append(Change(name="base_url_hosts", old=" ".join(hosts), new=registry["base_url_hosts"]))
    headers = registry["call_headers"]
    if headers and digest(headers) != agreed.get("call_headers", ""):
        found.append(Change(name="call_headers", old="", new=", ".join(headers) if isinstance(headers, dict) else ""))
    return found


def allows_call(agreed: Agreement, connection_url: str) -> bool:
    known = agreed.get("connections", [])
    return connection_url in known or origin_of(connection_url) in {origin_of(url) for url in known}


def allows(agreed: Agreement, name: str, url: str) -> bool:
    """Whether a token may go to this endpoint. A link for people that is new takes no token anywhere."""
    if not url or (name == LINK and not agreed.get(LINK)):
        return True
    known = [agreed.get(name, ""), *(agreed.get(each, "") for each in SERVER)]
    return origin_of(url) in {origin_of(each) for each in known if each}


def covers(hosts: Iterable[str], pattern: str) -> bool:
    """Whether each host that the pattern names is one of these."""
    return any(
        pattern == known or (known.startswith("*.") and pattern.removeprefix("*").endswith(known[1:]))
        for known in hosts
    )


def believed(agreed: Agreement | None, base_url: str, hosts: str) -> str:
    """The origin that a token answer names for calls, where the set-up and the owner allow it; else ""."""
    known = " ".join((agreed or {}).get("base_url_hosts", []))
    return base_urls.believed(base_url, hosts) and base_urls.believed(base_url, known)


def revocation_snapshot(agreed: Agreement, registry: ApplicationRegistry) -> dict[str, Any]:
    """The registry's addresses for a revocation; where one leads to a server that the owner never agreed to, the
    address that they did agree to.
    """
    snapshot = registry.revocation_snapshot()
    for column, name in SNAPSHOT.items():
        if not allows(agreed, name, snapshot[column]):
            snapshot[column] = agreed.get(name, "")
            if column == "revocation_url":
                snapshot["revocation_request"] = agreed.get("revocation_request", {})
    return snapshot


def known_connection(agreed: Agreement) -> str:
    known: list[str] = agreed.get("connections", [])
    return known[0] if len(known) == 1 else ", ".join(known)


def digest(headers: object) -> str:
    """The headers may hold an API key, which is not kept in a second place."""
    return hashlib.sha256(json.dumps(headers, sort_keys=True).encode()).hexdigest() if headers else ""
