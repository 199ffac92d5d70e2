"""A provider that gives one person nothing for hours and no reason: what the person and their programs read."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.errors import OAuthError
from integrations.connections import renewal
from integrations.models import Alias, ApplicationRegistry, Renewal, Token
from tests import cast, walks
from tests.conftest import client_of
from tests.integrations.renewing import ASKED, GRANTED, current
from tests.servers.hostile import Answer, Call, HostileServer

pytestmark = pytest.mark.django_db

EMPTY = Answer(status=400)
# What the token endpoint answers, and what programs read.
VAGUE: dict[str, tuple[Answer, str]] = {
    "empty_400": (EMPTY, "provider_unusable"),
    "empty_403": (Answer(status=403), "provider_unusable"),
    "page_403": (Answer(status=403, text="<html>Blocked"), "provider_unreachable"),
    "away": (Answer(status=503), "provider_unreachable"),
}


class Provider:
    """Accepts our registration, renews Bob, names a token that nobody has, and gives Amira no reason."""

    def __init__(self, server: HostileServer, vague: Answer) -> None:
        self.vague, self.is_vague = vague, True
        server.on(ASKED).always(self.grant)

    def grant(self, call: Call) -> Answer:
        refresh_token = call.form.get("refresh_token")
        if refresh_token == "CANARY-refresh-1":
            return self.vague if self.is_vague else Answer(json=GRANTED)
        if refresh_token == "CANARY-of-bob":
            return Answer(json={**GRANTED, "refresh_token": "CANARY-of-bob", "expires_in": 1})
        return Answer(status=400, json={"error": "invalid_grant"})


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    return walks.northwind(server)


def try_again(user: User, alias: Alias, times: int = 1) -> None:
    """As often as somebody uses it, each time after the pause."""
    for _ in range(times):
        Token.objects.update(lease_expires_at=None)
        with pytest.raises(OAuthError):
            current(user, alias)


def card(client: Client) -> dict[str, Any]:
    [one] = client.get("/api/v1/integrations/").json()
    return dict(one)


@pytest.mark.slow
@pytest.mark.parametrize(("vague", "code"), VAGUE.values(), ids=VAGUE)
def test_for_hours_the_card_says_that_it_is_not_renewed_and_nobody_is_blamed(
    vague: Answer, code: str, server: HostileServer, amira: User, as_amira: Client, bob: User, alias: Alias
) -> None:
    provider = Provider(server, vague)
    cast.signed_in(amira, alias, expires_in=-10)
    bobs = cast.signed_in(bob, alias, expires_in=-10, refresh_token="CANARY-of-bob")
    for _ in range(3):
        try_again(amira, alias)
        renewal.renew(Token.objects.with_registry().get(pk=bobs.pk))
    Renewal.objects.filter(outcome="failed").update(asked_at=timezone.now() - timedelta(hours=5))

    for place in ("/integrations/", f"/integrations/{alias.hex}/"):
        page = walks.words(as_amira.get(place))
        assert "hasn’t been able to renew this since" in page
        assert "Your sign-in is kept" in page
        assert "Renews by itself" not in page
        assert re.search(r"<dt>Expired</dt><dd><time[^>]*>[^<]*\d\d:\d\d UTC</time> <span class=\"dim\">", page)
        assert "needs you" not in page
    assert walks.state_on(walks.words(as_amira.get("/integrations/"))) == "not_renewed"
    assert (card(as_amira)["state"], card(as_amira)["section"]) == ("not_renewed", "my")
    assert as_amira.get("/api/v1/integrations/northwind/token-valid/").json() == {"token_valid": True}
    answer = as_amira.get("/api/v1/integrations/northwind/proxy/contacts")
    assert (answer.status_code, answer.json()["error"]) == (502, code)

    registry = ApplicationRegistry.objects.get()
    assert (registry.misconfigured_code, registry.renewals_held_until) == ("", None)
    assert Token.objects.get(user=amira).state == "valid"
    assert walks.state_on(walks.words(client_of(bob).get("/integrations/"))) == "connected"

    provider.is_vague = False
    Token.objects.update(lease_expires_at=None)
    assert current(amira, alias) == "CANARY-access-2"
    assert card(as_amira)["state"] == "connected"


@pytest.mark.slow
def test_a_new_sign_in_ends_it(server: HostileServer, amira: User, as_amira: Client, alias: Alias) -> None:
    Provider(server, EMPTY)
    cast.signed_in(amira, alias, expires_in=-10)
    try_again(amira, alias)
    page = walks.words(as_amira.get("/integrations/"))
    assert 'id="c-northwind-renew"' in page
    walks.grants(server)
    walks.come_back(as_amira, alias, walks.begin(as_amira, alias))
    assert card(as_amira)["state"] == "connected"


@pytest.mark.slow
def test_while_the_access_token_lives_all_is_well(
    server: HostileServer, amira: User, as_amira: Client, alias: Alias
) -> None:
    Provider(server, EMPTY)
    cast.signed_in(amira, alias, expires_in=30)
    assert current(amira, alias, minimum_seconds=60) == "CANARY-access-1"
    assert Renewal.objects.get().kind == "unexplained"
    assert card(as_amira)["state"] == "connected"
