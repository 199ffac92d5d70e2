"""An OAuth client of Keyrack: its requests, and a user's answers on the consent page."""

import base64
import hashlib
import re
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import Grant

from accounts import scopes
from accounts.models import User
from accounts.oauth_server import replays
from accounts.oauth_server.models import Application, Approval
from tests.conftest import client_of

SECRET = "CANARY-program-secret"
CALLBACK = "https://program.example/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


def program(**fields: Any) -> Application:
    application: Application = Application.objects.create(
        **{
            "name": "Weekly digest",
            "client_id": "digest",
            "client_secret": SECRET,
            "client_type": "confidential",
            "authorization_grant_type": "authorization-code",
            "redirect_uris": CALLBACK,
            "allowed_scopes": "integrations:read integrations:revoke",
            **fields,
        }
    )
    return application


def authorize_url(**parameters: str) -> str:
    fields = {
        "response_type": "code",
        "client_id": "digest",
        "redirect_uri": CALLBACK,
        "scope": "integrations:read",
        "state": "a-state",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **parameters,
    }
    return "/o/authorize/?" + urlencode({name: value for name, value in fields.items() if value})


def ask(browser: Client, **parameters: str) -> dict[str, str]:
    """Allow the authorization request; returns the parameters of the redirect to the program."""
    return answer_consent(browser, {"allow": "true"}, **parameters)


def answer_consent(browser: Client, answer: dict[str, str], **parameters: str) -> dict[str, str]:
    page = browser.get(authorize_url(**parameters))
    if page.status_code == 200:
        page = browser.post(authorize_url(**parameters), {**hidden_fields(page), **answer})
    assert page.status_code == 302, page.content
    assert page["Location"].startswith(parameters.get("redirect_uri") or CALLBACK), page["Location"]
    return {name: values[0] for name, values in parse_qs(urlsplit(page["Location"]).query).items()}


def hidden_fields(page: Any) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.content.decode()))


def allow_in_browser(person: User, url: str) -> str:
    """What the authorization server redirects to, once the person has allowed the request there."""
    browser = requests.Session()
    browser.cookies.update({name: cookie.value for name, cookie in client_of(person).cookies.items()})
    page = browser.get(url, allow_redirects=False, timeout=30)
    if page.status_code == 200:
        answer = {**hidden_fields(page), "allow": "true"}
        page = browser.post(url, answer, headers={"Referer": url}, allow_redirects=False, timeout=30)
    return str(page.headers["Location"])


def basic(client_id: str = "digest", secret: str = SECRET) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def token(**fields: str) -> Any:
    """A response of the token endpoint."""
    return Client(headers=basic()).post("/o/token/", fields)


def exchange(code: str, **fields: str) -> Any:
    defaults = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return token(**{**defaults, **fields})


def agreed(user: User, scope: str, client_id: str = "digest") -> dict[str, Any]:
    """What `granted` leads to, for tests of what comes later: the rows that the consent page stores, then the exchange.

    The page costs as much as all that most of these tests do.
    """
    application = Application.objects.get(client_id=client_id)
    allowed, code, now = scopes.within_rank(user, scope.split()), secrets.token_urlsafe(), timezone.now()
    Approval.objects.update_or_create(
        user=user, application=application, defaults={"scopes": sorted(allowed), "last_used_at": now}
    )
    Grant.objects.create(
        user=user,
        application=application,
        code=replays.hash_secret(code),
        expires=now + timedelta(minutes=1),
        redirect_uri=CALLBACK,
        scope=" ".join(allowed),
        code_challenge=CHALLENGE,
        code_challenge_method="S256",
    )
    return tokens_in(exchange(code))


def granted(browser: Client, **parameters: str) -> dict[str, Any]:
    return tokens_in(exchange(ask(browser, **parameters)["code"]))


def tokens_in(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.content
    tokens: dict[str, Any] = answer.json()
    return tokens


def refresh(refresh_token: str, **fields: str) -> Any:
    return token(grant_type="refresh_token", refresh_token=refresh_token, **fields)


def introspect(value: str, **headers: str) -> Any:
    return Client(headers=headers or basic()).post("/o/introspect/", {"token": value})
