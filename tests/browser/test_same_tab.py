"""Where no window opens: pop-ups blocked, a phone, no JavaScript, a link from elsewhere."""

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from integrations.models import Revocation, Token
from tests.browser import rows, walks
from tests.browser.rows import Door
from tests.servers.peers import Peer

pytestmark = pytest.mark.usefixtures("door")


def test_a_blocked_window_leaves_a_way_in_this_tab(popups_blocked: Page, site: str, amira: User, door: Door) -> None:
    page = walks.open_dashboard(popups_blocked, site, amira)
    page.locator("#c-northwind-authenticate").click()
    note = page.get_by_role("alert").and_(page.locator("#blocked"))
    expect(note).to_contain_text("Your browser blocked the sign-in window.")
    note.get_by_role("link", name="continue in this tab").click()
    walks.come_back(page, door)
    walks.expect_connected(page, door.account)


def test_the_note_leads_to_the_integration_that_was_pressed(popups_blocked: Page, site: str, amira: User) -> None:
    rows.every_state(amira)
    page = walks.open_dashboard(popups_blocked, site, amira)
    for control in ("#c-needs_reauth-authenticate", "#c-connected-renew"):
        page.locator(control).click()
        asked = page.locator(control).get_attribute("href")
        assert page.locator("#blocked").get_by_role("link").get_attribute("href") == f"{site}{asked}"


def test_a_phone_stays_in_its_tab(phone: Page, site: str, amira: User, door: Door) -> None:
    walks.open_dashboard(phone, site, amira)
    phone.locator("#c-northwind-authenticate").tap()
    walks.come_back(phone, door)
    assert phone.context.pages == [phone]
    walks.expect_connected(phone, door.account)


def test_without_javascript_a_sign_in_ends_at_the_way_back(
    without_javascript: Page, site: str, amira: User, door: Door
) -> None:
    walks.open_dashboard(without_javascript, site, amira)
    tab = walks.press(without_javascript, "authenticate")
    walks.come_back(tab, door)
    walks.expect_connected(tab, door.account)


def test_without_javascript_revoking_is_a_page_that_asks(
    without_javascript: Page, site: str, amira: User, door: Door, oidc_provider_peer: Peer
) -> None:
    oidc_provider_peer.spoil(walks.path_of(oidc_provider_peer.revocation_url), delay=2)
    token = rows.stored(amira, door)
    page = walks.open_dashboard(without_javascript, site, amira)
    page.get_by_role("link", name="Revoke : Northwind CRM").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Revoke Northwind CRM?")
    expect(page.get_by_text("You are signed in as alice.")).to_be_visible()
    assert Token.objects.get() == token
    page.get_by_role("button", name="Revoke").click()
    expect(page).to_have_url(f"{site}/integrations/")
    walks.expect_state(page, "revoking", "Revoking")
    expect(page.locator("#toasts")).to_contain_text("Northwind CRM removed here.")
    assert Revocation.objects.get().by_the_person


@pytest.mark.parametrize(("state", "button"), [("connecting", "Cancel"), ("revoke_failed", "Dismiss")])
def test_without_javascript_the_other_buttons_work_as_well(
    without_javascript: Page, site: str, amira: User, state: str, button: str
) -> None:
    rows.every_state(amira)
    page = walks.open_dashboard(without_javascript, site, amira)
    walks.card(page, state).get_by_role("button", name=button).click()
    expect(page).to_have_url(f"{site}/integrations/")
    walks.expect_state(page, "not_connected", "Not connected", name=state)


def test_without_javascript_the_filter_asks_the_server(without_javascript: Page, site: str, amira: User) -> None:
    rows.every_state(amira)
    page = walks.open_dashboard(without_javascript, site, amira)
    page.get_by_role("searchbox", name="Search integrations").fill("grove")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"^{re.escape(site)}/integrations/\?q=grove(&|$)"))
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page.get_by_role("heading", name="Grove Notes")).to_be_visible()


def test_a_link_from_another_site_asks_before_it_leaves(page: Page, site: str, amira: User, door: Door) -> None:
    walks.sign_in(page, site, amira)
    page.goto(rows.initiator(site, door))
    expect(page.get_by_role("heading", level=1)).to_have_text("Connect Northwind CRM?")
    page.get_by_role("link", name="Continue : Northwind CRM").click()
    walks.come_back(page, door)
    walks.expect_connected(page, door.account)
