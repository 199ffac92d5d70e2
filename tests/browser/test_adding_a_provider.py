"""An administrator adds a provider with nothing but the screens: fields and clicks counted, a wrong secret first."""

import re

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from integrations.models import (
    Alias,
    ApplicationRegistry,
    AuthorizationAttempt,
    ConfigurationTemplate,
    ProviderDraft,
)
from integrations.models.tokens import AttemptStatus
from tests import cast
from tests.browser import kit, rows, walks
from tests.browser.test_admin_looks import expect_good_looks
from tests.servers.peers import Peer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


# Fields that one types into or chooses from, without those that are folded
FIELDS = """() => [...document.querySelectorAll("main input, main select, main textarea")]
    .filter((one) => !["hidden", "checkbox", "radio", "search"].includes(one.type) && one.checkVisibility()).length"""


class Hands:
    """What an administrator does, counted."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks, self.fields = page, 0, 0

    def click(self, control: Locator) -> None:
        self.clicks += 1
        control.click()

    def fill(self, label: str, text: str) -> None:
        self.fields += 1
        self.page.get_by_label(label, exact=True).fill(text)


@pytest.fixture
def template(oidc_provider_peer: Peer) -> ConfigurationTemplate:
    peer = oidc_provider_peer
    peer.reset()

    def below(url: str) -> str:
        return "{server}" + url.removeprefix(peer.issuer)

    return ConfigurationTemplate.objects.create(
        name="Copper Tickets",
        definition={
            "description": "Support tickets",
            "questions": [{"name": "server", "label": "Your server", "kind": "address"}],
            "registry": {
                "issuer": "{server}",
                "authorization_url": below(peer.authorization_url),
                "token_url": below(peer.token_url),
                "token_revocation_url": below(peer.revocation_url),
                "userinfo_url": below(peer.userinfo_url),
            },
            "connection_url": below(peer.api_url),
            "scopes": [{"scope": "openid", "name": "Know who you are", "required": True}],
        },
    )


@pytest.fixture
def hands(page: Page, live_server: LiveServer, settings: Settings, admin: User) -> Hands:
    settings.SITE_URL = live_server.url
    walks.sign_in(page, live_server.url, admin)
    page.goto(f"{live_server.url}/admin/")
    return Hands(page)


def begin(hands: Hands, peer: Peer) -> Peer:
    """To step 2, with an application registered at the provider."""
    page = hands.page
    hands.click(page.locator("#add-provider"))
    hands.click(page.locator("#templates").get_by_role("button", name=re.compile("Copper Tickets")))
    client = peer.register([page.locator("#redirect-url").inner_text()])
    hands.click(page.locator("#next"))
    return client


def sign_in_there(hands: Hands, peer: Peer) -> None:
    with hands.page.expect_popup() as opening:
        hands.click(hands.page.locator("#try"))
    kit.sign_in_at_peer(opening.value, "alice", peer.users["alice"])


def save_and_try_again(hands: Hands, peer: Peer) -> None:
    """One click, which leads to the provider's window. It remembers who is signed in there."""
    with hands.page.expect_popup() as opening:
        hands.click(hands.page.locator("#mend"))
    window = opening.value
    window.wait_for_url(lambda address: address != "about:blank")
    if window.url.startswith(peer.issuer):
        kit.sign_in_at_peer(window, "alice", peer.users["alice"])


def fail_attempt(alias: Alias, user: User, status: AttemptStatus = AttemptStatus.FAILED) -> None:
    credential = alias.effective_credential
    assert credential
    AuthorizationAttempt.objects.create(
        user=user,
        credential=credential,
        registry=credential.registry,
        state_hash="x",
        status=status,
        failure_code="invalid_client",
        failure_reason="Client authentication failed: secret mismatch",
    )


