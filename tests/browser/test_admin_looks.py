"""The admin's pages of what administrators compose: nothing of ours for axe to find, and nothing cut off on a phone."""

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Page, expect

from accounts.models import User
from integrations.models import Alias, ApplicationRegistry, ConfigurationTemplate
from tests import cast
from tests.browser import kit, walks
from tests.integrations import flowing, tables

CUT_OFF = """() => [...document.querySelectorAll("fieldset.module:not(.tabular *)")]
    .flatMap((module) => [...module.querySelectorAll("input, select, textarea, .help, code")])
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right >
        one.closest("fieldset.module").getBoundingClientRect().right)
    .map((one) => one.outerHTML.slice(0, 80))"""


@pytest.fixture
def addresses(db: None) -> dict[str, str]:
    alias = cast.integration_at(cast.registry_at("https://northwind.example"))
    action = flowing.open_incidents(alias)
    subflow, table = flowing.subflow_of(action), tables.incidents(alias)
    template = ConfigurationTemplate.objects.get(name="Salesforce")
    rows = {"alias": alias, "action": action, "subflow": subflow, "remotetable": table}
    found = {name: f"/admin/integrations/{name}/{row.pk}/change/" for name, row in rows.items()}
    below = f"/admin/integrations/configurationtemplate/{template.pk}"
    return found | {"template": f"{below}/change/", "new": f"{below}/new/", "templates": f"{below}/../"}


def expect_good_looks(page: Page) -> None:
    found = kit.axe_in_both_schemes(page)
    page.set_viewport_size({"width": 390, "height": 844})
    found += [f"cut off at 390 px: {one}" for one in page.evaluate(CUT_OFF)]
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert (found, wide) == ([], 390), page.url


def test_what_administrators_compose(page: Page, site: str, admin: User, addresses: dict[str, str]) -> None:
    walks.sign_in(page, site, admin)
    for address in addresses.values():
        page.set_viewport_size(kit.DESKTOP["viewport"])
        page.goto(f"{site}{address}")
        expect(page.locator("#content > h1")).to_be_visible()
        expect_good_looks(page)


def test_the_ways_of_a_provider(page: Page, site: str, admin: User, addresses: dict[str, str]) -> None:
    registry = ApplicationRegistry.objects.get()
    registry.provider_profile = ConfigurationTemplate.objects.get(key="quickbooks").definition["registry"][
        "provider_profile"
    ]
    registry.save()
    walks.sign_in(page, site, admin)
    page.goto(f"{site}/admin/integrations/applicationregistry/{registry.pk}/change/")
    page.get_by_text("What this provider does differently").click()
    expect(page.get_by_role("textbox", name="Provider’s ways")).to_be_visible()
    expect_good_looks(page)


def test_a_test_that_failed(page: Page, site: str, admin: User, addresses: dict[str, str]) -> None:
    walks.sign_in(page, site, admin)
    page.goto(f"{site}{addresses['subflow']}../test/")
    page.locator("#run-test").click()
    expect(page.locator("#test-result [role=alert]")).to_be_visible()
    expect_good_looks(page)


@pytest.mark.parametrize("state", ["start", "unknown", "allowed", "not now", "denied"])
def test_explaining_access(
    page: Page, site: str, admin: User, amira: User, addresses: dict[str, str], state: str
) -> None:
    alias = Alias.objects.get()
    cast.signed_in(amira, alias, account_label="amira@northwind.example")
    query = {"start": "", "unknown": "?person=amirah&integration=nortwind"}
    if state == "not now":
        alias.connections.update(connection_url="https://elsewhere.example/api")
    elif state == "denied":
        alias.groups.add(Group.objects.create(name="Finance"))
    walks.sign_in(page, site, admin)
    page.goto(f"{site}/admin/explain-access/{query.get(state, '?person=amira&integration=northwind')}")
    expect(page.locator("#nav-explain")).to_have_attribute("aria-current", "page")
    if state not in query:
        expect(page.locator("#verdict")).to_be_focused()
    expect_good_looks(page)


