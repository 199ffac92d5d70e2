"""Revoke: asked once, gone here at once, and the truth about what the provider said."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import requests
from playwright.sync_api import Page, expect

from accounts.models import User
from integrations.connections import tasks
from integrations.connections.revocations import results
from integrations.models import Revocation, Token
from tests.browser import rows, walks
from tests.browser.rows import Door
from tests.servers.peers import Peer


@pytest.fixture
def connected(page: Page, site: str, amira: User, door: Door, oidc_provider_peer: Peer) -> Page:
    """Amira's dashboard; she has a living token."""
    rows.connect(amira, door, oidc_provider_peer)
    return walks.open_dashboard(page, site, amira)


@pytest.fixture
def unconfirmed(connected: Page, oidc_provider_peer: Peer, monkeypatch: pytest.MonkeyPatch, worker: None) -> Page:
    """The provider has answered 503 five times, sooner after each other than in life."""
    monkeypatch.setattr(results, "QUICK_DELAY", timedelta(0))
    oidc_provider_peer.spoil(walks.path_of(oidc_provider_peer.revocation_url), status=503, times=5)
    revoke(connected)
    walks.until(Revocation.objects.filter(state="failed").exists, meanwhile=tasks.sweep_revocations.delay)
    walks.expect_state(connected, "revoke_failed", "Revoke not confirmed")
    return connected


def revoke(page: Page) -> None:
    page.get_by_role("link", name="Revoke : Northwind CRM").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()


def revocation_calls(peer: Peer, status: str) -> int:
    return peer.count(f"POST {walks.path_of(peer.revocation_url)} {status}")


def is_dead(peer: Peer, token: str) -> bool:
    answer = requests.get(peer.api_url, headers={"Authorization": f"Bearer {token}"}, timeout=10)
    return answer.status_code == 401


def test_the_dialog_says_whose_account_and_what_happens(connected: Page) -> None:
    connected.get_by_role("link", name="Revoke : Northwind CRM").click()
    dialog = connected.get_by_role("dialog", name="Revoke Northwind CRM?")
    expect(dialog).to_contain_text("You are signed in as alice.")
    expect(dialog).to_contain_text("Everything that uses Northwind CRM as you stops at once, for you only.")
    expect(dialog).to_contain_text("Northwind CRM is told to cancel the token as well.")
    walks.expect_focus(connected, "dialog-keep")


def by_escape(page: Page) -> None:
    page.keyboard.press("Escape")


def by_keep(page: Page) -> None:
    page.get_by_role("button", name="Keep connected").click()


def by_cross(page: Page) -> None:
    page.get_by_role("dialog").get_by_role("button", name="Close").click()


def by_backdrop(page: Page) -> None:
    page.mouse.click(5, 5)


@pytest.mark.parametrize("leave", [by_escape, by_keep, by_cross, by_backdrop])
def test_leaving_the_dialog_changes_nothing(connected: Page, leave: Callable[[Page], None]) -> None:
    connected.get_by_role("link", name="Revoke : Northwind CRM").click()
    walks.expect_focus(connected, "dialog-keep")
    leave(connected)
    expect(connected.get_by_role("dialog")).to_be_hidden()
    walks.expect_focus(connected, "c-northwind-revoke")
    walks.expect_connected(connected, "alice")
    assert Token.objects.exists()


@pytest.mark.usefixtures("worker")
def test_a_revoked_card_moves_at_once_and_the_provider_confirms(connected: Page, oidc_provider_peer: Peer) -> None:
    token = Token.objects.get()
    assert not is_dead(oidc_provider_peer, token.access_token)
    oidc_provider_peer.spoil(walks.path_of(oidc_provider_peer.revocation_url), delay=8)
    walks.mark(connected)
    revoke(connected)
    available = connected.get_by_role("region", name="Integrations I can use")
    expect(available.locator("#c-northwind")).to_be_visible()
    walks.expect_state(connected, "revoking", "Revoking")
    walks.expect_focus(connected, "c-northwind-h")
    walks.expect_spoken(connected, "Northwind CRM removed here. Asking Northwind CRM to cancel the token.")
    expect(connected.get_by_role("link", name="Authenticate : Northwind CRM")).to_have_attribute(
        "aria-disabled", "true"
    )
    walks.expect_not_connected(connected)
    walks.expect_spoken(connected, "Northwind CRM confirmed: the token is dead.")
    assert walks.is_marked(connected)
    assert is_dead(oidc_provider_peer, token.access_token)
    assert revocation_calls(oidc_provider_peer, "200") == 2


