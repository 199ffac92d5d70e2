"""The dashboard while it is open: keyboard, filter, several tabs and people, messages that nobody sent."""

import contextlib
import re

import pytest
from playwright.sync_api import Error, Page, Route, expect

from accounts.models import User
from integrations.models import Alias, Token
from tests.browser import kit, rows, walks
from tests.browser.conftest import OpenPage
from tests.browser.rows import Door
from tests.servers.peers import Peer

JUNK = """[null, 0, "", "connected", "<img src=x onerror=alert(1)>", [], {}, {alias: {}, state: "connected"},
    {alias: ALIAS, attempt: "0", kind: "connected"}, new Error("no"), {html: "<b>", url: "javascript:alert(1)"}]"""


@pytest.fixture
def everything(page: Page, site: str, amira: User) -> Page:
    """Amira's dashboard with one integration in each state."""
    rows.every_state(amira)
    return walks.open_dashboard(page, site, amira)


# Keyboard


@pytest.mark.usefixtures("worker")
def test_everything_can_be_done_with_the_keyboard(dashboard: Page, door: Door) -> None:
    walks.tab_to(dashboard, "c-northwind-authenticate")
    with dashboard.expect_popup() as opened:
        dashboard.keyboard.press("Enter")
    opened.value.wait_for_url(lambda url: url != "about:blank")
    walks.expect_state(dashboard, "connecting", "Connecting")
    assert not walks.is_body_focused(dashboard)
    kit.sign_in_at_peer(opened.value, door.user, door.password)
    walks.expect_connected(dashboard, door.account)
    walks.expect_focus(dashboard, "c-northwind-h")
    walks.tab_to(dashboard, "c-northwind-revoke", steps=3)
    dashboard.keyboard.press("Enter")
    walks.expect_focus(dashboard, "dialog-keep")
    walks.tab_to(dashboard, "dialog-revoke", steps=1)
    dashboard.keyboard.press("Enter")
    walks.expect_not_connected(dashboard)
    walks.expect_focus(dashboard, "c-northwind-h")


def test_the_focus_never_leaves_an_open_dialog(everything: Page) -> None:
    everything.locator("#c-connected-revoke").press("Enter")
    walks.expect_focus(everything, "dialog-keep")
    for _ in range(6):
        everything.keyboard.press("Tab")
        assert everything.evaluate("!document.activeElement.closest('#main > :not(dialog), header')")


def test_asking_whether_a_provider_is_back_keeps_the_focus_and_says_what_was_found(everything: Page) -> None:
    everything.locator("#c-provider_down-check").press("Enter")
    expect(everything.locator("#toasts")).to_contain_text("Iris Maps still doesn’t answer.")
    walks.expect_focus(everything, "c-provider_down-check")


def test_the_first_stop_of_the_tab_key_skips_to_the_content(everything: Page) -> None:
    everything.keyboard.press("Tab")
    expect(everything.get_by_role("link", name="Skip to content")).to_be_focused()
    everything.keyboard.press("Enter")
    walks.tab_to(everything, "q", steps=2)  # after the consent calendar


@pytest.mark.parametrize(
    ("state", "control", "after"),
    [
        ("connecting", "cancel", "not_connected"),
        ("revoke_failed", "dismiss", "not_connected"),
        ("revoke_failed", "retry", "revoking"),
    ],
)
def test_a_pressed_button_leaves_the_focus_on_its_card(everything: Page, state: str, control: str, after: str) -> None:
    everything.locator(f"#c-{state}-{control}").press("Enter")
    expect(walks.card(everything, state)).to_have_attribute("data-state", after, timeout=walks.SOON)
    walks.expect_focus(everything, f"c-{state}-h")


def test_forgetting_asks_first(everything: Page) -> None:
    everything.get_by_role("link", name="Forget : Ember Tickets").press("Enter")
    dialog = everything.get_by_role("dialog", name="Forget Ember Tickets?")
    expect(dialog).to_contain_text("You were signed in as amira@needs_reauth.example.")
    dialog.get_by_role("button", name="Forget").click()
    walks.expect_state(everything, "not_connected", "Not connected", name="needs_reauth")
    walks.expect_focus(everything, "c-needs_reauth-h")


