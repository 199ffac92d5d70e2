"""Two-step sign-in as a browser alone can show it: a phone's app, and a passkey under a strict policy for scripts."""

import pytest
from django.core.cache import cache
from playwright.sync_api import Page, expect

from accounts.models import User
from tests import cast
from tests.accounts import proofs
from tests.browser.test_looks import expect_good_looks

KEY = {  # a phone or laptop that checks its owner's finger and finds it good
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    cache.clear()


def sign_in(page: Page, site: str) -> None:
    page.goto(f"{site}/accounts/login/")
    page.get_by_label("Username").fill("amira")
    page.locator("#id_password").fill(cast.PASSWORD)
    page.locator("#sign-in").click()


def sign_out(page: Page) -> None:
    page.locator("#account-menu-open").click()
    page.locator("#sign-out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to Keyrack")


def expect_heading(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(words)


def open_menu(page: Page, item: str) -> None:
    page.locator("#account-menu-open").click()
    page.locator(item).click()


def test_an_app_is_set_up_and_asked_for(page: Page, site: str, amira: User) -> None:
    sign_in(page, site)
    open_menu(page, "#menu-two-step")
    expect_heading(page, "Two-step sign-in")
    expect_good_looks(page)
    page.locator("#app-on").click()
    expect_good_looks(page)
    secret = page.locator("#app-key").input_value()
    page.locator("#id_code").fill(proofs.code(secret))
    page.locator("#activate").click()
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    expect_good_looks(page)
    codes = page.locator("#recovery-codes li").all_inner_texts()
    page.locator("#stored").click()
    expect(page.locator("#two-step")).to_have_text("On")
    expect_good_looks(page)
    page.go_back()
    expect(page.locator("main")).not_to_contain_text(codes[0])
    sign_out(page)
    sign_in(page, site)
    expect_heading(page, "Second step")
    page.locator("#id_code").fill(proofs.wrong_code(secret))
    page.locator("#sign-in").click()
    expect(page.locator("#id_code_error")).to_contain_text("This code is not right")
    expect_good_looks(page)
    page.locator("#id_code").fill(proofs.code(secret, steps=1))
    page.locator("#sign-in").click()
    expect_heading(page, "Personal authentication")


def test_a_passkey_is_added_and_signs_in_alone_and_as_the_second_step(page: Page, site: str, amira: User) -> None:
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
    sign_in(page, site)
    open_menu(page, "#menu-two-step")
    page.locator("#key-add").click()
    expect_good_looks(page)
    page.locator("#id_name").fill("My laptop")
    page.get_by_label("Sign in with this alone").check()
    page.locator("#add").click()
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    page.locator("#stored").click()
    page.locator("#keys").click()
    expect(page.get_by_role("row", name="My laptop")).to_contain_text("Passkey")
    expect_good_looks(page)

    sign_out(page)
    page.locator("#passkey-sign-in").click()
    expect_heading(page, "Personal authentication")
    page.goto(f"{site}/accounts/2fa/recovery-codes/generate/")  # a passkey has shown both just now
    expect_heading(page, "New recovery codes?")
    expect_good_looks(page)

    sign_out(page)
    sign_in(page, site)
    expect_heading(page, "Second step")
    expect_good_looks(page)
    page.locator("#use-key").click()
    expect_heading(page, "Personal authentication")


def test_a_key_that_refuses_is_told_in_words(page: Page, site: str, amira: User) -> None:
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": {**KEY, "isUserVerified": False}})
    page.goto(f"{site}/accounts/login/")
    page.locator("#passkey-sign-in").click()
    expect(page.get_by_role("alert")).to_have_text("Nothing was done: the browser or the key stopped it. Try again.")
    expect_good_looks(page)


def test_the_pages_of_ones_account(page: Page, site: str, amira: User) -> None:
    sign_in(page, site)
    for item, heading in (
        ("#menu-password", "Change your password"),
        ("#menu-addresses", "Your email addresses"),
        ("#menu-sessions", "Where you are signed in"),
    ):
        open_menu(page, item)
        expect_heading(page, heading)
        expect_good_looks(page)