def test_while_revoking_nothing_can_be_begun(page: Page, site: str, amira: User) -> None:
    rows.every_state(amira)
    walks.open_dashboard(page, site, amira)
    page.locator("#c-revoking-authenticate").click(force=True)
    page.locator("#c-revoking-authenticate").press("Enter")
    expect(page.locator("#c-revoking-authenticate")).to_have_accessible_description(
        "Available when the revoke has finished"
    )
    assert (page.context.pages, page.url) == ([page], f"{site}/integrations/")


def test_a_revoke_that_the_provider_did_not_confirm_says_so(unconfirmed: Page, oidc_provider_peer: Peer) -> None:
    expect(walks.card(unconfirmed)).to_contain_text("Removed here, but Northwind CRM didn’t confirm.")
    expect(walks.card(unconfirmed)).to_contain_text("We tried 5 times (last answer: 503).")
    expect(unconfirmed.get_by_role("complementary", name="1 integration needs you")).to_be_visible()
    walks.expect_spoken(unconfirmed, "Northwind CRM removed here, but Northwind CRM didn’t confirm.")
    assert revocation_calls(oidc_provider_peer, "503") == 5


def test_trying_again_gets_the_confirmation(unconfirmed: Page, oidc_provider_peer: Peer) -> None:
    unconfirmed.get_by_role("button", name="Try revoke again : Northwind CRM").click()
    walks.expect_not_connected(unconfirmed)
    assert Revocation.objects.get().state == "verified"
    assert revocation_calls(oidc_provider_peer, "200") == 2
    assert not walks.is_body_focused(unconfirmed)


def test_dismissing_tidies_the_card_and_keeps_the_promise(unconfirmed: Page) -> None:
    unconfirmed.get_by_role("button", name="Dismiss : Northwind CRM").click()
    walks.expect_not_connected(unconfirmed)
    walks.expect_focus(unconfirmed, "c-northwind-h")
    assert Revocation.objects.get().next_attempt_at


def test_a_provider_without_revocation_is_spoken_of_honestly(page: Page, site: str, amira: User, door: Door) -> None:
    registry = rows.registry(door)
    registry.token_revocation_url = ""
    registry.save()
    rows.stored(amira, door)
    walks.open_dashboard(page, site, amira)
    page.get_by_role("link", name="Revoke : Northwind CRM").click()
    expect(page.get_by_role("dialog")).to_contain_text("Northwind CRM offers no way to cancel the token there")
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    walks.expect_not_connected(page)
    expect(page.locator("#toasts")).to_contain_text("it may stay valid until you remove it there")
    expect(page.locator("#status")).to_contain_text("it may stay valid until you remove it there")
    expect(page.locator("#status")).to_contain_text("Northwind CRM is not connected.")


def test_a_page_that_is_loaded_with_a_toast_announces_it(page: Page, site: str, amira: User, door: Door) -> None:
    """As after a form that was sent without htmx, and after going back from the details."""
    registry = rows.registry(door)
    registry.token_revocation_url = ""
    registry.save()
    rows.stored(amira, door)
    walks.open_dashboard(page, site, amira)
    page.goto(f"{site}/integrations/{door.alias.hex}/revoke/")
    page.get_by_role("button", name="Revoke : Northwind CRM").click()
    expect(page.locator("#toasts")).to_contain_text("it may stay valid until you remove it there")
    expect(page.locator("#status")).to_contain_text("it may stay valid until you remove it there")
