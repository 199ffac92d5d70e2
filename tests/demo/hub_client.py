"""A client of the demo provider, written with requests alone: what the hub does, seen from the wire."""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from tests.servers.demo_provider import Provider

CALLBACK = "http://127.0.0.1:8000/oauth_redirect.do/0123456789abcdef0123456789abcdef"
ALL_SCOPES = ["openid", "profile", "email", "notes:read", "notes:write", "contacts:read"]


def client(client_id: str, **more: object) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "client_secret": secrets.token_urlsafe(24),
        "name": client_id.title(),
        "grant": "authorization_code",
        "redirect_uris": [CALLBACK],
        "scopes": ALL_SCOPES,
    } | more


CLIENTS = [
    client("notes"),
    client("other"),
    client("two-days", access_token_seconds=2 * 24 * 3600, issues_refresh_token=False),
    client("stubborn", revocations_fail=True),
    client("records", grant="password", redirect_uris=[], scopes=["profile", "contacts:read"]),
]


@dataclass
class Hub:
    """A client of the provider, written with requests alone."""

    provider: Provider
    client_id: str = "notes"
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def proof(self) -> tuple[str, str]:
        return self.client_id, self.provider.clients[self.client_id]["client_secret"]

    def authorization_url(self, scope: str = "profile notes:read", **more: str | None) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "scope": scope,
            "state": "a-state",
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        } | more
        told = {name: value for name, value in asked.items() if value is not None}
        return f"{self.provider.url}/o/authorize/?{urlencode(told)}"

    def code(self, person: requests.Session, scope: str = "profile notes:read") -> str:
        return answers(self.provider.consent(person, self.authorization_url(scope)))["code"]

    def post(self, path: str, **sent: str) -> requests.Response:
        return self.provider.session().post(f"{self.provider.url}{path}", data=sent, auth=self.proof, timeout=30)

    def exchange(self, code: str, **more: str) -> requests.Response:
        sent = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        return self.post("/o/token/", **(sent | {"code_verifier": self.verifier} | more))

    def refresh(self, refresh_token: str) -> requests.Response:
        return self.post("/o/token/", grant_type="refresh_token", refresh_token=refresh_token)

    def tokens(self, person: requests.Session, scope: str = "profile notes:read") -> dict[str, Any]:
        answer = self.exchange(self.code(person, scope))
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def get(self, path: str, access_token: str, **more: Any) -> requests.Response:
        return self.call("GET", path, access_token, **more)

    def call(self, method: str, path: str, access_token: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {access_token}"}
        address = f"{self.provider.url}{path}"
        return self.provider.session().request(method, address, headers=headers, timeout=30, **more)


def answers(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def press(person: requests.Session, provider: Provider, switch: str, *, on: bool, client_name: str = "") -> None:
    """Press a switch as the page offers it, for one client or for all."""
    page = person.get(f"{provider.url}/", timeout=30).text
    key = re.search(r'id="row-(\d+)">\s*<div class="name">\s*<h3>' + client_name, page) if client_name else None
    sent = {"switch": switch, "csrfmiddlewaretoken": person.cookies["provider_csrf"]}
    sent |= {"on": "1"} if on else {}
    sent |= {"client": key[1]} if key else {}
    answer = person.post(f"{provider.url}/switch/", data=sent, timeout=30, allow_redirects=False)
    assert answer.status_code == 302, answer.text