# Filter


def test_the_filter_shows_only_what_matches(everything: Page) -> None:
    box = everything.get_by_role("searchbox", name="Search integrations")
    box.fill("grove")
    expect(everything.get_by_role("article")).to_have_count(1)
    walks.expect_spoken(everything, "1 of 12 integrations found")
    box.fill("grovel")
    expect(everything.get_by_role("heading", name="No match for “grovel”")).to_be_visible()
    everything.get_by_role("link", name="show all 12").click()
    expect(everything.get_by_role("article")).to_have_count(12)
    walks.expect_focus(everything, "q")


def test_a_filter_outlives_a_swap(everything: Page) -> None:
    everything.get_by_role("searchbox").fill("beacon")
    everything.locator("#c-connecting-cancel").click()
    walks.expect_state(everything, "not_connected", "Not connected", name="connecting")
    expect(everything.get_by_role("article")).to_have_count(1)


def test_a_search_that_a_button_s_answer_overtakes_is_not_lost(everything: Page) -> None:
    def wait(route: Route) -> None:
        everything.wait_for_timeout(500)
        route.continue_()

    everything.route("**/?q=beacon*", wait)
    everything.get_by_role("searchbox").fill("beacon")
    everything.wait_for_timeout(250)  # the search is sent, and not answered
    everything.locator("#c-connecting-cancel").click()
    walks.expect_state(everything, "not_connected", "Not connected", name="connecting")
    expect(everything.get_by_role("article")).to_have_count(1)


def test_a_filter_that_a_button_s_answer_overtakes_is_not_lost(everything: Page) -> None:
    held: list[Route] = []
    everything.route("**/?show=available*", lambda route: held.append(route), times=1)
    everything.locator("#show-available").click()
    walks.until(lambda: bool(held), meanwhile=lambda: everything.wait_for_timeout(50))
    everything.locator("#c-connecting-cancel").click()
    walks.expect_state(everything, "not_connected", "Not connected", name="connecting")
    held[0].continue_()
    expect(everything.locator("#show-available")).to_have_attribute("aria-current", "true")
    expect(everything.get_by_role("heading", name="My Integrations")).to_have_count(0)
    expect(everything).to_have_url(re.compile(r"show=available"))


def test_a_button_s_answer_that_a_search_overtakes_is_not_lost(everything: Page) -> None:
    held: list[Route] = []
    everything.route("**/dismiss/", lambda route: held.append(route), times=1)
    everything.locator("#c-revoke_failed-dismiss").click()
    walks.until(lambda: bool(held), meanwhile=lambda: everything.wait_for_timeout(50))
    everything.get_by_role("searchbox").fill("grove")
    expect(everything.get_by_role("article")).to_have_count(1)
    walks.expect_state(everything, "revoke_failed", "Revoke not confirmed", name="revoke_failed")
    held[0].continue_()
    walks.expect_state(everything, "not_connected", "Not connected", name="revoke_failed")


def test_what_a_button_s_answer_says_is_shown_although_a_search_overtakes_it(everything: Page) -> None:
    held: list[Route] = []
    everything.route("**/check/", lambda route: held.append(route), times=1)
    everything.locator("#c-provider_down-check").click()
    walks.until(lambda: bool(held), meanwhile=lambda: everything.wait_for_timeout(50))
    everything.get_by_role("searchbox").fill("grove")
    expect(everything.get_by_role("article")).to_have_count(1)
    held[0].continue_()
    expect(everything.locator("#toasts")).to_contain_text("Iris Maps still doesn’t answer.")


def test_of_two_questions_the_later_one_is_shown(everything: Page) -> None:
    held: list[Route] = []
    everything.route("**/revoke/", lambda route: held.append(route), times=1)
    everything.locator("#c-connected-revoke").click()
    walks.until(lambda: bool(held), meanwhile=lambda: everything.wait_for_timeout(50))
    everything.locator("#c-expiring-revoke").click()
    question = everything.get_by_role("dialog")
    expect(question).to_contain_text("Delta Sheets")
    with contextlib.suppress(Error):  # the browser gave the first one up
        held[0].continue_()
    everything.wait_for_timeout(500)
    expect(question).to_contain_text("Delta Sheets")


