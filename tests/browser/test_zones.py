"""A browser in Tokyo and one in New York: each reads moments in its own time zone, and can see which is meant."""

import csv
import io
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.utils import timezone
from playwright.sync_api import Page

from accounts.models import User
from integrations import flows
from integrations.connections import notices
from integrations.models import Token
from tests import cast
from tests.browser import kit, walks
from tests.browser.conftest import OpenPage
from tests.integrations import flowing, tables
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.slow

ZONES = {"Asia/Tokyo": "ja-JP", "America/New_York": "en-US"}
DATE_AND_TIME = {"Asia/Tokyo": "%Y年%-m月%-d日 %H:%M", "America/New_York": "%-d %b %Y, %H:%M"}
TIMES = """() => [...document.querySelectorAll("time[datetime]")].filter((one) => one.dateTime.includes("T"))
    .map((one) => [one.dateTime, one.title])"""
PAGES = ["/integrations/", "/accounts/security/", "/accounts/security/activity/", "/integrations/calendar/"]


def in_zone(moment: datetime, zone: str) -> str:
    """The moment as pages write it."""
    return moment.astimezone(ZoneInfo(zone)).strftime(DATE_AND_TIME[zone])


def full(moment: datetime, zone: str) -> str:
    local = moment.astimezone(ZoneInfo(zone))
    offset = local.strftime("%z")
    return f"{in_zone(moment, zone)} {zone.replace('_', ' ')} (UTC{offset[:3]}:{offset[3:]})"


def told_zone(page: Page, site: str) -> None:
    """The first page tells the server the zone; from the next one on, times are in it."""
    page.goto(f"{site}/integrations/")
    page.wait_for_function("document.cookie.includes('keyrack-time-zone')")


@pytest.mark.parametrize("zone", ZONES)
def test_pages_have_the_browsers_zone_and_an_exact_moment(
    open_page: OpenPage, site: str, amira: User, zone: str
) -> None:
    alias = cast.integration_at(cast.registry_at("https://northwind.example"))
    cast.signed_in(amira, alias, refresh_token="", expires_in=9 * 24 * 3600, last_used_at=timezone.now())
    page = open_page(**(kit.DESKTOP | kit.Screen(locale=ZONES[zone], timezone_id=zone)))
    walks.sign_in(page, site, amira)
    told_zone(page, site)
    seen = 0
    for path in [*PAGES, f"/integrations/{alias.hex}/"]:
        answer = page.goto(site + path)
        assert answer
        assert answer.status == 200, path
        for moment, title in page.evaluate(TIMES):
            assert title == full(datetime.fromisoformat(moment), zone), path
            seen += 1
    assert seen >= len(PAGES)


@pytest.mark.parametrize("zone", ZONES)
def test_lists_of_the_administration_have_the_browsers_zone(
    open_page: OpenPage, site: str, admin: User, amira: User, zone: str
) -> None:
    alias = cast.integration_at(cast.registry_at("https://northwind.example"))
    token = cast.signed_in(amira, alias, expires_in=9 * 24 * 3600)
    flowing.subflow_of(flowing.open_incidents(alias))
    run = flows.run_subflow("my_open_incidents", user=admin, inputs={})
    page = open_page(**(kit.DESKTOP | kit.Screen(locale=ZONES[zone], timezone_id=zone)))
    walks.sign_in(page, site, admin)
    told_zone(page, site)
    page.goto(f"{site}/admin/integrations/token/")
    assert token.expires_at
    assert [full(token.expires_at, zone)] == [title for _moment, title in page.evaluate(TIMES)]
    page.goto(f"{site}/admin/integrations/subflowrun/")
    assert in_zone(run.created_at, zone) in page.locator("#result_list").inner_text()


@pytest.mark.parametrize("zone", ZONES)
def test_a_table_has_the_browsers_zone_and_its_csv_names_one(
    open_page: OpenPage, site: str, amira: User, server: HostileServer, zone: str
) -> None:
    alias = tables.read_by(amira, server)
    tables.incidents(alias)
    page = open_page(**(kit.DESKTOP | kit.Screen(locale=ZONES[zone], timezone_id=zone)))
    walks.sign_in(page, site, amira)
    told_zone(page, site)
    page.goto(site + tables.PAGE)
    opened = datetime.fromisoformat(str(tables.INCIDENTS[0]["opened"]))
    cell = page.locator(f'time[datetime="{opened.isoformat()}"]')
    assert cell.inner_text() == in_zone(opened, zone)
    answer = page.request.get(f"{site}{tables.PAGE}rows.csv")
    rows = list(csv.reader(io.StringIO(answer.text())))
    assert opened.isoformat() in {value for row in rows for value in row}


@pytest.mark.parametrize("zone", ZONES)
def test_a_mail_has_the_zone_of_the_profile_and_names_it(amira: User, zone: str) -> None:
    User.objects.filter(pk=amira.pk).update(time_zone=zone, language=ZONES[zone][:2])
    alias = cast.integration_at(cast.registry_at("https://northwind.example"))
    token = cast.signed_in(amira, alias, refresh_token="", expires_in=21 * 3600)
    Token.objects.filter(pk=token.pk).update(signed_in_at=timezone.now() - timedelta(days=9))
    notices.send_due()
    assert token.expires_at
    assert full(token.expires_at, zone) in mail.outbox[0].body