def test_by_template_in_six_fields_and_eight_clicks(
    hands: Hands, template: ConfigurationTemplate, oidc_provider_peer: Peer, amira: User
) -> None:
    page, peer = hands.page, oidc_provider_peer
    client = begin(hands, peer)
    hands.fill("Your server", peer.issuer)
    hands.fill("Client ID", client.client_id)
    hands.fill("Client Secret", client.client_secret)
    hands.click(page.locator("#check"))
    hands.click(page.locator("#save"))
    sign_in_there(hands, peer)
    expect(page.locator("#works")).to_contain_text("alice")
    assert hands.fields <= 6
    assert hands.clicks <= 8
    assert not Alias.objects.get().awaits_trial
    page.goto(page.url.partition("/admin/")[0] + "/integrations/")
    expect(page.get_by_role("article", name="Copper Tickets")).to_contain_text("alice")


def test_by_hand_in_twelve_fields_and_eight_clicks(hands: Hands, oidc_provider_peer: Peer) -> None:
    page, peer, shown = hands.page, oidc_provider_peer, 0
    peer.reset()
    hands.click(page.locator("#add-provider"))
    hands.click(page.locator("#by-hand"))
    shown += page.evaluate(FIELDS)
    hands.fill("Name", "Mossbank Loans")
    hands.fill("Issuer (optional)", peer.issuer)
    hands.fill("Authorization URL", peer.authorization_url)
    expect(page.locator("#hand-draft")).to_contain_text("Draft saved")
    page.wait_for_url("**/by-hand/?draft=*")
    page.reload()  # nothing is lost
    expect(page.get_by_label("Issuer (optional)")).to_have_value(peer.issuer)
    hands.fill("Token URL", peer.token_url)
    hands.fill("Connection URL", peer.api_url)
    hands.fill("Scopes (optional)", "openid")
    hands.click(page.locator("#use-it"))
    client = peer.register([page.locator("#redirect-url").inner_text()])
    hands.click(page.locator("#next"))
    shown += page.evaluate(FIELDS)
    hands.fill("Client ID", client.client_id)
    hands.fill("Client Secret", client.client_secret)
    hands.click(page.locator("#check"))
    shown += page.evaluate(FIELDS)
    hands.click(page.locator("#save"))
    sign_in_there(hands, peer)
    expect(page.locator("#works")).to_be_visible()
    assert shown <= 12
    assert hands.fields <= 12
    assert hands.clicks <= 8


def test_a_wrong_address_and_way_to_authenticate_are_corrected_in_place(hands: Hands, oidc_provider_peer: Peer) -> None:
    page, peer = hands.page, oidc_provider_peer
    peer.reset()
    page.goto(f"{page.url}providers/add/by-hand/")
    hands.fill("Name", "Mossbank Loans")
    hands.fill("Authorization URL", peer.authorization_url)
    hands.fill("Token URL", f"{peer.token_url}/nowhere")
    hands.fill("Connection URL", peer.api_url)
    hands.fill("Scopes (optional)", "openid")
    page.locator("#use-it").click()
    client = peer.register([page.locator("#redirect-url").inner_text()])
    page.locator("#next").click()
    expect(page.get_by_label("Token URL", exact=True)).to_be_hidden()
    hands.fill("Client ID", client.client_id)
    hands.fill("Client Secret", client.client_secret)
    page.locator("#check").click()
    address = page.get_by_label("Token URL", exact=True)
    expect(address).to_be_focused()
    expect(address).to_have_attribute("aria-invalid", "true")
    expect_good_looks(page)
    hands.fill("Token URL", peer.token_url)
    hands.fill("Client Secret", "wrong")
    page.locator("#check").click()
    expect(page.get_by_label("Send Credentials")).to_be_visible()
    hands.fill("Client Secret", client.client_secret)
    page.locator("#check").click()
    page.locator("#save").click()
    sign_in_there(hands, peer)
    expect(page.locator("#works")).to_be_visible()


