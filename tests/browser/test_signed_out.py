"""From a link in a mail, through our own sign-in, to the provider: under the content security policy of production."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from accounts.oauth_server.models import Approval
from integrations.models import Token
from tests import cast
from tests.accounts import programs, proofs
from tests.browser import kit, rows, walks
from tests.browser.rows import Door
from tests.browser.test_two_steps import KEY
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.slow

SignIn = Callable[[Page, User], None]


def by_password(page: Page, user: User) -> None:
    page.get_by_label("Username").fill(user.username)
    page.locator("#id_password").fill(cast.PASSWORD)
    page.locator("#sign-in").click()


def by_app(page: Page, user: User) -> None:
    secret = proofs.app_of(user)
    by_password(page, user)
    expect(page.get_by_role("heading", level=1)).to_have_text("Second step")
    page.locator("#id_code").fill(proofs.code(secret))
    page.locator("#sign-in").click()


def by_recovery_code(page: Page, user: User) -> None:
    proofs.app_of(user)
    by_password(page, user)
    page.locator("#id_code").fill(proofs.recovery_codes(user)[0])
    page.locator("#sign-in").click()


def by_passkey(page: Page, user: User) -> None:
    """Added in a session before, in this browser."""
    login_url = page.url
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
    site = login_url.split("/accounts/")[0]
    page.goto(f"{site}/accounts/login/")
    by_password(page, user)
    page.goto(f"{site}/accounts/2fa/webauthn/add/")
    page.get_by_label("Sign in with this alone").check()
    page.locator("#add").click()
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    page.context.clear_cookies()
    page.goto(login_url)
    page.locator("#passkey-sign-in").click()


def expect_start_page(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Connect Northwind CRM?")


@pytest.mark.parametrize("sign_in", [by_password, by_app, by_recovery_code, by_passkey])
@pytest.mark.parametrize("display", ["", "&display=popup"])
def test_who_is_signed_out_reaches_the_provider_by_a_link_in_a_mail(
    page: Page, site: str, amira: User, door: Door, sign_in: SignIn, display: str
) -> None:
    page.goto(rows.initiator(site, door) + display)
    sign_in(page, amira)
    expect_start_page(page)
    page.get_by_role("link", name="Continue : Northwind CRM").click()
    page.wait_for_url(lambda url: url.startswith(rows.registry(door).issuer))
    kit.sign_in_at_peer(page, door.user, door.password)
    expect(page.get_by_role("heading", level=1)).to_have_text("Northwind CRM is connected")


def test_who_is_signed_in_reaches_the_provider_by_a_link_in_a_mail(
    page: Page, site: str, amira: User, door: Door
) -> None:
    walks.sign_in(page, site, amira)
    page.goto(rows.initiator(site, door))
    expect_start_page(page)
    page.get_by_role("link", name="Continue : Northwind CRM").click()
    walks.come_back(page, door)


@pytest.mark.parametrize("sign_in", [by_password, by_app])
def test_a_session_that_ended_meanwhile_leaves_a_way_from_the_dashboards_window(
    dashboard: Page, amira: User, door: Door, sign_in: SignIn
) -> None:
    dashboard.context.clear_cookies()
    window = walks.press(dashboard, "authenticate")
    sign_in(window, amira)
    expect_start_page(window)
    window.get_by_role("link", name="Continue : Northwind CRM").click()
    window.wait_for_url(lambda url: url.startswith(rows.registry(door).issuer))
    kit.sign_in_at_peer(window, door.user, door.password)
    walks.until(lambda: Token.objects.filter(user=amira).exists())


def test_reauthentication_that_leads_to_an_initiator_shows_the_start_page(
    page: Page, site: str, amira: User, door: Door
) -> None:
    walks.sign_in(page, site, amira)
    target = rows.initiator("", door).replace("&", "%26")
    page.goto(f"{site}/accounts/reauthenticate/?next={target}")
    page.locator("#id_password").fill(cast.PASSWORD)
    page.locator("#confirm").click()
    expect_start_page(page)


@pytest.mark.parametrize("sign_in", [by_password, by_app])
def test_a_program_that_was_approved_before_gets_its_answer_after_the_sign_in(
    page: Page, site: str, amira: User, server: HostileServer, sign_in: SignIn
) -> None:
    callback = f"{server.url}/callback"
    application = programs.program(redirect_uris=callback)
    Approval.objects.create(user=amira, application=application, scopes=["integrations:read"])
    server.on("GET /callback").always(text="<h1>Back at the program</h1>")
    page.goto(site + programs.authorize_url(redirect_uri=callback))
    sign_in(page, amira)
    expect(page.get_by_role("heading", level=1)).to_have_text("Back at the program")
    assert "code=" in server.calls_to("GET /callback")[0].query


def test_a_program_may_redirect_to_another_of_its_hosts_after_consent(
    page: Page, site: str, amira: User, server: HostileServer
) -> None:
    callback = f"{server.url}/callback"
    programs.program(redirect_uris=callback)
    with HostileServer() as other:
        server.on("GET /callback").always(redirect=f"{other.url}/home")
        other.on("GET /home").always(text="<h1>At home</h1>")
        walks.sign_in(page, site, amira)
        page.goto(site + programs.authorize_url(redirect_uri=callback))
        page.locator("#allow").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("At home")
