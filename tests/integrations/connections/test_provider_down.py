"""The card of a provider that does not answer: it says since when, and asks again when told to."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations import circuit_breaker
from integrations.models import Alias, ApplicationRegistry
from integrations.models.card import integrations_of
from integrations.personal_auth import PersonalAuthAPI
from tests import cast, walks
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def northwind(server: HostileServer, db: None) -> Alias:
    return walks.northwind(server)


def go_down(failing_url: str = "") -> None:
    now = timezone.now()
    ApplicationRegistry.objects.update(
        failures=3,
        failing_since=now,
        failing_url=failing_url or ApplicationRegistry.objects.get().token_url,
        down_since=now.replace(hour=8, minute=31) - timedelta(days=1),
        next_check_at=now,
    )


def at(alias: Alias) -> str:
    return f"/integrations/{alias.hex}/check/"


def test_the_card_says_since_when_and_needs_nobody(amira: User, as_amira: Client, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    go_down()
    page = walks.words(as_amira.get("/integrations/"))
    assert walks.state_on(page) == "provider_down"
    assert walks.cards(page)["My Integrations"] == ["Northwind CRM"]
    assert re.search(r"Not answering since <time[^>]*>[^<]*08:31 UTC</time>\.</strong> Your connection is kept", page)
    assert "needs you" not in page
    assert 'hx-trigger="every' not in page
    controls = re.findall(r'id="c-northwind-([a-z]{2,})"', page)
    assert controls == ["details", "check", "revoke"]
    assert PersonalAuthAPI(amira).is_token_valid("northwind")


def test_another_address_of_the_registry_is_not_the_cards_concern(amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    go_down("https://other.northwind.example/api")
    (shown,) = integrations_of(amira)
    assert (shown.state, shown.down_since) == ("connected", None)


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["a browser", "htmx"])
@pytest.mark.parametrize(
    ("status", "state", "told"),
    [(404, "connected", "Northwind CRM answers again."), (503, "provider_down", "Northwind CRM still doesn’t answer.")],
)
def test_checking_asks_once_and_shows_what_it_found(
    status: int,
    state: str,
    told: str,
    headers: dict[str, str],
    amira: User,
    as_amira: Client,
    northwind: Alias,
    server: HostileServer,
) -> None:
    cast.signed_in(amira, northwind)
    go_down()
    server.on("GET /token").always(status=status)
    page = as_amira.post(at(northwind), headers=headers)
    again = as_amira.post(at(northwind), headers=headers)
    assert len(server.calls) == 1
    assert "CANARY" not in f"{server.calls[0].headers} {server.calls[0].query}"
    if not headers:
        assert (page.status_code, page["Location"], again.status_code) == (302, "/integrations/", 302)
        page = as_amira.get("/integrations/")
    assert walks.state_on(walks.words(page)) == state
    assert told in walks.words(page)


def test_nothing_is_said_of_a_provider_that_was_not_asked(
    amira: User, as_amira: Client, northwind: Alias, server: HostileServer
) -> None:
    cast.signed_in(amira, northwind)
    go_down()
    ApplicationRegistry.objects.update(next_check_at=timezone.now() + circuit_breaker.TRIAL_EVERY)
    page = walks.words(as_amira.post(at(northwind), headers=HTMX))
    assert server.calls == []
    assert "still doesn’t answer" not in page
    assert re.search(r"Northwind CRM was checked a moment ago\. Check again in (9|10) seconds\.", page)


def test_an_answer_that_changes_no_card_is_given_all_the_same(
    amira: User, as_amira: Client, northwind: Alias, server: HostileServer
) -> None:
    cast.signed_in(amira, northwind)
    go_down()
    server.on("GET /token").always(status=503)
    page = walks.words(as_amira.get("/integrations/"))
    etag = re.findall(r'"If-None-Match": "(.*?)"}', page)[0].encode().decode("unicode_escape")
    part = as_amira.post(at(northwind), headers={**HTMX, "If-None-Match": etag})
    assert (part.status_code, "still doesn’t answer" in walks.words(part)) == (200, True)


def test_checking_is_a_post_of_our_own_page_about_ones_own_card(
    amira: User, bob: User, as_amira: Client, northwind: Alias, server: HostileServer
) -> None:
    cast.signed_in(amira, northwind)
    go_down()
    assert as_amira.get(at(northwind)).status_code == 405
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(amira)
    assert forged.post(at(northwind)).status_code == 403
    assert Client().post(at(northwind))["Location"].startswith("/accounts/login/")
    northwind.groups.add(amira.groups.create(name="Finance"))
    assert client_of(bob).post(at(northwind)).status_code == 404
    assert server.calls == []


def test_checking_what_is_well_asks_nobody(
    amira: User, as_amira: Client, northwind: Alias, server: HostileServer
) -> None:
    cast.signed_in(amira, northwind)
    assert as_amira.post(at(northwind)).status_code == 302
    assert server.calls == []
