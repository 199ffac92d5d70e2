"""The reader's time and language: the profile's, else the browser's, else the site's with its name."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.preferences import ZONE_COOKIE
from foundation import reader_time
from integrations.connections import notices
from integrations.models import Alias
from tests import cast

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
PAGE = "/accounts/security/language-and-time/"


@pytest.fixture
def alias(db: None) -> Alias:
    return cast.integration_at(cast.registry_at("https://northwind.example"))


def times_on(client: Client, path: str = "/integrations/") -> list[str]:
    return re.findall(r"<time [^>]+>([^<]+)</time>", client.get(path).content.decode())


def used_at_half_past_one(amira: User, alias: Alias) -> None:
    cast.signed_in(amira, alias, last_used_at=NOON - timedelta(hours=10, minutes=30))


@pytest.mark.slow
def test_a_time_is_in_the_zone_of_the_profile_else_of_the_browser_else_of_the_site_by_name(
    as_amira: Client, amira: User, alias: Alias
) -> None:
    with time_machine.travel(NOON, tick=False):
        used_at_half_past_one(amira, alias)
        assert "Today, 01:30 UTC" in times_on(as_amira)
        as_amira.cookies[ZONE_COOKIE] = "Asia/Tokyo"
        assert "Today, 10:30" in times_on(as_amira)
        User.objects.update(time_zone="America/New_York")
        assert "Yesterday, 20:30" in times_on(as_amira)


@pytest.mark.parametrize("zone", ["Mars/Base", "../../etc/passwd", "Europe/Berlin\\", "é", "x" * 5000])
def test_a_zone_that_does_not_exist_counts_as_none(as_amira: Client, amira: User, alias: Alias, zone: str) -> None:
    as_amira.cookies[ZONE_COOKIE] = zone
    with time_machine.travel(NOON, tick=False):
        used_at_half_past_one(amira, alias)
        assert "Today, 01:30 UTC" in times_on(as_amira)


def test_one_readers_zone_does_not_reach_the_next_request(as_amira: Client, amira: User, alias: Alias) -> None:
    with time_machine.travel(NOON, tick=False):
        used_at_half_past_one(amira, alias)
        as_amira.cookies[ZONE_COOKIE] = "Asia/Tokyo"
        times_on(as_amira)
        del as_amira.cookies[ZONE_COOKIE]
        assert "Today, 01:30 UTC" in times_on(as_amira)
    assert not reader_time.is_readers_zone()


def test_a_zone_without_letters_is_named_by_its_place() -> None:
    with reader_time.in_zone("America/Sao_Paulo"):
        assert reader_time.zone_label(NOON) == "Sao Paulo (UTC-03:00)"
        assert reader_time.full_words(NOON) == "30 Nov 2026, 09:00 America/Sao Paulo (UTC-03:00)"
    with reader_time.in_zone("Asia/Kolkata"):
        assert reader_time.full_words(NOON) == "30 Nov 2026, 17:30 Asia/Kolkata (UTC+05:30)"


@pytest.mark.parametrize(
    ("zone", "words"), [("", "30 Nov 2026, 13:00 UTC"), ("Asia/Tokyo", "30 Nov 2026, 22:00 Asia/Tokyo (UTC+09:00)")]
)
def test_a_mail_names_the_zone(amira: User, alias: Alias, zone: str, words: str) -> None:
    User.objects.update(time_zone=zone)
    with time_machine.travel(NOON - timedelta(hours=20), tick=False):
        token = cast.signed_in(amira, alias, refresh_token="", expires_in=21 * 3600)
        type(token).objects.update(signed_in_at=timezone.now() - timedelta(days=9))
        notices.send_due()
    assert f"expires on {words}." in mail.outbox[0].body


@pytest.mark.slow
def test_language_and_time_are_chosen_on_a_page_of_account_security(as_amira: Client, amira: User) -> None:
    html = as_amira.get(PAGE).content.decode()
    assert '<option value="de">Deutsch</option>' in html
    assert '<optgroup label="Europe">' in html
    answer = as_amira.post(PAGE, {"language": "de", "time_zone": "Europe/Berlin"})
    assert answer["Location"] == "/accounts/security/"
    amira.refresh_from_db()
    assert (amira.language, amira.time_zone, amira.slash_searches) == ("de", "Europe/Berlin", False)
    assert '<html lang="de"' in as_amira.get(PAGE).content.decode()
    assert '<html lang="en"' in Client().get("/accounts/login/").content.decode()


def test_a_choice_that_is_not_offered_changes_nothing(as_amira: Client, amira: User) -> None:
    answer = as_amira.post(PAGE, {"language": "tlh", "time_zone": "Mars/Base"})
    assert answer.status_code == 200
    assert "Select a valid choice" in answer.content.decode()
    amira.refresh_from_db()
    assert (amira.language, amira.time_zone) == ("", "")


def test_the_api_stays_english(as_amira: Client, amira: User) -> None:
    User.objects.update(language="de")
    answer = as_amira.put("/api/v1/integrations/")
    assert answer.json()["error_description"] == 'Method "PUT" not allowed.'
