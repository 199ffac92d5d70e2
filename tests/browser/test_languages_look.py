"""German words and Japanese letters fit: no sideways scrolling at 320 px, and nothing for axe to find."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import User
from tests.admin.conftest import northwind, registry, token  # noqa: F401 - fixtures
from tests.admin.test_single_permissions import MODELS, rows  # noqa: F401 - a fixture
from tests.browser import rows as stored_rows
from tests.browser import walks
from tests.browser.conftest import OpenPage
from tests.browser.test_looks import expect_good_looks

TITLES = {"de-DE": "Persönliche Authentifizierung", "ja-JP": "個人認証"}


@pytest.mark.parametrize("locale", TITLES)
def test_pages_in_the_language_of_the_browser(open_page: OpenPage, site: str, amira: User, locale: str) -> None:
    stored_rows.every_state(amira)
    page = walks.open_dashboard(open_page(locale=locale), site, amira)
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLES[locale])
    expect_good_looks(page)
    page.goto(f"{site}/accounts/security/")
    expect_good_looks(page)
    page.goto(f"{site}/accounts/security/language-and-time/")
    expect_good_looks(page)


@pytest.mark.parametrize("address", ["api:docs", "integrations:consent_expiries"])
def test_every_entry_of_the_navigation_is_on_a_narrow_screen(
    open_page: OpenPage, site: str, admin: User, address: str
) -> None:
    """Also without a script, and with German words."""
    page = open_page(locale="de-DE", java_script_enabled=False)
    walks.sign_in(page, site, admin)
    for width in (320, 390, 900):
        page.set_viewport_size({"width": width, "height": 700})
        page.goto(f"{site}{reverse(address)}")
        entries = page.locator("#nav a")
        expect(entries.first).to_be_hidden()
        here = {"api:docs": "API", "integrations:consent_expiries": "Anbieter"}[address]
        menu = page.get_by_role("button", name=here)
        expect(menu).to_be_in_viewport(ratio=1)
        menu.press("Enter")
        for number in range(entries.count()):
            expect(entries.nth(number)).to_be_in_viewport(ratio=1)
        expect(page.locator("#nav [aria-current]")).to_have_text(here)
        page.keyboard.press("Tab")
        expect(entries.first).to_be_focused()
        page.keyboard.press("Escape")
        expect(entries.first).to_be_hidden()
        expect(menu).to_be_focused()


def test_the_navigation_of_a_wide_screen_is_a_row(open_page: OpenPage, site: str, admin: User) -> None:
    page = open_page(locale="de-DE")
    walks.sign_in(page, site, admin)
    for address in ("integrations:dashboard", "integrations:providers"):
        page.goto(f"{site}{reverse(address)}")
        expect(page.locator("#nav-menu")).to_be_hidden()
        entries = page.locator("#nav a").all()
        assert len({entry.bounding_box()["y"] for entry in entries}) == 1  # type: ignore[index]  # visible
        expect(entries[-1]).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("locale", TITLES)
def test_pages_of_the_administration_are_not_wider_than_a_small_phone(
    open_page: OpenPage, site: str, admin: User, locale: str
) -> None:
    page = open_page(locale=locale)
    page.set_viewport_size({"width": 320, "height": 640})
    walks.sign_in(page, site, admin)
    widths = {}
    for name in ("by_hand", "any_server", "add_provider", "explain_access", "consent_expiries"):
        page.goto(f"{site}{reverse(f'integrations:{name}')}")
        widths[name] = page.evaluate("document.documentElement.scrollWidth")
    assert set(widths.values()) == {320}, widths


@pytest.mark.parametrize("locale", TITLES)
def test_the_page_to_sign_in(open_page: OpenPage, site: str, amira: User, locale: str) -> None:
    page = open_page(locale=locale)
    page.goto(f"{site}/")
    expect_good_looks(page)
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.slow
@pytest.mark.usefixtures("rows")
def test_lists_of_the_admin_are_not_wider_than_the_window_in_german(
    open_page: OpenPage, site: str, admin: User
) -> None:
    """Their headings and the button to add are long there."""
    page = open_page(locale="de-DE")
    page.set_viewport_size({"width": 1280, "height": 900})
    walks.sign_in(page, site, admin)
    wide = []
    for model in MODELS:
        page.goto(f"{site}{reverse(f'admin:{model._meta.app_label}_{model._meta.model_name}_changelist')}")
        if page.evaluate("document.documentElement.scrollWidth") > 1280:
            wide.append(model._meta.label)
    assert wide == []


def test_choices_of_a_form_are_not_as_narrow_as_its_labels_in_german(
    open_page: OpenPage, site: str, admin: User
) -> None:
    page = open_page(locale="de-DE")
    page.set_viewport_size({"width": 1280, "height": 900})
    walks.sign_in(page, site, admin)
    page.goto(f"{site}{reverse('admin:accounts_application_add')}")
    choice = page.locator("#id_allowed_scopes label", has_text="integrations:read").bounding_box()
    label = page.locator(".field-name label").bounding_box()
    assert choice
    assert label
    assert label["width"] < 180
    assert choice["width"] > 400
