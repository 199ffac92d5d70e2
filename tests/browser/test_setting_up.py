"""An administrator sets an integration up by clicking alone, in the order that ServiceNow's own guide has."""

import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from integrations.personal_auth import PersonalAuthAPI
from tests import cast
from tests.browser import kit
from tests.browser.conftest import OpenPage
from tests.servers.peers import Peer

pytestmark = pytest.mark.django_db(transaction=True)


def sign_in(page: Page, site: str, username: str, path: str = "/") -> None:
    page.goto(f"{site}/accounts/login/?next={path}")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password", exact=True).fill(cast.PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def add(page: Page, section: str, thing: str) -> None:
    """From the admin's index to an empty form."""
    page.goto(page.url.partition("/admin/")[0] + "/admin/records/")
    page.get_by_role("main").get_by_role("link", name=section, exact=True).click()
    page.get_by_role("link", name=re.compile(f"Add {thing}", re.IGNORECASE)).first.click()


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist .success")).to_be_visible()


def register(page: Page, peer: Peer) -> Peer:
    """Application Registry, scopes and profile on one page; the provider is told the Redirect URL that it shows."""
    add(page, "Application Registries", "Application Registry")
    shown = page.locator(".field-redirect_url")
    redirect_url = re.search(r"https?://\S+/oauth_redirect\.do/[0-9a-f]{32}", shown.inner_text())
    assert redirect_url, shown.inner_text()
    client = peer.register([redirect_url[0]])
    page.get_by_label("Name:", exact=True).first.fill("Northwind")
    page.get_by_label("Client ID").fill(client.client_id)
    page.get_by_label("Client Secret").fill(client.client_secret)
    page.get_by_label("Issuer:", exact=True).fill(peer.issuer)
    page.get_by_label("Authorization URL").fill(peer.authorization_url)
    page.get_by_label("Token URL").fill(peer.token_url)
    page.get_by_text("Revoking", exact=True).click()
    page.get_by_label("Token Revocation URL").fill(peer.revocation_url)
    page.get_by_text("Whose account it is", exact=True).click()
    page.get_by_role("textbox", name="Userinfo URL").fill(peer.userinfo_url)
    page.locator("input[name=scopes-0-name]").fill("Know who you are")
    page.locator("input[name=scopes-0-scope]").fill("openid")
    page.locator("input[name=profiles-0-name]").fill("Default")
    save(page)
    return client


def test_an_administrator_sets_an_integration_up_by_clicking_alone(
    open_page: OpenPage,
    live_server: LiveServer,
    settings: Settings,
    oidc_provider_peer: Peer,
    admin: User,
    amira: User,
) -> None:
    settings.SITE_URL = live_server.url
    page = open_page()
    sign_in(page, live_server.url, "admin", "/admin/")
    register(page, oidc_provider_peer)

    add(page, "Connection & Credential Aliases", "Connection & Credential Alias")
    page.get_by_label("Name:", exact=True).first.fill("northwind")
    page.get_by_label("Label").fill("Northwind CRM")
    page.locator("input[name=connections-0-name]").fill("Northwind")
    page.locator("input[name=connections-0-connection_url]").fill(oidc_provider_peer.api_url)
    save(page)

    add(page, "OAuth 2.0 Credentials", "OAuth 2.0 Credential")
    page.get_by_label("Name:", exact=True).fill("Northwind personal")
    page.get_by_label("OAuth Entity Profile").select_option(label="Northwind: Default")
    page.get_by_label("Integration Type").select_option(label="Personal")
    save(page)

    page.goto(f"{live_server.url}/admin/records/")
    page.get_by_role("main").get_by_role("link", name="HTTP(s) Connections", exact=True).click()
    page.get_by_role("link", name="Northwind", exact=True).click()
    page.get_by_label("Credential").select_option(label="Northwind personal")
    save(page)

    person = open_page()
    sign_in(person, live_server.url, "amira")
    card = person.get_by_role("article", name="Northwind CRM")
    expect(card).to_contain_text("Know who you are")
    with person.expect_popup() as opening:
        card.get_by_role("link", name=re.compile("Authenticate")).click()
    kit.sign_in_at_peer(opening.value, "alice", oidc_provider_peer.users["alice"])
    mine = person.locator("section", has=person.get_by_role("heading", name="My Integrations"))
    expect(mine).to_contain_text("alice")
    assert PersonalAuthAPI(amira).request("northwind", "GET", "").json()["sub"] == "alice"
