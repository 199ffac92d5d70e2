"""Every page, in every state it has: nothing for axe to find in light and dark, and no sideways scrolling at 320 px."""

import json
from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from accounts.models import User
from integrations.connections import authorization
from integrations.models import Alias, ApplicationRegistry, AuthorizationAttempt, Token
from integrations.models.tokens import AttemptStatus, state_digest
from tests import cast
from tests.browser import kit, rows, walks
from tests.servers.hostile import HostileServer

LONG = "Donaudampfschifffahrtsgesellschaftskapitän & Sons, International Department of Very Long Names"
SITES = ["Contoso", "Contoso Test", LONG, "قسم المبيعات", "northwind-" + "subsidiary-" * 8 + "example"]
NARROW = 320


def expect_good_looks(page: Page) -> None:
    found = kit.axe_in_both_schemes(page)
    page.set_viewport_size({"width": NARROW, "height": 700})
    found += [f"sticks out at {NARROW} px: {one}" for one in page.evaluate(STICKS_OUT)]
    page.set_viewport_size(kit.DESKTOP["viewport"])
    assert not found, "\n".join([page.url, *found])


STICKS_OUT = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML.slice(0, 80))"""


@pytest.fixture
def aliases(amira: User) -> dict[str, Alias]:
    return rows.every_state(amira)


@pytest.fixture
def everything(page: Page, site: str, amira: User, aliases: dict[str, Alias]) -> Page:
    """Amira's dashboard with one integration in each state."""
    return walks.open_dashboard(page, site, amira)


@pytest.fixture
def of_amira(page: Page, site: str, amira: User, aliases: dict[str, Alias]) -> Page:
    """A page in which Amira is signed in, with one integration in each state; nothing is open yet."""
    walks.sign_in(page, site, amira)
    return page


# The dashboard and what opens from it


def test_the_dashboard_in_all_states(everything: Page, aliases: dict[str, Alias]) -> None:
    expect(everything.get_by_role("article")).to_have_count(len(aliases))
    expect_good_looks(everything)


GROUND = "one => getComputedStyle(one).backgroundColor"


def test_forced_colours_leave_what_only_a_background_tells(everything: Page) -> None:
    """The letter of a monogram, the chosen filter, the button to press; in Windows' contrast themes, for example."""
    everything.emulate_media(forced_colors="active")
    tile, primary = everything.locator(".tile").first, everything.locator(".btn--primary").first
    plain = everything.locator("a.btn--danger").first.evaluate(GROUND)
    chosen, other = (
        everything.locator(f".filters a{state}").first for state in ("[aria-current]", ":not([aria-current])")
    )
    assert tile.evaluate(GROUND) != everything.locator("body").evaluate(GROUND)
    assert tile.locator("text").evaluate("one => getComputedStyle(one).fill") == "rgb(255, 255, 255)"
    assert chosen.evaluate(GROUND) != other.evaluate(GROUND)
    assert primary.evaluate(GROUND) != plain
    assert everything.locator("select.input").first.evaluate("one => getComputedStyle(one).appearance") == "auto"


def test_the_dashboard_with_long_words(page: Page, site: str, amira: User, aliases: dict[str, Alias]) -> None:
    Alias.objects.update(label=LONG, description=LONG * 3)
    Token.objects.update(account_label=f"{LONG.split()[0].lower()}@{'subsidiary.' * 8}example")
    expect_good_looks(walks.open_dashboard(page, site, amira))


UNBROKEN = "x" * 100


def test_names_without_a_blank_stay_within_the_page(
    page: Page, site: str, amira: User, aliases: dict[str, Alias]
) -> None:
    """On the page of an integration and in a window, whose foot names the person."""
    Alias.objects.update(label=UNBROKEN, description=UNBROKEN * 2)
    ApplicationRegistry.objects.filter(name="Everything").update(name=UNBROKEN)
    Token.objects.update(account_label=UNBROKEN, last_used_by=UNBROKEN)
    User.objects.update(first_name=UNBROKEN, last_name=UNBROKEN)
    attempt = ended(amira, aliases["connected"], AttemptStatus.CONNECTED, "")
    walks.sign_in(page, site, amira)
    for path in (aliases["connected"].hex, f"done/{attempt.hex}"):
        page.goto(f"{site}/integrations/{path}/")
        expect(page.locator("body")).to_contain_text(UNBROKEN)
        expect_good_looks(page)


def test_the_dashboard_with_nothing_in_it(page: Page, site: str, admin: User) -> None:
    walks.open_dashboard(page, site, admin)
    expect(page.get_by_role("link", name="Set one up")).to_be_visible()
    expect_good_looks(page)


def test_the_dashboard_where_nothing_matches(of_amira: Page, site: str) -> None:
    of_amira.goto(f"{site}/integrations/?q=zebra")
    expect_good_looks(of_amira)


