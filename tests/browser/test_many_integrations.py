"""A dashboard of 210 integrations: what is on the first screens, the way by keyboard, and search as one types."""

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from integrations.models import Alias, HttpConnection, OAuth2Credential
from integrations.models.registry import IntegrationType
from tests import cast
from tests.browser import kit, readers, rows, walks
from tests.browser.conftest import OpenPage
from tests.browser.test_looks import expect_good_looks

TAB_STOPS = 60
SCREENS = 3
LARGEST_PAGE = 100 * 1024  # bytes
FIRST_ROWS = """() => ["mine", "avail"].map((id) => document.querySelector(`section[aria-labelledby=${id}] [data-card]`)
    .getBoundingClientRect().bottom + scrollY)"""
STOPS_BEFORE = """(id) => {
    const target = document.getElementById(id);
    const stops = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
        .filter((one) => one.tabIndex >= 0 && one.type !== "hidden" && one.checkVisibility());
    return stops.filter((one) => one.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_FOLLOWING).length;
}"""


def title_of(number: int) -> str:
    kind = ["Contacts", "Invoices"][number % 2]
    return f"{chr(65 + number % 26)}{'aeiou'[number % 5]}{'lmnr'[number % 4]}o {kind} {number}"


@pytest.fixture
def crowd(amira: User) -> User:
    """38 connected integrations, one of which expires soon, and 172 others. All have one profile."""
    registry = cast.registry_at("https://northwind.example")
    first = cast.integration_at(registry, name="alias_000", label=title_of(0), scopes=("read", "write"))
    profile = rows.credential_of(first).profile
    others = [Alias(name=f"alias_{number:03}", label=title_of(number)) for number in range(1, 210)]
    personal = {"profile": profile, "integration_type": IntegrationType.PERSONAL}
    credentials = [OAuth2Credential(name=alias.name, **personal) for alias in others]
    Alias.objects.bulk_create(others)
    OAuth2Credential.objects.bulk_create(credentials)
    HttpConnection.objects.bulk_create(
        HttpConnection(alias=alias, name=alias.name, credential=credential, connection_url=f"{registry.token_url}/api")
        for alias, credential in zip(others, credentials, strict=True)
    )
    for number, alias in enumerate([first, *others][:38]):
        token = cast.signed_in(amira, alias, account_label=f"amira.{number}@northwind.example", expires_in=600)
        if number == 25:
            type(token).objects.filter(pk=token.pk).update(refresh_token=None)
    return amira


@pytest.fixture
def dashboard_of_many(page: Page, site: str, crowd: User) -> Page:
    return walks.open_dashboard(page, site, crowd)


def test_both_sections_begin_within_three_screens_of_a_phone(phone: Page, site: str, crowd: User) -> None:
    walks.open_dashboard(phone, site, crowd)
    height = kit.PHONE["viewport"]["height"]
    for bottom in phone.evaluate(FIRST_ROWS):
        assert bottom <= SCREENS * height


def test_the_rows_are_few_tab_stops_away_and_look_good(dashboard_of_many: Page) -> None:
    page = dashboard_of_many
    first, second = (page.locator(f"section[aria-labelledby={name}] .nm a").first for name in ("mine", "avail"))
    assert page.evaluate(STOPS_BEFORE, first.get_attribute("id")) <= TAB_STOPS
    assert page.evaluate(STOPS_BEFORE, second.get_attribute("id")) <= TAB_STOPS
    expect_good_looks(page)
    page.locator("#view-cards").click()
    expect(page.get_by_role("article")).to_have_count(36 + 1)
    walks.expect_focus(page, "view-cards")
    expect_good_looks(page)


def test_the_keyboard_searches_walks_and_comes_back(dashboard_of_many: Page) -> None:
    page = dashboard_of_many
    page.keyboard.press("/")
    walks.expect_focus(page, "q")
    page.keyboard.type("104 contacts")
    walks.expect_spoken(page, "1 of 210 integrations found")
    assert "q=104" in page.url
    page.keyboard.press("Escape")
    walks.expect_spoken(page, "210 of 210 integrations found")
    rows = page.locator("section[aria-labelledby=mine] .nm a")
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(rows.first).to_be_focused()
    page.locator("#to-A").focus()
    page.keyboard.press("ArrowRight")
    walks.expect_focus(page, "to-B")
    page.locator("#all-keys").click()
    dialog = page.get_by_role("dialog", name="Keys on the dashboard")
    dialog.get_by_label("“/” goes to the search").uncheck()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    page.keyboard.press("/")
    assert walks.is_body_focused(page)


def test_the_rest_comes_on_demand_and_takes_the_focus(dashboard_of_many: Page) -> None:
    page = dashboard_of_many
    rows = page.locator("section[aria-labelledby=mine] [data-card]")
    expect(rows).to_have_count(13)
    page.locator("#more-my").press("Enter")
    expect(rows).to_have_count(38)
    expect(rows.nth(12).locator("a").first).to_be_focused()
    page.locator("#state").select_option("expiring")
    expect(rows).to_have_count(1)
    page.go_back()
    expect(rows).to_have_count(38)


def test_the_menu_of_a_row_revokes_it(dashboard_of_many: Page) -> None:
    page = dashboard_of_many
    row = page.locator("section[aria-labelledby=mine] [data-card]").first
    name = row.get_attribute("id")
    row.locator("summary").press("Enter")
    page.keyboard.press("Escape")
    walks.expect_focus(page, f"{name}-menu")
    row.locator("summary").press("Enter")
    page.locator(f"#{name}-revoke").click()
    page.locator("#dialog-revoke").click()
    walks.expect_focus(page, f"{name}-h")
    expect(page.locator(f"section[aria-labelledby=avail] #{name}")).to_be_visible()


def test_without_a_script_all_of_it_is_links_and_forms(without_javascript: Page, site: str, crowd: User) -> None:
    page = without_javascript
    walks.open_dashboard(page, site, crowd)
    page.get_by_role("searchbox").fill("invoices")
    page.locator("#state").select_option("connected")
    page.locator("#search").click()
    expect(page.locator("[data-card]")).to_have_count(12)
    page.locator("#more-my").click()
    expect(page.locator("[data-card]")).to_have_count(18)
    page.locator("#view-cards").click()
    expect(page.get_by_role("article").first).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["ja-JP", "de-DE"])
def test_it_holds_in_other_languages(open_page: OpenPage, site: str, crowd: User, locale: str) -> None:
    page = open_page(**(kit.PHONE | kit.Screen(locale=locale)))
    walks.sign_in(page, site, crowd)
    answer = page.goto(f"{site}/integrations/")
    assert answer
    assert len(answer.body()) <= LARGEST_PAGE
    for bottom in page.evaluate(FIRST_ROWS):
        assert bottom <= SCREENS * kit.PHONE["viewport"]["height"]
    for section in ("mine", "avail"):
        first = page.locator(f"section[aria-labelledby={section}] .nm a").first
        assert page.evaluate(STOPS_BEFORE, first.get_attribute("id")) <= TAB_STOPS
    readers.save_picture(page, f"many/rows-{locale}")
    page.keyboard.press("/")
    walks.expect_focus(page, "q")
    page.keyboard.type("104 contacts")
    expect(page.locator("[data-card]")).to_have_count(1)
    page.keyboard.press("Escape")
    page.locator("#view-cards").click()
    expect(page.get_by_role("article").first).to_be_visible()
    page.goto(f"{site}/integrations/")
    expect(page.get_by_role("article").first).to_be_visible()
    readers.save_picture(page, f"many/cards-{locale}")
    assert page.evaluate(readers.STICKS_OUT) == []
