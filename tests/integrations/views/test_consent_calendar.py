"""Consent calendar: dates that providers name, for one person, by an address that can be taken back."""

import base64
import io
import logging
import re
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from icalendar import Calendar
from pytest_django import Settings

from accounts.models import User
from integrations.models import Alias, CalendarFeed, OAuth2Credential, Token
from integrations.models.registry import ApplicationRegistry
from tests import cast, walks
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

PAGE = "/integrations/calendar/"
DAYS = 60


@pytest.fixture
def registry(db: None) -> ApplicationRegistry:
    return cast.registry_at("https://northwind.example")


def consent(user: User, registry: ApplicationRegistry, name: str, *, days: float = DAYS, **fields: Any) -> Token:
    alias = cast.integration_at(registry, name=name, label=name.title())
    end: dict[str, Any] = {"refresh_expires_at": timezone.now() + timedelta(days=days), "refresh_expiry": "known"}
    return cast.signed_in(user, alias, **(end | fields))


def make_address(client: Client) -> str:
    page = walks.words(client.post(PAGE))
    return str(re.findall(r'<output id="feed-address"[^>]*>http://[^/]+(/integrations/calendar/[\w-]+\.ics)', page)[0])


def events_at(address: str) -> dict[str, Any]:
    """As a calendar program reads it, without a session."""
    answer = Client().get(address)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    return {str(event["summary"]): event for event in Calendar.from_ical(answer.content).walk("VEVENT")}


@pytest.mark.slow
def test_the_feed_has_the_days_that_providers_name_and_no_others(
    amira: User, bob: User, as_amira: Client, registry: ApplicationRegistry
) -> None:
    token = consent(amira, registry, "named")
    consent(amira, registry, "entered", refresh_expiry="entered")
    consent(amira, registry, "unrenewed", refresh_token="", expires_in=DAYS * 86400, refresh_expiry="")
    consent(amira, registry, "moved", refresh_expiry="extended")
    consent(amira, registry, "assumed", refresh_expiry="")
    consent(amira, registry, "hour", refresh_token="", expires_in=3600, refresh_expiry="")
    consent(amira, registry, "over", state="needs_reauth")
    consent(bob, registry, "bobs")
    events = events_at(make_address(as_amira))
    assert set(events) == {f"Sign in to {name} again" for name in ("Named", "Entered", "Unrenewed")}
    event = events["Sign in to Named again"]
    assert token.refresh_expires_at
    assert event["dtstart"].dt == token.refresh_expires_at.date()
    assert event["url"].endswith(f"/integrations/{Alias.objects.get(name='named').hex}/")
    assert "CANARY" not in str(events)


def test_the_day_is_the_persons(amira: User, as_amira: Client, registry: ApplicationRegistry) -> None:
    late = timezone.now().replace(hour=23, minute=0, microsecond=0) + timedelta(days=DAYS)
    consent(amira, registry, "named", refresh_expires_at=late)
    address = make_address(as_amira)
    days: list[date] = []
    for zone in ("UTC", "Asia/Tokyo"):
        User.objects.update(time_zone=zone)
        days.append(events_at(address)["Sign in to Named again"]["dtstart"].dt)
    assert days[1] - days[0] == timedelta(days=1)


def test_a_renewal_moves_the_event_instead_of_adding_one(
    amira: User, as_amira: Client, registry: ApplicationRegistry
) -> None:
    consent(amira, registry, "named")
    address = make_address(as_amira)
    before = events_at(address)["Sign in to Named again"]
    Token.objects.update(refresh_expires_at=timezone.now() + timedelta(days=2 * DAYS))
    after = events_at(address)["Sign in to Named again"]
    assert (before["uid"], before["dtstart"].dt < after["dtstart"].dt) == (after["uid"], True)


@pytest.mark.slow
def test_an_address_is_shown_once_and_can_be_taken_back(
    amira: User, as_amira: Client, registry: ApplicationRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    first = make_address(as_amira)
    secret = first.rpartition("/")[2].removesuffix(".ics")
    assert secret not in walks.words(as_amira.get(PAGE))
    assert secret not in str(CalendarFeed.objects.values().get())
    second = make_address(as_amira)
    with caplog.at_level(logging.DEBUG):
        assert Client().get(first).status_code == 404
    assert secret not in caplog.text
    events_at(second)
    assert "Last read: just now" in re.sub(r"<[^>]+>", "", walks.words(as_amira.get(PAGE)))
    as_amira.post("/integrations/calendar/revoke/")
    assert Client().get(second).status_code == 404


def test_an_address_ends_with_the_right_to_use_integrations(amira: User, as_amira: Client) -> None:
    address = make_address(as_amira)
    User.objects.filter(pk=amira.pk).update(is_active=False)
    assert Client().get(address).status_code == 404
    User.objects.filter(pk=amira.pk).update(is_active=True)
    amira.groups.clear()
    assert Client().get(address).status_code == 404


@pytest.mark.slow
def test_a_key_stays_until_the_addresses_that_are_hashed_with_it_were_read(
    as_amira: Client, settings: Settings
) -> None:
    address = make_address(as_amira)
    old = list(settings.TOKEN_ENCRYPTION_KEYS)
    settings.TOKEN_ENCRYPTION_KEYS = ["new:" + base64.b64encode(bytes(32)).decode(), *old]
    output = io.StringIO()
    call_command("rotate_token_keys", stdout=output)
    assert "1 calendar addresses are hashed with test." in output.getvalue()
    assert "may be removed" not in output.getvalue()
    assert Client().get(address).status_code == 200
    call_command("rotate_token_keys", stdout=output)
    assert "may be removed: test." in output.getvalue()


def test_card_and_details_say_about_when(amira: User, as_amira: Client, registry: ApplicationRegistry) -> None:
    token = consent(amira, registry, "named")
    assert "you will have to sign in again about <time" in walks.words(as_amira.get("/integrations/"))
    alias = Alias.objects.get()
    assert "Sign in again about" in walks.words(as_amira.get(f"/integrations/{alias.hex}/"))
    assert token.refresh_expires_at
    assert f'href="/integrations/{alias.hex}/" id="c-named"' in walks.words(as_amira.get(PAGE))


@pytest.mark.slow
def test_administrators_see_next_months_ends_by_provider(
    admin: User, amira: User, bob: User, as_amira: Client, registry: ApplicationRegistry
) -> None:
    other = cast.registry_at("https://other.example", name="Orchard")
    consent(amira, registry, "one", days=10)
    consent(amira, registry, "two", days=20)
    consent(bob, registry, "three", days=12, refresh_expiry="entered")
    consent(amira, registry, "later", days=40)
    consent(amira, registry, "moved", days=10, refresh_expiry="rolling")
    consent(amira, other, "hour", refresh_token="", expires_in=3600, refresh_expiry="")
    consent(amira, other, "plain", refresh_token="", expires_in=5 * 86400, refresh_expiry="")
    page = walks.words(client_of(admin).get("/admin/consent-expiries/"))
    rows = re.findall(r">([^<>]+)</a></th>\s*<td[^>]*>(\d+)</td>", page)
    assert rows == [("Orchard", "1"), ("Northwind", "2")]
    Alias.objects.filter(name="one").update(active=False)
    bob.groups.clear()
    OAuth2Credential.objects.filter(name="plain").update(active=False)
    page = walks.words(client_of(admin).get("/admin/consent-expiries/"))
    assert re.findall(r">([^<>]+)</a></th>\s*<td[^>]*>(\d+)</td>", page) == [("Northwind", "1")]
    assert as_amira.get("/admin/consent-expiries/").status_code in (302, 403)
