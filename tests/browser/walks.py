"""The ways a person walks over Keyrack's screens, and what is looked at on the way.

Knows the pages by what they promise: ids of cards and controls, headings, words. Providers are those of tests.servers.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.test import Client
from playwright.sync_api import Locator, Page, Request, expect

from accounts.models import User
from tests.browser import kit, rows

SOON = kit.PATIENCE  # milliseconds in which a card must have moved
# A passing toast leaves after six seconds, in which a machine with other work may not have looked at it.
[STAY] = re.findall(r"const STAY = (\d+);", Path("integrations/static/keyrack/page.js").read_text())
TOASTS_STAY = f"""{{
    const later = setTimeout;
    window.setTimeout = (run, delay, ...rest) => (delay === {STAY} ? 0 : later(run, delay, ...rest));
}}"""


def sign_in(page: Page, site: str, user: User) -> None:
    """As somebody who signed in to Keyrack earlier in this browser."""
    client = Client()
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": site, "httpOnly": True}])


def open_dashboard(page: Page, site: str, user: User) -> Page:
    sign_in(page, site, user)
    page.goto(f"{site}/integrations/")
    return page


def card(page: Page, name: str = "northwind") -> Locator:
    return page.locator(f"#c-{name}")


def expect_state(page: Page, state: str, badge: str, *, name: str = "northwind", timeout: float = SOON) -> None:
    expect(card(page, name)).to_have_attribute("data-state", state, timeout=timeout)
    expect(card(page, name).locator(".badge")).to_have_text(badge)


def expect_connected(page: Page, account: str) -> None:
    """The card has moved up, says so in words, and names the account."""
    mine = page.get_by_role("region", name="My Integrations")
    expect(mine.locator("#c-northwind")).to_be_visible(timeout=SOON)
    expect_state(page, "connected", "Connected")
    expect(card(page).locator(".card__who")).to_have_text(account)


def expect_not_connected(page: Page, *, timeout: float = SOON) -> None:
    available = page.get_by_role("region", name="Integrations I can use")
    expect(available.locator("#c-northwind")).to_be_visible(timeout=timeout)
    expect_state(page, "not_connected", "Not connected", timeout=timeout)


def expect_spoken(page: Page, words: str) -> None:
    """The live region had these words for those who cannot see the card move."""
    expect(page.get_by_role("status").and_(page.locator("#status"))).to_have_text(words)


def focused(page: Page) -> str:
    """Id of the control that has the focus; BODY when the focus is lost."""
    found: str = page.evaluate("document.activeElement.id || document.activeElement.tagName")
    return found


def is_body_focused(page: Page) -> bool:
    """Focus that a swap has lost falls here."""
    return focused(page) == "BODY"


def expect_focus(page: Page, control: str) -> None:
    expect(page.locator(f"#{control}")).to_be_focused(timeout=SOON)


def tab_to(page: Page, control: str, *, steps: int = 20) -> None:
    for _ in range(steps):
        page.keyboard.press("Tab")
        if focused(page) == control:
            return
    raise AssertionError(f"{control} is not among the next {steps} stops of the Tab key")


def press(page: Page, control: str) -> Page:
    """Press what opens a window; the window, where it has arrived."""
    with page.expect_popup() as opened:
        page.locator(f"#c-northwind-{control}").click()
    window = opened.value
    window.wait_for_url(lambda url: url != "about:blank")
    return window


def expect_closed(window: Page) -> None:
    """By itself: nobody but the page can have done it."""
    if not window.is_closed():
        window.wait_for_event("close", timeout=SOON)


def requests_of(page: Page) -> list[Request]:
    """What the page asks for from now on, styles and pictures aside; the list grows."""
    asked: list[Request] = []

    def on_request(request: Request) -> None:
        if "/static/" not in request.url:
            asked.append(request)

    page.on("request", on_request)
    return asked


def mark(page: Page) -> None:
    """Leave a mark that a reload would wipe away."""
    page.evaluate("window.mark = true")


def is_marked(page: Page) -> bool:
    return page.evaluate("window.mark") is True


def until(condition: Callable[[], bool], *, meanwhile: Callable[[], object] = bool, seconds: float = 60) -> None:
    """For what no page shows: wait for a condition of the database."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        meanwhile()
        time.sleep(0.05)


def path_of(url: str) -> str:
    return urlsplit(url).path


def come_back(page: Page, door: rows.Door) -> None:
    """In this tab: sign in at the provider, read how it ended, go back to the dashboard."""
    page.wait_for_url(lambda url: url.startswith(rows.registry(door).issuer))
    kit.sign_in_at_peer(page, door.user, door.password)
    expect(page.get_by_role("heading", level=1)).to_have_text("Northwind CRM is connected")
    page.get_by_role("link", name="Back to my integrations").click()
    page.wait_for_url("**/integrations/")
