"""Authorization servers that we did not write, started for tests and spoken to over loopback.

`oidc_provider()` is oidc-provider from npm, certified and strict; `canaille()` is Canaille from PyPI, built on
Authlib. Knows nothing of Keyrack: whatever works against these works because both sides follow the RFCs.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import requests

from tests.servers import forms, installed, running

HERE = Path(__file__).resolve().parent
DISCOVERY = "/.well-known/openid-configuration"
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
NOWHERE = ("http://127.0.0.1:9/nobody-listens",)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A running authorization server, and our client at it. `users` holds passwords by name."""

    name: str
    issuer: str
    authorization_url: str
    token_url: str
    revocation_url: str
    introspection_url: str
    userinfo_url: str
    registration_url: str
    api_url: str  # a protected resource: 200 with a living access token, else 401
    scopes: tuple[str, ...]
    users: Mapping[str, str] = field(repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)

    def register(
        self,
        redirect_uris: Sequence[str],
        *,
        client_authentication: str = "client_secret_basic",
        grant_types: Sequence[str] = GRANT_TYPES,
    ) -> "Peer":
        """The same server with a new client of these redirect URIs (RFC 7591)."""
        metadata: dict[str, object] = {
            "client_name": "Keyrack",
            "redirect_uris": list(redirect_uris),
            "grant_types": list(grant_types),
            "response_types": ["code"],
            "scope": " ".join(self.scopes),
            "token_endpoint_auth_method": client_authentication,
        }
        if self.name == "canaille":
            # Its access tokens have no jti: with RS256 two of one second are the same string, and it answers 500.
            metadata |= {"id_token_signed_response_alg": "ES256"}
        answer = requests.post(self.registration_url, json=metadata, timeout=10)
        answer.raise_for_status()
        client = answer.json()
        return replace(self, client_id=client["client_id"], client_secret=client.get("client_secret", ""))

    def consent(self, authorization_url: str, user: str = "alice", *, allow: bool = True) -> str:
        """Sign in as `user` and answer the consent page; the redirect URL, which is not called."""
        return forms.consent(authorization_url, user, self.users[user], allow=allow)

    def count(self, request: str) -> int:
        """How many requests began like this, e.g. "POST /token refresh_token 200" or "GET /api/whoami"."""
        counts: dict[str, int] = requests.get(f"{self.issuer}/_ctl/stats", timeout=10).json()
        return sum(times for key, times in counts.items() if f"{key} ".startswith(f"{request} "))

    def spoil(
        self,
        path: str,
        *,
        times: int = 1,
        status: int = 0,
        body: str = "",
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        delay: float = 0,
        drop: bool = False,
        after: bool = False,
        grant_type: str = "",
    ) -> None:
        """Let the next requests to `path` go wrong: another answer, a delay, or a dropped connection.

        With `after` the server does its work first and only the answer is spoiled; `grant_type` needs that.
        """
        assert after or not grant_type, "the grant type is known only after the server has read the request"
        fault = {
            "path": path,
            "times": times,
            "status": status,
            "body": body,
            "content_type": content_type,
            "headers": dict(headers or {}),
            "delay": delay,
            "drop": drop,
            "after": after,
            "grant_type": grant_type,
        }
        requests.post(f"{self.issuer}/_ctl/fault", json=fault, timeout=10).raise_for_status()

    def reset(self) -> None:
        """Forget what was counted and what was to go wrong; tokens stay."""
        requests.post(f"{self.issuer}/_ctl/reset", timeout=10).raise_for_status()


@contextmanager
def oidc_provider(
    redirect_uris: Sequence[str] = NOWHERE,
    *,
    access_ttl: int = 3600,
    refresh_ttl: int = 1209600,
    rotate: bool = True,
    pkce: bool = True,
    refresh_tokens: str = "always",
) -> Iterator[Peer]:
    """oidc-provider with a client of these redirect URIs. Lifetimes in seconds.

    `refresh_tokens="offline"` gives one only for scope offline_access with prompt=consent. Sends `iss` (RFC 9207),
    answers a refresh token used twice by ending the whole grant. `count`, `spoil` and `reset` work here only.
    """
    settings: dict[str, object] = {
        "installed": str(installed.node_modules(HERE / "oidc_provider")),
        "access_ttl": access_ttl,
        "refresh_ttl": refresh_ttl,
        "rotate": rotate,
        "pkce": pkce,
        "refresh_tokens": refresh_tokens,
    }
    command = [installed.node(), str(HERE / "oidc_provider" / "server.mjs")]
    with _running("oidc-provider", command, settings) as peer:
        yield replace(peer, api_url=f"{peer.issuer}/api/whoami").register(redirect_uris)


@contextmanager
def canaille(redirect_uris: Sequence[str] = NOWHERE, *, access_ttl: int = 3600) -> Iterator[Peer]:
    """Canaille with a client of these redirect URIs. Its refresh tokens live as long as its access tokens.

    Also takes grant type "password". For client credentials it takes client_secret_basic only.
    """
    python = installed.environment(HERE / "canaille")
    command = [str(python), str(HERE / "canaille" / "serve.py")]
    with _running("canaille", command, {"access_ttl": access_ttl}) as peer:
        yield peer.register(redirect_uris)


@contextmanager
def _running(name: str, command: list[str], settings: Mapping[str, object]) -> Iterator[Peer]:
    listening = running.listening_socket()
    issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
    users = {user: secrets.token_urlsafe(12) for user in ("alice", "bob")}
    with running.server(command, listening, {**settings, "issuer": issuer, "users": users}, DISCOVERY):
        yield _described(name, requests.get(issuer + DISCOVERY, timeout=10).json(), users)


def _described(name: str, metadata: Mapping[str, object], users: Mapping[str, str]) -> Peer:
    def url(key: str) -> str:
        return str(metadata[f"{key}_endpoint"])

    scopes = metadata["scopes_supported"]
    assert isinstance(scopes, list)
    return Peer(
        name=name,
        issuer=str(metadata["issuer"]),
        authorization_url=url("authorization"),
        token_url=url("token"),
        revocation_url=url("revocation"),
        introspection_url=url("introspection"),
        userinfo_url=url("userinfo"),
        registration_url=url("registration"),
        api_url=url("userinfo"),
        scopes=tuple(scopes),
        users=users,
    )
