"""Renew signs in once more: as the same account in place, as another one only when the person says so."""

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from integrations.models import Revocation, Token
from tests.browser import kit, rows, walks
from tests.browser.rows import Door
from tests.servers.peers import Peer


@pytest.fixture
def connected(page: Page, site: str, amira: User, door: Door) -> Page:
    """Amira's dashboard; she is signed in as alice."""
    rows.stored(amira, door)
    return walks.open_dashboard(page, site, amira)


def renew_as(dashboard: Page, peer: Peer, user: str) -> Page:
    window = walks.press(dashboard, "renew")
    kit.sign_in_at_peer(window, user, peer.users[user])
    return window


def test_renewing_keeps_one_token(connected: Page, oidc_provider_peer: Peer) -> None:
    before = Token.objects.get()
    window = renew_as(connected, oidc_provider_peer, "alice")
    walks.expect_closed(window)
    walks.expect_connected(connected, "alice")
    after = Token.objects.get()
    assert (after.pk, after.version) == (before.pk, before.version + 1)
    assert after.access_token != before.access_token
    assert not walks.is_body_focused(connected)


def test_another_account_waits_for_a_word(connected: Page, oidc_provider_peer: Peer) -> None:
    window = renew_as(connected, oidc_provider_peer, "bob")
    expect(window.get_by_role("heading", level=1)).to_have_text("A different account?")
    expect(window.get_by_text("You signed in to Northwind CRM as bob; until now it was alice.")).to_be_visible()
    walks.expect_connected(connected, "alice")
    assert not window.is_closed()


@pytest.mark.usefixtures("worker")
def test_keeping_the_old_account_lets_the_new_token_go(connected: Page, oidc_provider_peer: Peer) -> None:
    before = Token.objects.get()
    window = renew_as(connected, oidc_provider_peer, "bob")
    window.get_by_role("button", name="Keep alice").click()
    expect(window.get_by_role("heading", level=1)).to_have_text("You kept alice")
    walks.expect_connected(connected, "alice")
    assert Token.objects.get().access_token == before.access_token
    walks.until(lambda: Revocation.objects.filter(reason="other_account_declined", state="verified").exists())
    assert oidc_provider_peer.count(f"POST {walks.path_of(oidc_provider_peer.revocation_url)}") == 2


@pytest.mark.usefixtures("worker")
def test_switching_takes_the_new_account_and_lets_the_old_token_go(connected: Page, oidc_provider_peer: Peer) -> None:
    window = renew_as(connected, oidc_provider_peer, "bob")
    window.get_by_role("button", name="Switch to bob").click(no_wait_after=True)
    walks.expect_connected(connected, "bob")
    walks.expect_closed(window)
    assert Token.objects.get().account_label == "bob"
    # Accepted, not verified: this provider ended alice's grant when bob signed in, before anything had called it alive.
    settled = Revocation.objects.filter(reason="replaced", state__in=["confirmed", "verified"])
    walks.until(settled.exists)


def test_a_refused_renewal_is_told_as_what_it_is(connected: Page, door: Door) -> None:
    """Neither red nor "connected.": nothing has changed, in the window, on the card and for screen readers."""
    window = walks.press(connected, "renew")
    walks.expect_state(connected, "connecting", "Connecting")
    kit.sign_in_at_peer(window, door.user, door.password, allow=False)
    expect(window.get_by_role("heading", level=1)).to_have_text("Northwind CRM stays connected")
    expect(window.locator(".badge")).to_have_text("Nothing changed")
    expect(window.get_by_role("status")).to_contain_text(
        "You are still signed in as alice. The sign-in renews by itself."
    )
    walks.expect_connected(connected, "alice")
    walks.expect_spoken(connected, "Northwind CRM stays connected. Nothing was changed.")
    walks.expect_closed(window)


def test_a_cancelled_renewal_is_told_as_what_it_is(connected: Page) -> None:
    walks.press(connected, "renew").close()
    walks.expect_state(connected, "connecting", "Connecting")
    connected.locator("#c-northwind-cancel").click()
    expect(connected.locator("#toasts")).to_contain_text("Northwind CRM stays connected. Nothing was changed.")
    walks.expect_connected(connected, "alice")
    walks.expect_spoken(connected, "Northwind CRM stays connected. Nothing was changed.")
