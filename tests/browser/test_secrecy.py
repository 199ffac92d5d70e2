"""After a sign-in the browser holds nothing that could act as the person at the provider."""

from playwright.sync_api import Page, expect

from accounts.models import User
from integrations.models import ApplicationRegistry, Token
from tests.browser import kit, rows, walks
from tests.browser.rows import Door

STORES = """() => JSON.stringify([document.documentElement.outerHTML, {...localStorage}, {...sessionStorage},
    document.cookie, window.name, history.state, location.href])"""


def visited(page: Page) -> str:
    """Every address that the Back button could lead to."""
    history = page.context.new_cdp_session(page).send("Page.getNavigationHistory")
    return " ".join(entry["url"] for entry in history["entries"])


def secrets() -> list[str]:
    token, registry = Token.objects.get(), ApplicationRegistry.objects.get()
    return [token.access_token, token.refresh_token, registry.client_secret]


def test_no_page_and_no_store_of_the_browser_holds_a_secret(dashboard: Page, site: str, door: Door) -> None:
    dashboard.goto(rows.initiator(site, door))
    dashboard.get_by_role("link", name="Continue").click()
    dashboard.wait_for_url(f"{rows.registry(door).issuer}/**")
    kit.sign_in_at_peer(dashboard, door.user, door.password)
    expect(dashboard.get_by_role("heading", level=1)).to_have_text("Northwind CRM is connected")
    seen = [dashboard.evaluate(STORES)]
    for path in ("", f"{door.alias.hex}/", f"{door.alias.hex}/revoke/"):
        dashboard.goto(f"{site}/integrations/{path}")
        seen.append(dashboard.evaluate(STORES))
    dashboard.go_back()
    seen += [dashboard.evaluate(STORES), visited(dashboard)]
    found = "".join(seen)
    assert all(secret and secret not in found for secret in secrets())
    assert dashboard.evaluate("[document.cookie, localStorage.length]") == ["keyrack-time-zone=UTC", 0]


def test_code_and_state_leave_the_address_at_once(dashboard: Page, site: str, door: Door) -> None:
    asked = walks.requests_of(dashboard)
    dashboard.goto(rows.initiator(site, door))
    dashboard.get_by_role("link", name="Continue").click()
    walks.come_back(dashboard, door)
    assert not any(word in visited(dashboard) for word in ("code=", "oauth_redirect"))
    callback = next(request.response() for request in asked if "/oauth_redirect.do/" in request.url)
    done = next(request.response() for request in asked if "/integrations/done/" in request.url)
    assert callback
    assert done
    assert callback.status == 303
    for answer in (callback, done):
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "no-store" in answer.headers["cache-control"]


def test_the_message_to_other_tabs_carries_no_secret(dashboard: Page, door: Door) -> None:
    listener = dashboard.context.new_page()
    listener.goto(f"{dashboard.url}nowhere/")
    listener.evaluate("""() => { window.heard = [];
        new BroadcastChannel("keyrack-connect").onmessage = (event) => heard.push(JSON.stringify(event.data)); }""")
    kit.sign_in_at_peer(walks.press(dashboard, "authenticate"), door.user, door.password)
    walks.expect_connected(dashboard, door.account)
    (heard,) = listener.evaluate("heard.map(JSON.parse)")
    assert heard.keys() == {"attempt", "alias"}
    assert heard["alias"] == door.alias.hex


def test_nothing_is_left_for_the_next_person_after_signing_out(dashboard: Page, site: str, amira: User) -> None:
    dashboard.locator("#account-menu-open").click()
    dashboard.get_by_role("button", name="Sign out").click()
    expect(dashboard.get_by_role("heading", level=1)).to_have_text("Sign in to Keyrack")
    dashboard.go_back()
    expect(dashboard.get_by_role("heading", level=1)).to_have_text("Sign in to Keyrack")
    assert not [cookie for cookie in dashboard.context.cookies(site) if cookie.get("name") == "keyrack"]
