"""Authenticate in a window: the dashboard stays where it is, and the card moves by itself."""

import re

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from integrations.models import Token
from tests.browser import kit, rows, walks
from tests.browser.rows import Door
from tests.servers.peers import Peer


@pytest.fixture(params=["oidc_provider", "canaille", "toolkit", "isolated"])
def any_door(request: pytest.FixtureRequest, site: str) -> Door:
    """Two providers of another origin, one on our own, and one that cuts its windows off."""
    if request.param == "toolkit":
        return rows.at_toolkit(site)
    if request.param == "isolated":
        return rows.at_isolated(request.getfixturevalue("server"))
    return rows.at_peer(request.getfixturevalue(f"{request.param}_peer"))


def test_a_sign_in_in_a_window_moves_the_card_without_a_reload(
    page: Page, site: str, amira: User, any_door: Door
) -> None:
    walks.open_dashboard(page, site, amira)
    walks.mark(page)
    window = walks.press(page, "authenticate")
    walks.expect_state(page, "connecting", "Connecting")
    kit.sign_in_at_peer(window, any_door.user, any_door.password)
    walks.expect_connected(page, any_door.account)
    walks.expect_spoken(page, "Northwind CRM connected.")
    walks.expect_closed(window)
    assert walks.is_marked(page)
    assert walks.focused(page) == "c-northwind-h"
    assert Token.objects.get().user == amira


def test_the_dashboard_is_under_the_policies_of_production(dashboard: Page) -> None:
    answer = dashboard.reload()
    assert answer
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    policy = answer.headers["content-security-policy"]
    assert {"default-src 'self'", "object-src 'none'", "form-action 'self'"} <= set(policy.split("; "))
    assert "unsafe" not in policy


def test_the_window_opens_at_the_provider_and_knows_nothing_of_the_dashboard(dashboard: Page, door: Door) -> None:
    window = walks.press(dashboard, "authenticate")
    assert window.url.startswith(rows.registry(door).issuer)
    assert window.evaluate("[window.opener, document.referrer]") == [None, ""]
    expect(window.get_by_role("button", name="Sign in")).to_be_visible()


def test_saying_no_at_the_provider_is_told_in_words(dashboard: Page, door: Door) -> None:
    window = walks.press(dashboard, "authenticate")
    kit.sign_in_at_peer(window, door.user, door.password, allow=False)
    expect(window.get_by_role("heading", level=1)).to_have_text("You didn’t allow access")
    expect(window.get_by_role("alert")).to_contain_text("Nothing was stored.")
    walks.expect_not_connected(dashboard)
    walks.expect_spoken(dashboard, "Northwind CRM is not connected.")
    window.get_by_text("For your administrator").click()
    expect(window.locator("#for-admin")).to_contain_text("access_denied")
    window.get_by_role("link", name="Back to my integrations").click(no_wait_after=True)
    walks.expect_closed(window)


def test_a_second_try_in_the_same_window_ends_as_the_first_would_have(dashboard: Page, door: Door) -> None:
    window = walks.press(dashboard, "authenticate")
    kit.sign_in_at_peer(window, door.user, door.password, allow=False)
    window.get_by_role("link", name="Try again").click()
    kit.sign_in_at_peer(window, door.user, door.password)
    walks.expect_connected(dashboard, door.account)
    walks.expect_closed(window)


def test_a_window_closed_early_leaves_a_card_that_can_be_cancelled(dashboard: Page, door: Door) -> None:
    walks.press(dashboard, "authenticate").close()
    walks.expect_state(dashboard, "connecting", "Connecting")
    expect(walks.card(dashboard)).to_contain_text(re.compile(r"Waiting, (10:00|9:\d\d) left"))
    dashboard.get_by_role("button", name="Cancel : Northwind CRM").click()
    walks.expect_not_connected(dashboard)
    walks.expect_focus(dashboard, "c-northwind-h")