def test_a_wrong_secret_is_found_before_anybody_signs_in_and_after(
    hands: Hands, template: ConfigurationTemplate, oidc_provider_peer: Peer
) -> None:
    page, peer = hands.page, oidc_provider_peer
    client = begin(hands, peer)
    hands.fill("Your server", peer.issuer)
    hands.fill("Client ID", client.client_id)
    hands.fill("Client Secret", "wrong")
    hands.click(page.locator("#check"))
    secret = page.get_by_label("Client Secret", exact=True)
    expect(secret).to_have_attribute("aria-invalid", "true")
    expect(secret).to_be_focused()
    expect(secret).to_have_value("")
    expect(page.get_by_label("Client ID", exact=True)).to_have_value(client.client_id)
    hands.fill("Client Secret", "wrong again")
    hands.click(page.locator("#skip"))
    hands.click(page.locator("#save"))
    sign_in_there(hands, peer)
    expect(page.locator("#sign-in-failed")).to_be_visible()
    expect(page.locator("#words")).to_contain_text("invalid_client")
    expect(secret).to_be_focused()
    hands.fill("Client Secret", " ")
    with page.expect_popup() as opening:
        page.locator("#mend").click()
    expect(page.get_by_text("This is only spaces.")).to_be_visible()
    if not opening.value.is_closed():
        opening.value.wait_for_event("close")
    hands.fill("Client Secret", "wrong once more")
    save_and_try_again(hands, peer)
    expect(page.locator("#sign-in-failed")).to_be_visible()
    clicks = hands.clicks
    hands.fill("Client Secret", client.client_secret)
    save_and_try_again(hands, peer)
    expect(page.locator("#works")).to_be_visible()
    assert hands.clicks == clicks + 1


def test_without_javascript_it_goes_on_in_the_same_tab(
    without_javascript: Page, site: str, admin: User, oidc_provider_peer: Peer
) -> None:
    page, peer = without_javascript, oidc_provider_peer
    peer.reset()
    alias = rows.at_peer(peer).alias
    Alias.objects.update(awaits_trial=True, tester=admin)
    registry = ApplicationRegistry.objects.get()
    fail_attempt(alias, admin)
    walks.sign_in(page, site, admin)
    page.goto(f"{site}/admin/providers/{registry.hex}/try/")
    page.get_by_label("Client Secret", exact=True).fill(registry.client_secret)
    page.locator("#mend").click()
    page.wait_for_url(lambda address: address.startswith(peer.issuer))


def test_every_step_looks_good(hands: Hands, template: ConfigurationTemplate, oidc_provider_peer: Peer) -> None:
    page, peer = hands.page, oidc_provider_peer
    expect_good_looks(page)
    page.goto(f"{page.url}providers/add/")
    expect_good_looks(page)
    page.goto(page.url.partition("add/")[0] + "add/by-hand/")
    expect_good_looks(page)
    page.goto(page.url.partition("by-hand/")[0] + "any/")
    expect_good_looks(page)
    page.goto(page.url.partition("providers/")[0])
    client = begin(hands, peer)
    page.go_back()
    expect(page.locator("#redirect-url")).to_be_visible()
    expect_good_looks(page)
    page.locator("#next").click()
    expect_good_looks(page)
    hands.fill("Your server", peer.issuer)
    hands.fill("Client ID", client.client_id)
    hands.fill("Client Secret", client.client_secret)
    page.locator("#check").click()
    expect(page.locator("#save")).to_be_visible()
    expect_good_looks(page)
    page.locator("#save").click()
    expect(page.locator("#try")).to_be_visible()
    expect_good_looks(page)