def test_the_note_about_a_blocked_window(
    popups_blocked: Page, site: str, amira: User, aliases: dict[str, Alias]
) -> None:
    walks.open_dashboard(popups_blocked, site, amira)
    popups_blocked.locator("#c-connected-renew").click()
    expect_good_looks(popups_blocked)


@pytest.mark.parametrize(
    ("state", "control"), [("connected", "revoke"), ("needs_reauth", "forget"), ("address_changed", "confirm-address")]
)
def test_the_dialogs(everything: Page, state: str, control: str) -> None:
    everything.locator(f"#c-{state}-{control}").click()
    expect(everything.get_by_role("dialog")).to_be_visible()
    expect_good_looks(everything)


def test_the_menu_and_a_toast(everything: Page) -> None:
    everything.locator("#c-connected-revoke").click()
    everything.locator("#dialog-revoke").click()
    expect(everything.locator("#toasts .toast")).to_be_visible()
    everything.locator("#account-menu-open").click()
    expect_good_looks(everything)


def test_a_question_longer_than_the_screen_is_shown_from_its_beginning(
    page: Page, site: str, amira: User, aliases: dict[str, Alias]
) -> None:
    page.set_viewport_size({"width": 390, "height": 500})
    walks.open_dashboard(page, site, amira)
    page.locator("#c-address_changed-confirm-address").click()
    expect(page.locator("#dialog-h")).to_be_in_viewport(ratio=1)
    expect(page.locator("#dialog-keep")).to_be_focused()


def test_the_details(of_amira: Page, site: str, aliases: dict[str, Alias]) -> None:
    Token.objects.update(requested_scopes=["read", "write"])
    for state in ("connected", "needs_reauth", "not_connected", "misconfigured", "address_changed"):
        of_amira.goto(f"{site}/integrations/{aliases[state].hex}/")
        expect_good_looks(of_amira)


def test_the_pages_that_ask(of_amira: Page, site: str, aliases: dict[str, Alias]) -> None:
    for state, page in (("connected", "revoke"), ("needs_reauth", "forget"), ("address_changed", "confirm-address")):
        of_amira.goto(f"{site}/integrations/{aliases[state].hex}/{page}/")
        expect(of_amira.get_by_role("heading", level=1)).to_contain_text("?")
        expect_good_looks(of_amira)


# Windows


def test_the_login(page: Page, site: str, amira: User) -> None:
    page.goto(f"{site}/")
    expect_good_looks(page)
    page.get_by_label("Username").fill("amira")
    page.get_by_label("Password").first.fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect_good_looks(page)


def test_the_page_that_asks_before_it_leaves(of_amira: Page, site: str, aliases: dict[str, Alias]) -> None:
    of_amira.goto(rows.initiator(site, rows.Door(alias=aliases["not_connected"], account="")))
    expect(of_amira.get_by_role("link", name="Continue")).to_be_visible()
    expect_good_looks(of_amira)


def test_the_password_window(page: Page, site: str, amira: User, server: HostileServer) -> None:
    server.on("POST /token").always(status=400, json={"error": "invalid_grant"})
    alias = cast.integration_at(cast.registry_at(server.url), grant_type="password")
    walks.sign_in(page, site, amira)
    page.goto(rows.initiator(site, rows.Door(alias=alias, account="")))
    expect_good_looks(page)
    page.get_by_label("Username").fill("amira")
    page.locator("#id_password").fill("CANARY-password")
    page.get_by_role("button", name="Get OAuth Token").click()
    expect(page.get_by_role("alert")).to_contain_text("didn’t accept that username and password")
    walks.expect_focus(page, "id_password")
    expect(page.locator("#id_password")).to_have_value("")
    assert "CANARY" not in page.content()
    expect_good_looks(page)


OUTCOMES = {
    "connected": (AttemptStatus.CONNECTED, "", "connected"),
    "less_access": (AttemptStatus.CONNECTED, "", "connected"),
    "other_account": (AttemptStatus.OTHER_ACCOUNT, "", "connected"),
    "pending": (AttemptStatus.CLAIMED, "", "not_connected"),
    "denied": (AttemptStatus.FAILED, "access_denied", "not_connected"),
    "misconfigured": (AttemptStatus.FAILED, "invalid_client", "not_connected"),
    "unreachable": (AttemptStatus.FAILED, "http_503", "not_connected"),
}
HEADINGS = {
    "connected": "Copper CRM is connected",
    "less_access": "Connected, with less access",
    "other_account": "A different account?",
    "pending": "Almost there",
    "denied": "You didn’t allow access",
    "misconfigured": "Atlas Wiki isn’t set up correctly",
    "unreachable": "Atlas Wiki doesn’t answer",
}


