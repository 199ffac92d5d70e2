"""Remote tables in a browser: fills by itself after the window, searches and sorts in place, and looks right."""

import re

from django.core.cache import cache
from playwright.sync_api import Page, expect

from accounts.models import User
from integrations.models import Alias, RemoteTable, Token
from tests import cast
from tests.browser import kit, rows, walks
from tests.browser.test_looks import expect_good_looks
from tests.integrations import tables
from tests.servers.hostile import HostileServer


def opened(page: Page, site: str, user: User, query: str = "") -> Page:
    cache.clear()
    walks.sign_in(page, site, user)
    page.goto(f"{site}/remote-tables/incidents/{query}")
    return page


def test_after_the_window_the_table_fills_by_itself_and_is_searched_in_place(
    page: Page, site: str, amira: User, server: HostileServer
) -> None:
    door = rows.at_isolated(server)
    tables.incidents(door.alias)
    server.on(tables.ROWS).always(tables.rows_of_each({"1": tables.numbered(60)}))
    opened(page, site, amira, "?q=inc")
    walks.mark(page)
    with page.expect_popup() as window:
        page.locator("#authenticate").click()
    window.value.get_by_role("button", name="Allow").click()
    expect(page.locator("#rows tbody tr")).to_have_count(25)
    walks.expect_spoken(page, "60 rows, page 1 of 3")
    walks.expect_closed(window.value)
    assert not walks.is_body_focused(page)
    assert len(server.calls_to(tables.ROWS)) == 1
    page.get_by_role("searchbox").fill("INC0007")
    page.keyboard.press("Enter")
    expect(page.locator("#rows tbody tr")).to_have_count(1)
    walks.expect_spoken(page, "1 row")
    walks.expect_focus(page, "q")
    expect(page).to_have_url(re.compile(r"\?q=INC0007"))
    page.get_by_role("searchbox").fill("")
    page.keyboard.press("Enter")
    expect(page.locator("#rows tbody tr")).to_have_count(25)
    page.locator("#sort-priority").press("Enter")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Priority")
    page.locator("#sort-priority").press("Enter")
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Priority")
    expect(page.locator("#rows tbody th").first).to_have_text("INC0059")
    walks.expect_focus(page, "sort-priority")
    page.get_by_role("searchbox").fill("INC000")  # a search keeps the order that a heading chose
    page.keyboard.press("Enter")
    expect(page.locator("#rows tbody tr")).to_have_count(10)
    expect(page.locator("#rows tbody th").first).to_have_text("INC0009")
    page.get_by_role("searchbox").fill("")
    page.keyboard.press("Enter")
    expect(page.locator("#rows tbody th").first).to_have_text("INC0059")
    page.locator("#next").click()
    expect(page.locator("#rows tbody th").first).to_have_text("INC0034")
    page.locator("#refresh").press("Enter")
    walks.expect_focus(page, "refresh")
    expect(page).to_have_url(re.compile(r"page=2"))
    assert walks.is_marked(page)
    page.go_back()
    expect(page.locator("#rows tbody th").first).to_have_text("INC0059")
    expect(page).to_have_url(re.compile(r"sort=-priority"))
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#order").focus()
    page.locator("#order").select_option("priority")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Priority")
    expect(page).to_have_url(re.compile(r"sort=priority"))
    walks.expect_focus(page, "order")


def test_tables_in_their_states(page: Page, site: str, amira: User, server: HostileServer) -> None:
    alias = cast.integration_at(cast.registry_at(server.url))
    tables.incidents(alias, row_limit=2)
    expect_good_looks(opened(page, site, amira))
    cast.signed_in(amira, alias, account_label="amira@northwind.example")
    server.on(tables.ROWS).always(json={"result": tables.INCIDENTS})
    page.reload()
    expect(page.locator("#cut")).to_be_visible()
    expect_good_looks(page)
    page.goto(f"{page.url}?q=zebra")
    expect_good_looks(page)
    server.on(tables.ROWS).always(status=429, headers={"Retry-After": "30"})
    page.goto(page.url.partition("?")[0])
    expect(page.locator("[data-trouble=wait]")).to_be_visible()
    expect_good_looks(page)
    Alias.objects.update(active=False, inactive_reason="Moving house")
    page.goto(f"{site}/remote-tables/")
    expect(page.get_by_role("link", name="Incidents")).to_be_visible()
    expect_good_looks(page)
    RemoteTable.objects.all().delete()
    Token.objects.all().delete()
    page.reload()
    expect_good_looks(page)


def test_a_long_word_in_a_badge_stays_in_its_place(page: Page, site: str, amira: User, server: HostileServer) -> None:
    alias = cast.integration_at(cast.registry_at(server.url))
    tables.incidents(alias)
    cast.signed_in(amira, alias)
    server.on(tables.ROWS).always(json={"result": [{"number": "INC1", "state": "Llanfairpwllgwyngyll" * 4}]})
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, site, amira)
    chip, panel = page.locator("#rows .chip").bounding_box(), page.locator("#rows").bounding_box()
    assert chip
    assert panel
    assert chip["x"] + chip["width"] <= panel["x"] + panel["width"]
    assert not kit.axe(page)