def test_the_comforts_of_a_draft(hands: Hands, template: ConfigurationTemplate, oidc_provider_peer: Peer) -> None:
    """The Redirect URL is copied, the preview follows what is typed, and ticking a group chooses some groups."""
    page, peer = hands.page, oidc_provider_peer
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    Group.objects.create(name="Support")
    client = begin(hands, peer)
    page.go_back()
    page.locator("#copy-redirect-url").click()
    expect(page.locator("#copy-redirect-url")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#redirect-url").inner_text()
    page.locator("#next").click()
    hands.fill("Your server", peer.issuer)
    hands.fill("Client ID", client.client_id)
    hands.fill("Client Secret", client.client_secret)
    page.locator("#check").click()
    hands.fill("Name on the card", "Tickets <b>")
    page.get_by_label("One sentence about it").fill("")
    page.get_by_label("One sentence about it").press_sequentially("Yours.")
    preview = page.locator("#preview")
    expect(preview.get_by_role("heading")).to_contain_text("Tickets <b>")
    expect(preview.locator(".card__desc")).to_have_text("Yours.")
    page.get_by_label("Support (0 people)").check()
    expect(page.get_by_label("Only some groups")).to_be_checked()


def test_what_is_typed_outlasts_the_session_and_enter_does_not_skip_the_check(
    hands: Hands, template: ConfigurationTemplate, oidc_provider_peer: Peer
) -> None:
    page = hands.page
    begin(hands, oidc_provider_peer)
    page.get_by_label("Your server", exact=True).fill(oidc_provider_peer.issuer)
    page.get_by_label("Client ID", exact=True).fill("ct_9f2l")
    with page.expect_response(lambda response: response.request.method == "POST") as saved:
        page.get_by_label("Client Secret", exact=True).fill("CANARY-typed")
    assert saved.value.ok
    assert "CANARY" not in (saved.value.request.post_data or "")
    expect(page.locator("#draft-saved")).to_contain_text("just now")
    cookies = page.context.cookies()
    page.context.clear_cookies()
    page.get_by_label("Client ID", exact=True).fill("ct_lost")
    page.get_by_label("Client Secret", exact=True).focus()
    page.context.add_cookies(cookies)  # type: ignore[arg-type]  # as they were read
    page.reload()
    expect(page.get_by_label("Client ID", exact=True)).to_have_value("ct_9f2l")
    page.get_by_label("Client Secret", exact=True).fill("CANARY-typed")
    page.keyboard.press("Enter")
    expect(page.locator("#skip")).to_be_visible()
    page.get_by_label("Client Secret", exact=True).fill("CANARY-other")
    page.keyboard.press("Enter")
    expect(page.locator("#skip")).to_be_visible()
    expect(page.locator("#share-form")).to_have_count(0)


@pytest.mark.parametrize("status", [AttemptStatus.FAILED, AttemptStatus.PENDING])
def test_each_end_of_a_trial_looks_good(page: Page, site: str, admin: User, status: AttemptStatus) -> None:
    registry = cast.registry_at("https://northwind.example")
    alias = cast.integration_at(registry, awaits_trial=True, tester=admin)
    fail_attempt(alias, admin, status)
    walks.sign_in(page, site, admin)
    page.goto(f"{site}/admin/providers/{registry.hex}/try/")
    expect(page.locator("#trial .verdict")).to_be_visible()
    expect_good_looks(page)


# How much of the focused field is under the bar of buttons, in pixels
COVERED = """(bar) => { const focused = document.activeElement, place = document.querySelector(bar);
    return place.contains(focused) ? 0 : focused.getBoundingClientRect().bottom - place.getBoundingClientRect().top }"""


@pytest.mark.parametrize(
    ("path", "bar", "last"),
    [
        ("/admin/providers/add/by-hand/", ".savebar", "id_scopes_text"),
        ("/admin/integrations/applicationregistry/add/", ".submit-row", "id_client_secret"),
    ],
)
@pytest.mark.parametrize("width", [1280, 390])
def test_no_field_in_focus_is_under_the_buttons(
    page: Page, site: str, admin: User, path: str, bar: str, last: str, width: int
) -> None:
    walks.sign_in(page, site, admin)
    page.set_viewport_size({"width": width, "height": 664})
    page.goto(site + path)
    covered: list[str] = []
    for _step in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(COVERED, bar) > 0:
            covered.append(walks.focused(page))
        if walks.focused(page) == last:
            break
    assert (walks.focused(page), covered) == (last, [])


def test_the_start_of_the_administration_looks_good(page: Page, site: str, admin: User) -> None:
    cast.integration_at(cast.registry_at("https://northwind.example"))
    for number in range(8):
        cast.registry_at(f"https://tide{number}.example", name=f"Tideway {number}")
    ApplicationRegistry.objects.filter(name="Northwind").update(
        misconfigured_code="invalid_client", misconfigured_at=timezone.now(), misconfigured_use="tokens"
    )
    definition = {"description": "x", "registry": {}, "connection_url": "https://vesper.example"}
    ProviderDraft.objects.create(name="Vesper Surveys", definition=definition, begun_by=admin)
    walks.sign_in(page, site, admin)
    for path in ("/admin/", "/admin/?q=nothing", "/admin/records/", "/admin/providers/add/?q=nothing"):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(f"{site}{path}")
        expect_good_looks(page)
