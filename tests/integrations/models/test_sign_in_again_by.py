"""The date on which a person has to come back: said where it is known, and nowhere else."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.connections import renewal
from integrations.models import Alias, ApplicationRegistry, Token
from integrations.models.tokens import RefreshExpiry
from tests import cast, walks
from tests.integrations.renewing import ASKED, GRANTED
from tests.servers.hostile import HostileServer

MONTH = 30 * 86_400


@pytest.fixture
def alias(server: HostileServer, db: None) -> Alias:
    return walks.northwind(server)


def told(client: Client) -> dict[str, Any]:
    (one,) = client.get("/api/v1/integrations/").json()
    return dict(one)


def seconds_until(moment: str | None) -> float | None:
    return (datetime.fromisoformat(moment) - timezone.now()).total_seconds() if moment else None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["refresh_expires_in", "refresh_token_expires_in"])
def test_the_end_that_the_provider_names_is_told(
    name: str, as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    walks.grants(server, **{name: MONTH})
    walks.sign_in(as_amira, alias)
    answer = told(as_amira)
    assert answer["renews_itself"] is True
    assert seconds_until(answer["expires_at"]) == pytest.approx(3600, abs=60)
    assert seconds_until(answer["sign_in_again_by"]) == pytest.approx(MONTH, abs=60)
    day = Token.objects.get().refresh_expires_at.strftime("%-d %b %Y")  # type: ignore[union-attr]
    for place in ("/integrations/", f"/integrations/{alias.hex}/"):
        page = walks.words(as_amira.get(place))
        assert "Renews by itself" in page
        assert "ign in again about" in page
        assert day in page


@pytest.mark.slow
def test_an_end_that_nobody_named_is_not_told(as_amira: Client, alias: Alias, server: HostileServer) -> None:
    """The default of Refresh Token Lifespan is a guess of ours."""
    walks.grants(server)
    walks.sign_in(as_amira, alias)
    assert Token.objects.get().refresh_expires_at
    assert (told(as_amira)["renews_itself"], told(as_amira)["sign_in_again_by"]) == (True, None)
    assert "ign in again by" not in walks.words(as_amira.get("/integrations/"))
    assert "Not told by Northwind CRM" in walks.words(as_amira.get(f"/integrations/{alias.hex}/"))


@pytest.mark.slow
def test_the_lifespan_that_an_administrator_entered_is_told(
    as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    ApplicationRegistry.objects.update(refresh_token_lifespan=MONTH)
    walks.grants(server)
    walks.sign_in(as_amira, alias)
    assert seconds_until(told(as_amira)["sign_in_again_by"]) == pytest.approx(MONTH, abs=60)


def test_what_nothing_renews_ends_with_its_access_token(as_amira: Client, alias: Alias, amira: User) -> None:
    cast.signed_in(amira, alias, expires_in=MONTH, refresh_token="")
    answer = told(as_amira)
    assert answer["renews_itself"] is False
    assert answer["sign_in_again_by"] == answer["expires_at"] is not None


def test_a_token_without_an_end_has_no_date(as_amira: Client, alias: Alias, amira: User) -> None:
    cast.signed_in(amira, alias, expires_in=None, refresh_token="")
    answer = told(as_amira)
    assert (answer["renews_itself"], answer["expires_at"], answer["sign_in_again_by"]) == (False, None, None)


def test_who_has_to_sign_in_now_reads_a_moment_that_is_past(as_amira: Client, alias: Alias, amira: User) -> None:
    cast.signed_in(amira, alias, state="needs_reauth", failed_at=timezone.now() - timedelta(hours=1))
    answer = told(as_amira)
    assert answer["renews_itself"] is False
    assert seconds_until(answer["sign_in_again_by"]) == pytest.approx(-3600, abs=60)


def test_who_is_not_connected_has_no_date(as_amira: Client, alias: Alias) -> None:
    answer = told(as_amira)
    assert (answer["renews_itself"], answer["sign_in_again_by"]) == (False, None)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("later", "expiry"), [(MONTH, "extended"), (MONTH - 3600, "known")])
def test_an_end_that_each_renewal_extends_is_no_date_to_come_back(
    later: int, expiry: str, as_amira: Client, alias: Alias, amira: User, server: HostileServer
) -> None:
    """It moves at one provider and stays at another; the second answer shows which."""
    token = cast.signed_in(
        amira,
        alias,
        expires_in=-10,
        refresh_expires_at=timezone.now() + timedelta(seconds=MONTH - 3600),
        refresh_expiry=RefreshExpiry.KNOWN,
    )
    server.on(ASKED).answer(json={**GRANTED, "refresh_expires_in": later})
    renewal.renew(token)
    assert Token.objects.get().refresh_expiry == expiry
    assert told(as_amira)["sign_in_again_by"] is not None
    is_on_card = "you will have to sign in again about" in walks.words(as_amira.get("/integrations/"))
    assert is_on_card == (expiry == "known")
    assert ("each renewal extends this" in walks.words(as_amira.get(f"/integrations/{alias.hex}/"))) == (
        expiry == "extended"
    )