def ended(user: User, alias: Alias, status: AttemptStatus, failure_code: str) -> AuthorizationAttempt:
    credential = rows.credential_of(alias)
    return AuthorizationAttempt.objects.create(
        user=user,
        credential=credential,
        registry=credential.registry,
        state_hash=state_digest(str(AuthorizationAttempt.objects.count())),
        session_hash="",
        status=status,
        failure_code=failure_code,
        account_label="bob@provider.example",
        finished_at=timezone.now(),
    )


def test_the_end_of_a_sign_in(of_amira: Page, site: str, amira: User, aliases: dict[str, Alias]) -> None:
    for kind, (status, code, state) in OUTCOMES.items():
        Token.objects.update(requested_scopes=["read", "write"] if kind == "less_access" else ["read"])
        attempt = ended(amira, aliases[state], status, code)
        of_amira.goto(f"{site}/integrations/done/{attempt.hex}/")
        of_amira.route(f"**/done/{attempt.hex}/", stay)
        expect(of_amira.get_by_role("heading", level=1)).to_have_text(HEADINGS[kind])
        expect_good_looks(of_amira)


def stay(route: Route) -> None:
    """A page that asks for itself every two seconds would leave in the middle of being looked at."""
    route.fulfill(status=204)


def test_the_choice_at_the_end_of_a_sign_in(page: Page, site: str, amira: User, aliases: dict[str, Alias]) -> None:
    attempt = ended(amira, aliases["not_connected"], AttemptStatus.CHOICE, "")
    options = [{"value": f"site-{number}", "label": label} for number, label in enumerate(SITES)]
    attempt.choices = json.dumps({"name": "site", "title": "", "options": options})
    attempt.save()
    walks.sign_in(page, site, amira)
    page.goto(f"{site}/integrations/done/{attempt.hex}/")
    expect(page.get_by_role("group", name="Which one at Atlas Wiki should be used?")).to_be_visible()
    expect(page.get_by_role("radio")).to_have_count(len(SITES))
    page.get_by_label(SITES[1]).check()
    expect_good_looks(page)


def bad_callback(aliases: dict[str, Alias]) -> str:
    return walks.path_of(rows.credential_of(aliases["connected"]).registry.redirect_url) + "?state=forged&code=forged"


def nowhere(aliases: dict[str, Alias]) -> str:
    return "/integrations/nowhere/"


def too_often(aliases: dict[str, Alias]) -> str:
    return rows.initiator("", rows.Door(alias=aliases["connected"], account=""))


@pytest.mark.parametrize(
    ("path", "heading"),
    [(bad_callback, "This sign-in took too long"), (nowhere, "There is nothing here")],
)
def test_the_dead_ends(
    of_amira: Page, site: str, aliases: dict[str, Alias], path: Callable[[dict[str, Alias]], str], heading: str
) -> None:
    of_amira.goto(site + path(aliases))
    expect(of_amira.get_by_role("heading", level=1)).to_have_text(heading)
    expect_good_looks(of_amira)


def test_too_many_starts(of_amira: Page, site: str, aliases: dict[str, Alias], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorization.code_grant, "STARTS_IN_A_LIFETIME", 0)
    of_amira.goto(rows.initiator(site, rows.Door(alias=aliases["not_connected"], account="")))
    of_amira.get_by_role("link", name="Continue").click()
    expect(of_amira.get_by_role("heading", level=1)).to_have_text("Too many sign-ins at once")
    expect_good_looks(of_amira)


def test_the_door_is_closed_without_the_role(page: Page, site: str, db: None) -> None:
    walks.open_dashboard(page, site, cast.person("carol", role=False))
    expect(page.get_by_role("heading", level=1)).to_have_text("You can’t open this page")
    expect_good_looks(page)


def test_the_documentation_of_the_api(page: Page, site: str, amira: User) -> None:
    walks.open_dashboard(page, site, amira)
    page.locator("#nav-api").click()
    expect(page.get_by_role("main")).to_contain_text("/api/v1/integrations/")
    page.locator("#refusals-integrations_list").click()
    expect_good_looks(page)


def test_a_form_that_is_too_old(everything: Page) -> None:
    everything.context.clear_cookies(name="keyrack-csrf")
    everything.locator("#account-menu-open").click()
    everything.get_by_role("button", name="Sign out").click()
    expect(everything.get_by_role("heading", level=1)).to_have_text("Please send that again")
    expect_good_looks(everything)


def test_fingers_hit_every_control(phone: Page, site: str, amira: User, aliases: dict[str, Alias]) -> None:
    walks.open_dashboard(phone, site, amira)
    small = phone.evaluate("""() => [...document.querySelectorAll(".btn, .input, summary")]
        .filter((one) => one.checkVisibility() && !one.closest(".skip") && one.getBoundingClientRect().height < 43.5)
        .map((one) => one.outerHTML.slice(0, 80))""")
    assert small == []