def test_names_are_suggested_while_one_types(
    page: Page, site: str, admin: User, amira: User, addresses: dict[str, str]
) -> None:
    """As options of the browser's own list, which is operated by keyboard and read by screen readers."""
    walks.sign_in(page, site, admin)
    page.goto(f"{site}/admin/explain-access/")
    page.get_by_label("Person").press_sequentially("amir")
    expect(page.locator("#person-options option")).to_have_attribute("value", "amira")
    page.get_by_label("Person").press_sequentially("a")
    page.get_by_label("Integration").press_sequentially("wind")
    expect(page.locator("#integration-options option")).to_have_attribute("value", "northwind")
    assert page.evaluate("document.getElementById('integration').list.id") == "integration-options"
    page.get_by_label("Integration").fill("northwin")
    page.keyboard.press("Enter")
    walks.expect_focus(page, "integration")
    assert page.evaluate("document.getElementById('person').value") == "amira"


def test_copying_the_initiator_url(page: Page, site: str, admin: User, addresses: dict[str, str]) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    walks.sign_in(page, site, admin)
    page.goto(f"{site}{addresses['alias']}")
    field = page.locator(".field-initiator")
    shown = field.locator("code").inner_text()
    field.get_by_role("button", name="Copy").press("Enter")
    expect(field.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown != ""
    assert Alias.objects.get().hex not in shown


BEYOND = """() => [...document.querySelectorAll("#changes :is(th, td)")]
    .filter((cell) => cell.checkVisibility())
    .filter((cell) => cell.getBoundingClientRect().right > innerWidth || cell.scrollWidth > cell.clientWidth + 1)
    .map((cell) => cell.innerText)"""


@pytest.mark.parametrize("width", [1280, 390])
def test_old_and_new_values_of_a_change(page: Page, site: str, admin: User, width: int) -> None:
    registry = cast.registry_at("https://northwind.example")
    registry.token_url = f"https://elsewhere.example/{'directory/' * 8}{'x' * 80}/token"
    registry.save()
    page.set_viewport_size({"width": width, "height": 844})
    walks.sign_in(page, site, admin)
    page.goto(f"{site}/admin/integrations/applicationregistry/{registry.pk}/history/")
    new = page.locator("#changes").get_by_text(registry.token_url)
    expect(new).to_be_visible()
    assert page.evaluate(BEYOND) == []
    expect_good_looks(page)


def test_fields_that_do_not_apply_are_hidden_and_there_without_javascript(
    page: Page, without_javascript: Page, site: str, admin: User, addresses: dict[str, str]
) -> None:
    registry = ApplicationRegistry.objects.get()
    address = f"{site}/admin/integrations/applicationregistry/{registry.pk}/change/"
    walks.sign_in(page, site, admin)
    page.goto(address)
    secret = page.get_by_label("Client Secret")
    expect(secret).to_be_visible()
    page.get_by_label("Send Credentials").select_option("none")
    expect(secret).to_be_hidden()
    expect_good_looks(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{site}{addresses['alias']}")
    expect(page.get_by_label("Reason when off")).to_be_hidden()
    page.locator("#id_active").uncheck()
    expect(page.get_by_label("Reason when off")).to_be_visible()
    walks.sign_in(without_javascript, site, admin)
    without_javascript.goto(f"{site}{addresses['alias']}")
    expect(without_javascript.get_by_label("Reason when off")).to_be_visible()


def test_the_tokens_of_two_hundred_providers(page: Page, site: str, admin: User, addresses: dict[str, str]) -> None:
    ApplicationRegistry.objects.bulk_create(
        ApplicationRegistry(name=f"Provider of a long name {number}", client_id="x", token_url="https://x.example")
        for number in range(200)
    )
    cast.signed_in(admin, Alias.objects.get(), account_label="somebody.with.a.long.name@northwind.example")
    walks.sign_in(page, site, admin)
    page.goto(f"{site}/admin/integrations/token/")
    table = page.locator("#result_list").bounding_box()
    assert table
    assert table["width"] > 1100
    assert table["y"] < 700
    expect_good_looks(page)
