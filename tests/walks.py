"""A sign-in step by step, as a browser and a scripted provider walk it. Knows addresses and parameters, no promises."""

import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qs, urlencode, urlsplit

from django.test import Client
from django.urls import reverse

from accounts.models import User
from integrations.models import Alias, ApplicationRegistry, AuthorizationAttempt, OAuth2Credential
from integrations.models.addresses import initiator_url
from tests import cast
from tests.servers.hostile import Answer, HostileServer

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse

Page: TypeAlias = "_MonkeyPatchedWSGIResponse"  # what Django's test client returns

PROVIDERS_ACCOUNT = {"sub": "a-1", "email": "amira@northwind.example"}


def northwind(server: HostileServer, **registry: Any) -> Alias:
    """An integration at this server, as an administrator would have set it up."""
    return cast.integration_at(cast.registry_at(server.url, **registry))


def credential_of(alias: Alias) -> OAuth2Credential:
    credential = Alias.objects.get(pk=alias.pk).effective_credential
    assert credential is not None
    return credential


def registry_of(alias: Alias) -> ApplicationRegistry:
    return credential_of(alias).registry


def grants(server: HostileServer, number: int = 1, **fields: Any) -> None:
    """The token endpoint will hand out this pair of tokens, once."""
    server.on("POST /token").answer(json=token_answer(number, **fields))


def token_answer(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "access_token": f"CANARY-access-{number}",
        "refresh_token": f"CANARY-refresh-{number}",
        "token_type": "Bearer",
        "expires_in": 3600,
        **fields,
    }


def start_url(alias: Alias, **parameters: str) -> str:
    url = initiator_url(credential_of(alias))
    return f"{url}&{urlencode(parameters)}" if parameters else url


def start(client: Client, alias: Alias, **parameters: str) -> Page:
    return client.get(start_url(alias, **parameters))


def asked(response: Page) -> dict[str, str]:
    """What the provider is asked for by the address that the browser is sent to."""
    assert response.status_code == 302, response.content
    found = parse_qs(urlsplit(response["Location"]).query, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}


def begin(client: Client, alias: Alias, **parameters: str) -> str:
    """Leave for the provider; the state that it is told."""
    return asked(start(client, alias, **parameters))["state"]


def callback_url(registry: ApplicationRegistry, parameters: Mapping[str, Any]) -> str:
    path = reverse("integrations:redirect", args=[registry.hex])
    return f"{path}?{urlencode(parameters, doseq=True)}"


def come_back(client: Client, alias: Alias, state: str, **parameters: Any) -> Page:
    """The provider sends the browser back, with a code unless told otherwise."""
    answer = {"code": "CANARY-code", "state": state, **parameters}
    return client.get(callback_url(registry_of(alias), {k: v for k, v in answer.items() if v is not None}))


def sign_in(client: Client, alias: Alias, **parameters: Any) -> Page:
    """All of it, to the page where it ends."""
    back = come_back(client, alias, begin(client, alias), **parameters)
    assert back.status_code == 303, back.content
    return client.get(back["Location"])


def attempt_of(response: Page) -> AuthorizationAttempt:
    """The sign-in that an answer of the callback belongs to."""
    return AuthorizationAttempt.objects.get(pk=response["Location"].rstrip("/").rpartition("/")[2])


def words(response: Page) -> str:
    return response.content.decode()


def answered(number: int = 1, *, delay: float = 0.0, **fields: Any) -> Answer:
    return Answer(json=token_answer(number, **fields), delay=delay)


def cards(page: str) -> dict[str, list[str]]:
    """The titles in each section of the dashboard, in the order of the page."""
    sections = re.findall(r"<section.*?</section>", page, re.DOTALL)
    return {
        re.findall(r"<h2[^>]*>([^<]+)</h2>", section)[0]: re.findall(r' id="c-\w+-h"[^>]*><bdi>([^<]+)</bdi>', section)
        for section in sections
        if "<h2" in section
    }


def state_on(page: str) -> str:
    """The state of the first card."""
    return str(re.findall(r'data-state="(\w+)"', page)[0])


def under_way(user: User, alias: Alias, **fields: Any) -> AuthorizationAttempt:
    """A sign-in that this person has begun."""
    credential = credential_of(alias)
    return AuthorizationAttempt.objects.create(
        user=user, credential=credential, registry=credential.registry, state_hash=secrets.token_hex(32), **fields
    )