def test_a_window_that_was_closed_is_noticed_when_the_focus_comes_back(page: Page, site: str, amira: User) -> None:
    door = rows.at_toolkit(site)
    walks.open_dashboard(page, site, amira)
    window = walks.press(page, "authenticate")
    walks.expect_state(page, "connecting", "Connecting")
    note = walks.card(page).get_by_text("No answer from Northwind CRM yet.")
    expect(note).to_be_hidden()
    window.close()
    come_back(page)
    expect(note).to_be_visible()
    walks.expect_spoken(page, "No answer from Northwind CRM yet. Finish in its window, open it again, or cancel.")
    page.wait_for_timeout(2500)  # the card is replaced by the next poll
    expect(note).to_be_visible()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="open it again").click()
    kit.sign_in_at_peer(opened.value, door.user, door.password)
    walks.expect_connected(page, door.account)


def test_who_comes_back_while_the_answer_is_there_is_asked_nothing(page: Page, site: str, amira: User) -> None:
    door = rows.at_toolkit(site)
    walks.open_dashboard(page, site, amira)
    kit.sign_in_at_peer(walks.press(page, "authenticate"), door.user, door.password)
    walks.expect_connected(page, door.account)
    come_back(page)
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.dataset.back") is None


def test_details_notice_a_closed_window_too(page: Page, site: str, amira: User) -> None:
    door = rows.at_toolkit(site)
    walks.sign_in(page, site, amira)
    page.goto(f"{site}/integrations/{door.alias.hex}/")
    walks.press(page, "authenticate").close()
    come_back(page)
    expect(page.get_by_text("No answer from Northwind CRM yet.")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()


def come_back(page: Page) -> None:
    """The focus returns to the page, as when a window over it closes. Without a screen nobody gives it back."""
    page.bring_to_front()
    page.evaluate("window.dispatchEvent(new Event('focus'))")


def test_a_late_answer_does_not_undo_cancel(dashboard: Page, door: Door) -> None:
    window = walks.press(dashboard, "authenticate")
    dashboard.locator("#c-northwind-cancel").click()
    walks.expect_not_connected(dashboard)
    kit.sign_in_at_peer(window, door.user, door.password)
    expect(window.get_by_role("heading", level=1)).to_have_text("Sign-in cancelled")
    walks.expect_not_connected(dashboard)
    assert not Token.objects.exists()


def test_a_sign_in_can_go_on_in_this_tab(dashboard: Page, door: Door) -> None:
    walks.press(dashboard, "authenticate").close()
    dashboard.get_by_role("link", name="Continue in this tab").click()
    walks.come_back(dashboard, door)
    walks.expect_connected(dashboard, door.account)


def test_the_provider_may_be_out_of_reach(dashboard: Page, door: Door, oidc_provider_peer: Peer) -> None:
    oidc_provider_peer.spoil(walks.path_of(oidc_provider_peer.token_url), status=503)
    window = walks.press(dashboard, "authenticate")
    kit.sign_in_at_peer(window, door.user, door.password)
    expect(window.get_by_role("heading", level=1)).to_have_text("Northwind CRM doesn’t answer")
    walks.expect_not_connected(dashboard)


def test_another_tab_moves_too(dashboard: Page, door: Door) -> None:
    other = dashboard.context.new_page()
    other.goto(dashboard.url)
    details = dashboard.context.new_page()
    details.goto(f"{dashboard.url}{door.alias.hex}/")
    window = walks.press(dashboard, "authenticate")
    kit.sign_in_at_peer(window, door.user, door.password)
    for tab in (dashboard, other):
        walks.expect_connected(tab, door.account)
    expect(details.locator(".head .badge")).to_have_text("Connected", timeout=walks.SOON)


def test_the_card_returns_by_asking_where_messages_cannot_pass(dashboard: Page, door: Door) -> None:
    dashboard.context.add_init_script("delete window.BroadcastChannel;")
    dashboard.reload()
    window = walks.press(dashboard, "authenticate")
    kit.sign_in_at_peer(window, door.user, door.password)
    walks.expect_connected(dashboard, door.account)