def test_a_filtered_address_is_found_by_the_server_and_emptied_by_hand(everything: Page) -> None:
    everything.goto(f"{everything.url}?q=grove")
    expect(everything.get_by_role("article")).to_have_count(1)
    everything.get_by_role("searchbox").fill("")
    expect(everything.get_by_role("article")).to_have_count(12)
    assert "q=" not in everything.url


# Messages, tabs, people


def test_forged_messages_only_make_the_page_ask(dashboard: Page, door: Door) -> None:
    asked = walks.requests_of(dashboard)
    walks.mark(dashboard)
    forger = dashboard.context.new_page()
    forger.goto(f"{dashboard.url}nowhere/")
    junk = JUNK.replace("ALIAS", f"'{door.alias.hex}'")
    with dashboard.expect_response(lambda response: response.status == 304):
        forger.evaluate(f"for (const one of {junk}) new BroadcastChannel('keyrack-connect').postMessage(one)")
    dashboard.evaluate(f"for (const one of {junk}) postMessage(one, '*')")
    walks.expect_not_connected(dashboard)
    assert {(request.method, walks.path_of(request.url)) for request in asked} == {("GET", "/integrations/")}
    assert walks.is_marked(dashboard)
    assert not Token.objects.exists()


def test_a_card_that_nothing_happens_to_asks_for_nothing(dashboard: Page) -> None:
    asked = walks.requests_of(dashboard)
    dashboard.clock.install()
    dashboard.reload()
    asked.clear()
    dashboard.clock.run_for(60_000)
    assert asked == []


def test_two_people_see_only_their_own(
    open_page: OpenPage, site: str, amira: User, bob: User, door: Door, oidc_provider_peer: Peer
) -> None:
    of_amira, of_bob = (walks.open_dashboard(open_page(), site, user) for user in (amira, bob))
    kit.sign_in_at_peer(walks.press(of_amira, "authenticate"), "alice", oidc_provider_peer.users["alice"])
    walks.expect_connected(of_amira, "alice")
    of_bob.reload()
    walks.expect_not_connected(of_bob)
    expect(of_bob.get_by_text("alice")).to_have_count(0)
    kit.sign_in_at_peer(walks.press(of_bob, "authenticate"), "bob", oidc_provider_peer.users["bob"])
    walks.expect_connected(of_bob, "bob")
    of_amira.reload()
    walks.expect_connected(of_amira, "alice")


def test_the_answer_of_somebody_elses_sign_in_connects_nothing(
    dashboard: Page, bob: User, door: Door, oidc_provider_peer: Peer
) -> None:
    address = oidc_provider_peer.consent(rows.begin(bob, door.alias), "bob")
    dashboard.goto(address)
    expect(dashboard.get_by_role("heading", level=1)).to_have_text("This sign-in belongs to somebody else")
    dashboard.get_by_role("link", name="Go to my integrations").click()
    walks.expect_not_connected(dashboard)
    assert not Token.objects.exists()


def test_being_signed_out_meanwhile_shows_the_door(everything: Page) -> None:
    everything.context.clear_cookies()
    everything.locator("#c-connected-revoke").click()
    expect(everything.get_by_role("heading", level=1)).to_have_text("Sign in to Keyrack")


def test_hostile_names_are_only_names(page: Page, site: str, amira: User) -> None:
    payload = """"><img src=x onerror="document.title='run'"><script>document.title='run'</script>{{7*7}}"""
    alias = rows.every_state(amira)["connected"]
    Alias.objects.filter(pk=alias.pk).update(label=payload[:80], description=payload)
    Token.objects.filter(credential=alias.effective_credential).update(account_label=payload, last_used_by=payload[:90])
    walks.open_dashboard(page, site, amira)
    expect(walks.card(page, "connected").locator(".card__who")).to_have_text(payload)
    page.locator("#c-connected-revoke").click()
    expect(page.get_by_role("dialog")).to_contain_text(payload[:80])
    page.goto(f"{site}/integrations/{alias.hex}/")
    expect(page.get_by_role("heading", level=1)).to_have_text(payload[:80])
    assert page.locator("img, script:not([src])").count() == 0
