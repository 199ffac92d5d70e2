"""Account Security: a secret is on the screen once, and then in nothing that the browser keeps."""

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from accounts import credentials
from accounts.models import PermanentToken, User
from tests.accounts import proofs
from tests.browser import kit
from tests.browser.test_looks import expect_good_looks

KEPT = "JSON.stringify([{...localStorage}, {...sessionStorage}, history.state, document.documentElement.outerHTML])"


@pytest.fixture
def security(page: Page, site: str, amira: User) -> Page:
    """Amira's own page, right after she has signed in."""
    client = Client()
    client.force_login(amira)
    proofs.just_shown(client, amira)
    cookie = client.cookies["keyrack"]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": site, "httpOnly": True}])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
    page.goto(f"{site}/accounts/security/")
    return page


def make(page: Page, name: str) -> str:
    """By keyboard alone; what is shown."""
    page.locator("#new-token").press("Enter")
    expect(page.get_by_role("dialog", name="New permanent token")).to_be_visible()
    page.get_by_label("Name").fill(name)
    page.get_by_label("See which integrations you have").press("Space")
    page.get_by_label("Name").press("Enter")
    expect(page.locator("#new-h")).to_be_focused()
    return page.locator("#new-value").inner_text()


def test_a_secret_is_shown_once_copied_and_taken_away(security: Page) -> None:
    page = security
    address = page.url
    page.locator("#new-token").click()
    page.locator("#create").click()  # nothing is filled in
    expect(page.get_by_role("dialog")).to_contain_text("Choose at least one.")
    assert not kit.axe(page)
    page.locator("#dialog-cancel").click()
    expect(page.locator("#new-token")).to_be_focused()

    shown = make(page, "nightly-report")
    assert credentials.verify_token(shown)
    expect(page.get_by_role("heading", name="Token “nightly-report” created")).to_be_visible()
    expect_good_looks(page)
    page.locator("#copy").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    expect(page.locator("#status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown
    page.locator("#stored").click()
    expect(page.get_by_role("heading", name="Permanent tokens")).to_be_focused()
    assert shown not in page.evaluate(KEPT)
    assert page.url == address

    for leave in (page.reload, page.go_back):
        shown = make(page, f"token-{PermanentToken.objects.count()}")
        if leave == page.go_back:
            page.locator("#nav-integrations").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Personal authentication")
        leave()
        expect(page.get_by_role("heading", name="Permanent tokens")).to_be_visible()
        assert shown not in page.evaluate(KEPT)

    token = PermanentToken.objects.get(name="nightly-report")
    page.locator(f"#delete-{token.hex}").click()
    page.locator("#dialog-delete").click()
    expect(page.locator("tr.is-over")).to_contain_text(["nightly-report"])
    expect(page.get_by_role("heading", name="Permanent tokens")).to_be_focused()
    assert not PermanentToken.objects.alive().filter(pk=token.pk).exists()
