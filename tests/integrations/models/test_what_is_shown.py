"""What pages show of a row: the texts on a list, and whatever is in them stays text."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.models import Alias, Event, HttpConnection, OAuth2Credential, Revocation, Token
from tests import cast, walks

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

SHOWN = {
    *("alias.name", "alias.label", "alias.description", "credential.id", "alias.id", "scope.name"),
    *("token.account_label", "token.last_used_by", "event.detail"),
}
KEPT = {
    *("registry.client_id", "registry.name", "registry.comments", "registry.authorization_url", "registry.token_url"),
    *("registry.client_secret", "token.access_token", "token.refresh_token", "token.account_id", "token.lease_owner"),
    *("scope.scope", "credential.name", "connection.connection_url", "profile.name", "attempt.state_hash"),
    *("attempt.session_hash", "attempt.redirect_uri"),
}


def test_pages_show_what_is_on_the_list_and_nothing_else(amira: User, as_amira: Client) -> None:
    """Every text of every row is a mark of its own; those that come through are known by name."""
    mark = {name: f"Mark-{number}-x" for number, name in enumerate(sorted(SHOWN | KEPT))}
    of: dict[str, dict[str, Any]] = {
        name: {n.split(".")[1]: mark[n] for n in mark if n.startswith(f"{name}.")} for name in ("registry", "token")
    }
    for address in ("authorization_url", "token_url"):
        of["registry"][address] = f"https://{address.replace('_', '-')}.example/{mark[f'registry.{address}']}"
    registry = cast.registry_at("https://x.example", **of["registry"])
    alias = cast.integration_at(registry, name="mark", label=mark["alias.label"], description=mark["alias.description"])
    token = cast.signed_in(amira, alias, **of["token"], last_used_at=timezone.now())
    OAuth2Credential.objects.update(name=mark["credential.name"])
    registry.scopes.update(name=mark["scope.name"], scope=mark["scope.scope"])
    Token.objects.update(scopes=[mark["scope.scope"]], requested_scopes=[mark["scope.scope"]])
    HttpConnection.objects.update(connection_url=f"https://c.example/{mark['connection.connection_url']}")
    Event.objects.create(whose=amira, subject_id=token.credential.pk, kind="connected", detail=mark["event.detail"])
    fields = {n: mark[f"attempt.{n}"] for n in ("session_hash", "redirect_uri")}
    attempt = walks.under_way(amira, alias, **fields)
    places = ["/integrations/", *(f"/integrations/{alias.hex}/{page}" for page in ("", "revoke/", "forget/"))]
    pages = "".join(walks.words(as_amira.get(place)) for place in [*places, f"/integrations/done/{attempt.hex}/"])
    Alias.objects.update(active=False)
    pages += "".join(walks.words(as_amira.get(place)) for place in places)
    Token.objects.all()[0].end(reason="revoked", by_the_person=True)
    Alias.objects.update(active=True)
    pages += "".join(walks.words(as_amira.get(place)) for place in places)
    mark |= {"alias.name": "mark", "alias.id": alias.hex, "credential.id": token.credential.hex}
    mark["attempt.state_hash"] = attempt.state_hash
    assert {name for name, text in mark.items() if text in pages} == SHOWN


# Markup ---------------------------------------------------------------------------------------------------------------

PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)' {{ settings.SECRET_KEY }}{% now 'Y' %}",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_markup_in_any_text_stays_text(payload: str, amira: User, as_amira: Client) -> None:
    """As an administrator, a provider or another program may have put it there."""
    registry = cast.registry_at("https://x.example", name=payload, account_settings_url=payload)
    fields = {"label": payload, "description": payload, "inactive_reason": payload}
    alias = cast.integration_at(registry, **fields)
    registry.scopes.update(name=payload)
    cast.signed_in(amira, alias, account_label=payload, last_used_by=payload, last_used_at=timezone.now())
    Event.objects.create(whose=amira, subject_id=walks.credential_of(alias).pk, kind="sign_in_failed", detail=payload)
    attempt = walks.under_way(amira, alias, account_label=payload)
    places = [f"/integrations/done/{attempt.hex}/", f"/integrations/{alias.hex}/", f"/integrations/{alias.hex}/revoke/"]
    places += [f"/integrations/{alias.hex}/forget/", "/integrations/?" + urlencode({"q": payload})]

    def look() -> str:
        return "".join(walks.words(as_amira.get(place)) for place in places)

    page = look()
    for status in ("failed", "other_account", "connected"):
        type(attempt).objects.update(status=status, failure_code=payload)
        page += look()
    Token.objects.update(state="needs_reauth", failure_code=payload)
    page += look()
    Alias.objects.update(active=False)
    page += look()
    Alias.objects.update(active=True)
    Token.objects.all()[0].end(reason="revoked", by_the_person=True)
    Revocation.objects.update(state="failed", last_answer=payload)
    page += look()
    assert re.search(r"alert|SECRET_KEY", page), "it is shown"
    assert payload not in page or payload == "javascript:alert(1)"
    assert not re.search(r"""(?:href|src|action)=["']?\s*javascript:""", page, re.IGNORECASE)
    assert not re.search(r"<(?:script|img|svg)[^>]*(?:onerror|onload|>alert)", page)
