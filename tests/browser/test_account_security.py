"""Account Security: a secret is on the screen once, and then in nothing that the browser keeps."""

import re

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from accounts.access_tokens import operations
from accounts.access_tokens.models import PermanentToken
from accounts.audit import log
from accounts.models import User
from tests import cast
from tests.accounts import proofs
from tests.browser import kit, walks
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


def test_after_the_question_whether_it_is_still_you_the_dialog_is_open(page: Page, site: str, amira: User) -> None:
    walks.sign_in(page, site, amira)  # a while ago
    page.goto(f"{site}/accounts/security/")
    page.locator("#new-token").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Is it still you?")
    page.get_by_label("Password").first.fill(cast.PASSWORD)
    page.locator("#confirm").click()
    expect(page.get_by_role("dialog", name="New permanent token")).to_be_visible()
    assert page.url == f"{site}/accounts/security/"
    page.locator("#dialog-cancel").click()
    expect(page.locator("#new-token")).to_be_focused()


def test_who_does_not_answer_that_question_is_back_at_account_security(page: Page, site: str, amira: User) -> None:
    walks.sign_in(page, site, amira)
    page.goto(f"{site}/accounts/email/")
    page.locator("#cancel").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Account security")


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
    assert operations.verify_token(shown)
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


def test_the_focus_goes_to_the_field_that_is_wrong(security: Page, amira: User) -> None:
    page = security
    cast.integration_at(cast.registry_at("https://northwind.example"))
    page.reload()
    page.locator("#new-token").click()
    page.locator("#create").click()
    expect(page.get_by_role("dialog")).to_contain_text("This field is required.")
    walks.expect_focus(page, "id_name")
    page.get_by_label("Name").fill("nightly")
    page.locator("#create").click()
    expect(page.get_by_role("dialog")).not_to_contain_text("This field is required.")
    walks.expect_focus(page, "scope-1")
    page.locator("#reach-selected").check()
    page.locator("#create").click()
    expect(page.get_by_role("dialog")).to_contain_text("Select at least one")
    walks.expect_focus(page, "reach-selected")


def test_a_button_that_is_pressed_twice_says_again_what_it_does(security: Page) -> None:
    page = security
    page.clock.install()
    page.reload()
    make(page, "nightly-report")
    for _twice in range(2):
        page.locator("#copy").click()
        expect(page.locator("#copy")).to_have_text("Copied")
    page.clock.run_for(10_000)
    expect(page.locator("#copy")).to_have_text("Copy token")


def test_all_activity_is_walked_by_keyboard_and_read_out(security: Page, amira: User) -> None:
    page = security
    log.write_all(log.new_event("token_created", whose=amira, subject=f"nightly-{n}") for n in range(40))
    page.reload()
    page.locator("#all-activity").press("Enter")
    expect_good_looks(page)
    page.evaluate("window.mark = true")
    page.locator("#next").press("Enter")
    expect(page.locator("#previous")).to_have_attribute("href", re.compile("page=1"))
    expect(page.locator("#status")).to_have_text(re.compile("^26–4"))
    expect(page.locator("#next")).to_be_focused()  # there is no next one, and the focus is not lost
    expect(page).to_have_url(re.compile(r"page=2"))
    page.get_by_label("Show").select_option("token_created")
    page.locator("#apply").press("Enter")
    expect(page.locator("#status")).to_have_text("1–25 of 40")
    expect(page.locator("#apply")).to_be_focused()
    assert page.evaluate("window.mark")
    page.context.clear_cookies()
    page.locator("#next").click()
    expect(page).to_have_url(re.compile("/accounts/login/"))  # in the whole window


def test_all_activity_without_javascript(without_javascript: Page, site: str, amira: User) -> None:
    page = without_javascript
    log.write_all(log.new_event("token_created", whose=amira, subject=f"nightly-{n}") for n in range(40))
    walks.sign_in(page, site, amira)
    page.goto(f"{site}/accounts/security/activity/")
    page.get_by_label("Show").select_option("token_created")
    page.locator("#apply").click()
    page.locator("#next").click()
    expect(page.locator("tbody tr")).to_have_count(15)
    expect(page.locator("#kind")).to_have_value("token_created")


def test_the_foot_of_a_new_token_says_what_it_may_do(security: Page, site: str, amira: User) -> None:
    page = security
    for name in ("copper", "orchard"):
        cast.integration_at(cast.registry_at(f"https://{name}.example", name=name), name=name)
    page.goto(f"{site}/accounts/security/tokens/new/")
    said = page.locator("#in-words")
    expect(said).to_have_text("It could do nothing yet. Choose at least one thing.")
    page.get_by_label("Only selected").check()
    page.locator("#pick-1").check()
    page.locator("#pick-2").check()
    page.locator("#chip-pick-2").click()
    page.locator("#scope-1").check()
    words = page.locator("label[for=scope-1]").inner_text()
    title = page.locator("#pick-1 ~ [data-title]").inner_text()
    lasts = page.locator("#id_expires option:checked").inner_text()
    expect(said).to_have_text(f"As you it may call: {title}. What else it may do: {words}. It works for {lasts}.")
    page.get_by_label("All my integrations").check()
    expect(said).to_contain_text("It may call all your integrations as you, also those that are added later.")
    assert not kit.axe(page)
