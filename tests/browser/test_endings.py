"""Pages at which something ends, in every language and at both widths: sign-ins, refusals, errors."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from integrations.connections import authorization
from integrations.models import Alias, AuthorizationAttempt, Token
from integrations.models.card.endings import Ending, ending_of
from integrations.models.tokens import AttemptStatus, ConnectLink, state_digest
from tests import cast
from tests.accounts import proofs
from tests.accounts.programs import authorize_url, program
from tests.browser import rows, walks
from tests.browser.conftest import OpenPage
from tests.browser.readers import Readers, Way
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DATA = "|".join(
    [
        *map(re.escape, rows.TITLES.values()),
        "Amira Haddad",
        "Northwind( CRM)?",
        "Read",
        "Write",
        "Terminal",
        "bot-one",
        "admin",
        "carol",
        "shared",
    ]
)
WINDOW = "h1"
# The page of a sign-in under way loads itself again after two seconds, also while it is being looked at.
STOP_TIMERS = "() => { for (let id = setTimeout(() => 0); id; id -= 1) clearTimeout(id); }"


@dataclass(frozen=True, kw_only=True)
class Case:
    """An attempt, and the integration that it is of."""

    status: AttemptStatus = AttemptStatus.FAILED
    code: str = ""
    on: str = "not_connected"
    fields: dict[str, Any] = field(default_factory=dict)


FAILURES = {
    Ending.NOTHING_TO_CHOOSE: "nothing_to_choose",
    Ending.ACCOUNT_REFUSED: "other_account_refused",
    Ending.DENIED: "access_denied",
    Ending.UNFINISHED: "person_must_act",
    Ending.PAGE_OVER: "sign_in_page_over",
    Ending.BY_POLICY: "refused_by_policy",
    Ending.ADMINISTRATOR_FIRST: "administrator_must_consent",
    Ending.SECOND_STEP: "second_step",
    Ending.EMPTY_ANSWER: "missing_code",
    Ending.NO_LONGER_AVAILABLE: "no_longer_available",
    Ending.MISCONFIGURED: "invalid_client",
    Ending.CLOCKS_DIFFER: "provider_clock_ahead_7_minutes",
    Ending.UNSAFE: "issuer_mismatch",
    Ending.UNANSWERED: "http_503",
    Ending.FAILED: "unexpected_answer",
}
CANCELLATIONS = {
    Ending.CANCELLED: "cancelled",
    Ending.REPLACED: "replaced",
    Ending.ENDED: "revoked",
    Ending.ACCOUNT_KEPT: "other_account_declined",
}
CHOICES = json.dumps(
    {"name": "site", "title": "", "options": [{"value": name, "label": f"{name}.example"} for name in ("a", "b")]}
)
OPEN = {
    Ending.CONNECTED: Case(status=AttemptStatus.CONNECTED, on="connected"),
    Ending.UNDER_WAY: Case(status=AttemptStatus.CLAIMED),
    Ending.TOO_LATE: Case(status=AttemptStatus.PENDING, fields={"expires_at": timezone.now() - timedelta(hours=1)}),
    Ending.OTHER_ACCOUNT: Case(status=AttemptStatus.OTHER_ACCOUNT, on="connected"),
    Ending.CHOICE: Case(status=AttemptStatus.CHOICE, fields={"choices": CHOICES}),
}
NEW: dict[Ending, Case] = {
    **OPEN,
    **{ending: Case(code=code) for ending, code in FAILURES.items()},
    **{ending: Case(status=AttemptStatus.CANCELLED, code=code) for ending, code in CANCELLATIONS.items()},
}
RENEWED = {
    f"{ending}-renewed": Case(status=case.status, code=case.code, on="connected", fields=case.fields)
    for ending, case in NEW.items()
    if case.on != "connected"
}
SUCCEEDED = {
    f"connected-{state}": Case(status=AttemptStatus.CONNECTED, on=state)
    for state in rows.TITLES
    if state not in {"connected", "connecting"}
}
DENIED = {f"denied-{state}": Case(code="access_denied", on=state) for state in rows.TITLES}


def attempt(user: User, alias: Alias, case: Case, number: Any = count()) -> AuthorizationAttempt:  # noqa: B008
    credential = rows.credential_of(alias)
    defaults = {"account_label": "bob@northwind.example", "finished_at": timezone.now(), "session_hash": ""}
    return AuthorizationAttempt.objects.create(
        **{
            "user": user,
            "credential": credential,
            "registry": credential.registry,
            "state_hash": state_digest(str(next(number))),
            "status": case.status,
            "failure_code": case.code,
            **defaults,
            **case.fields,
        }
    )


def address(site: str, one: AuthorizationAttempt) -> Way:
    def go(page: Page) -> None:
        page.goto(f"{site}/integrations/done/{one.hex}/")
        page.evaluate(STOP_TIMERS)

    return go


def to(url: str) -> Way:
    return lambda page: page.goto(url)


@pytest.fixture
def aliases(amira: User) -> dict[str, Alias]:
    return rows.every_state(amira)


def readers_of(open_page: OpenPage, site: str, user: User) -> Readers:
    return Readers.opened(open_page, DATA, lambda page: walks.sign_in(page, site, user))


def test_every_ending_of_a_sign_in(open_page: OpenPage, site: str, amira: User, aliases: dict[str, Alias]) -> None:
    readers, seen = readers_of(open_page, site, amira), set()
    cases: dict[str, Case] = {**RENEWED, **SUCCEEDED, **DENIED}
    cases |= {str(ending): case for ending, case in NEW.items()}
    for name, case in cases.items():
        one = attempt(amira, aliases[case.on], case)
        seen.add(ending_of(one))
        readers.read(f"ending/{name}", address(site, one), title=WINDOW)
    assert seen == set(Ending)
    assert readers.faults == []


@pytest.mark.parametrize("ending", [Ending.BY_POLICY, Ending.ADMINISTRATOR_FIRST])
def test_a_request_to_who_can_allow_it_is_there_to_copy(
    open_page: OpenPage, site: str, amira: User, aliases: dict[str, Alias], ending: Ending
) -> None:
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    walks.sign_in(page, site, amira)
    alias = aliases["not_connected"]
    address(site, attempt(amira, alias, NEW[ending]))(page)
    page.get_by_role("button", name="Copy a request for them").click()
    expect(page.locator("#copy-request")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"client ID {rows.credential_of(alias).registry.client_id}) at {alias.title}, so that" in copied


def test_endings_that_depend_on_more(open_page: OpenPage, site: str, amira: User, aliases: dict[str, Alias]) -> None:
    readers = readers_of(open_page, site, amira)
    alias = aliases["connected"]
    token = Token.objects.filter(user=amira, credential=rows.credential_of(alias))
    same = {"account_label": "amira@connected.example", "account_id": "42"}
    for name, case in {
        "same-name": Case(status=AttemptStatus.OTHER_ACCOUNT, on="connected", fields=same),
        "same-name-refused": Case(code="other_account_refused", on="connected", fields=same),
        "nameless": Case(code="other_account_refused", on="connected", fields={"account_label": ""}),
    }.items():
        readers.read(f"more/{name}", address(site, attempt(amira, alias, case)), title=WINDOW)
    connected = attempt(amira, alias, OPEN[Ending.CONNECTED])
    grants: dict[str, dict[str, Any]] = {
        "less-access": {"scopes": ["read"], "requested_scopes": ["read", "write"]},
        "no-access": {"scopes": [], "requested_scopes": ["read", "write"]},
        "no-name": {"scopes": ["read"], "requested_scopes": ["read"], "account_label": ""},
    }
    for name, fields in grants.items():
        token.update(**fields)
        readers.read(f"more/{name}", address(site, connected), title=WINDOW)
    denied = attempt(amira, alias, Case(code="access_denied"))
    readers.read("more/still-no-name", address(site, denied), title=WINDOW)
    off = attempt(amira, aliases["disabled"], Case(code="no_longer_available"))
    readers.read("more/turned-off", address(site, off), title=WINDOW)
    bot = cast.bot("bot-one", amira)
    link = ConnectLink.objects.create(
        user=bot, alias=alias, helper=amira, created_by=amira, expires_at=timezone.now() + timedelta(days=1)
    )
    cast.signed_in(bot, alias, account_label="bot@northwind.example")
    for name, case in {"": OPEN[Ending.CONNECTED], "-denied": Case(code="access_denied")}.items():
        one = attempt(bot, alias, Case(status=case.status, code=case.code, fields={"link": link}))
        readers.read(f"more/helper{name}", address(site, one), title=WINDOW)
    assert readers.faults == []


def test_what_administrators_read(open_page: OpenPage, site: str, admin: User) -> None:
    alias = cast.integration_at(cast.registry_at("https://northwind.example"))
    at = cast.registry_at("https://shared.example", name="Shared")
    shared = cast.integration_at(at, name="shared", integration_type="system")
    cast.signed_in(None, shared, account_label="service@shared.example")  # type: ignore[arg-type]  # the system's
    readers = readers_of(open_page, site, admin)
    broken = attempt(admin, alias, Case(code="invalid_client", fields={"failure_reason": "Client not found"}))
    readers.read("administrator/misconfigured", address(site, broken), title=WINDOW)
    for name, case in {
        "connected": OPEN[Ending.CONNECTED],
        "denied": Case(code="access_denied"),
        "unanswered": Case(code="http_503"),
    }.items():
        one = attempt(admin, shared, Case(status=case.status, code=case.code, fields={"integration_type": "system"}))
        readers.read(f"administrator/shared-{name}", address(site, one), title=WINDOW)
    assert readers.faults == []


def test_answers_that_belong_to_no_sign_in_of_the_person(
    open_page: OpenPage, site: str, amira: User, bob: User, aliases: dict[str, Alias]
) -> None:
    alias = aliases["not_connected"]
    path = site + walks.path_of(rows.credential_of(alias).registry.redirect_url)
    theirs = attempt(bob, alias, Case(status=AttemptStatus.PENDING, fields={"state_hash": state_digest("theirs")}))
    attempt(amira, alias, Case(status=AttemptStatus.PENDING, fields={"state_hash": state_digest("mine")}))
    readers = readers_of(open_page, site, amira)
    for name, query in {
        "forged": "?state=forged&code=c",
        "other-person": "?state=theirs&code=c",
        "other-browser": "?state=mine&code=c",
        "begun-elsewhere": "?code=c",
        "unassigned": "?error=server_error",
    }.items():
        readers.read(f"callback/{name}", to(path + query), title=WINDOW)
    readers.read("callback/done-of-other-person", address(site, theirs), title=WINDOW)
    assert readers.faults == []


def test_before_a_sign_in(
    open_page: OpenPage,
    site: str,
    amira: User,
    server: HostileServer,
    aliases: dict[str, Alias],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readers = readers_of(open_page, site, amira)
    start = rows.initiator(site, rows.Door(alias=aliases["not_connected"], account=""))
    readers.read("before/start", to(start))
    with_password = cast.integration_at(cast.registry_at(server.url, name="Password"), grant_type="password")
    window = rows.initiator(site, rows.Door(alias=with_password, account=""))
    readers.read("before/password", to(window))

    def submit(page: Page) -> None:
        page.goto(window)
        page.locator("#id_username").fill("amira")
        page.locator("#id_password").fill("CANARY-password")
        page.locator("#get-token").click()

    for code in ("invalid_grant", "account_locked", "mfa_required"):
        server.on("POST /token").always(status=400, json={"error": code})
        readers.read(f"before/password-{code}", submit)
    monkeypatch.setattr(authorization.code_grant, "STARTS_IN_A_LIFETIME", 0)

    def too_many(page: Page) -> None:
        page.goto(start)
        page.locator("#continue").click()

    readers.read("before/too-many", too_many)
    readers.read("before/password-locked", submit)
    assert readers.faults == []


def test_connect_links(open_page: OpenPage, site: str, amira: User, admin: User) -> None:
    bot = cast.bot("bot-one", amira)
    alias = cast.integration_at(cast.registry_at("https://northwind.example"))
    _link, secret = authorization.create_connect_link(bot, alias, by=admin)
    readers = readers_of(open_page, site, amira)
    readers.read("link/connect", to(f"{site}/integrations/connect/{secret}/"))
    readers.read("link/over", to(f"{site}/integrations/connect/{'x' * 43}/"), title=WINDOW)
    assert readers.faults == []


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_arguments: Any, **_fields: Any) -> None:
        raise error

    return fail


def test_error_pages(
    open_page: OpenPage,
    site: str,
    amira: User,
    aliases: dict[str, Alias],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readers = readers_of(open_page, site, amira)
    readers.read("error/404", to(f"{site}/integrations/nowhere/"))
    for name, error in {
        "400": SuspiciousOperation("x"),
        "403": PermissionDenied(),
        "500": RuntimeError("x"),
        "503": OperationalError("x"),
    }.items():
        monkeypatch.setattr("integrations.views.dashboard.build_listing", raising(error))
        readers.read(f"error/{name}", to(f"{site}/integrations/"))

    def too_old(page: Page) -> None:
        page.goto(f"{site}/accounts/security/")
        page.context.clear_cookies(name="keyrack-csrf")
        page.locator("#account-menu-open").click()
        page.locator("#sign-out").click()
        page.wait_for_url("**/logout/")

    readers.read("error/csrf", too_old)
    stranger = readers_of(open_page, site, cast.person("carol", role=False))
    stranger.read("error/403-role", to(f"{site}/integrations/"))
    assert readers.faults + stranger.faults == []


def test_too_many_attempts(open_page: OpenPage, site: str, amira: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    readers = Readers.opened(open_page, DATA, lambda page: page.goto(site))
    for _ in range(settings.SIGN_IN_ATTEMPTS):
        Client().post("/accounts/login/", {"login": "amira", "password": "CANARY-wrong"})

    def sign_in(page: Page) -> None:
        page.goto(f"{site}/accounts/login/")
        page.get_by_role("textbox").first.fill("amira")
        page.locator("input[type=password]").fill("CANARY-wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("#back")

    readers.read("error/locked", sign_in, title=WINDOW)
    for number in range(25):
        Client().post("/accounts/password/reset/", {"email": f"nobody{number}@hub.example"})

    def reset(page: Page) -> None:
        page.goto(f"{site}/accounts/password/reset/")
        page.locator("input[type=email]").fill("amira@hub.example")
        page.keyboard.press("Enter")
        page.wait_for_selector("#back")

    readers.read("error/429", reset, title=WINDOW)
    assert readers.faults == []


# The OAuth server -----------------------------------------------------------------------------------------------------


def just_signed_in(site: str, user: User) -> Way:
    def sign_in(page: Page) -> None:
        client = Client()
        client.force_login(user)
        proofs.just_shown(client, user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": site}])

    return sign_in


def test_consent(open_page: OpenPage, site: str, amira: User, aliases: dict[str, Alias]) -> None:
    readers = Readers.opened(open_page, f"{DATA}|Weekly digest|Editor|Helper", just_signed_in(site, amira))
    document = "https://editor.example/client.json"
    port = "http://127.0.0.1:51234/cb"
    public = {"client_type": "public"}
    scopes = "integrations:read integrations:revoke"
    program(allowed_scopes=scopes)
    program(
        client_id=document,
        name="Editor",
        registration_source="cimd",
        redirect_uris="http://127.0.0.1/cb",
        cimd_expires_at=timezone.now() + timedelta(days=1),
        **public,
    )
    program(client_id="self", name="Helper", registration_source="dcr", **public)
    program(client_id="nameless", name="", registration_source="dcr", **public)
    for name, parameters in {
        "registered": {"scope": scopes},
        "vouched": {"client_id": document, "redirect_uri": port},
        "self-registered": {"client_id": "self"},
        "nameless": {"client_id": "nameless"},
        "held-back": {"client_id": "https://unknown.example/client.json", "redirect_uri": port},
        "unknown": {"client_id": "nobody"},
    }.items():
        readers.read(f"oauth/{name}", to(site + authorize_url(**parameters)))
    assert readers.faults == []


DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


def test_devices(open_page: OpenPage, site: str, amira: User, aliases: dict[str, Alias]) -> None:
    program(
        name="Terminal",
        client_id="terminal",
        client_type="public",
        authorization_grant_type=DEVICE_CODE,
        redirect_uris="",
        allowed_scopes="integrations:read integrations:revoke",
    )

    def code() -> str:
        body = "client_id=terminal&scope=integrations:read+integrations:revoke"
        answer = Client().post("/o/device/authorize/", body, "application/x-www-form-urlencoded")
        return str(answer.json()["user_code"])

    def enter(page: Page, user_code: str) -> None:
        page.goto(f"{site}/o/device/")
        page.locator("#user-code").fill(user_code)
        page.locator("#continue").click()

    def confirm(page: Page) -> None:
        enter(page, code())
        page.wait_for_selector("#compared")

    def not_compared(page: Page) -> None:
        confirm(page)
        page.locator("#allow").click()
        page.wait_for_selector("#answer-error")

    def allow(page: Page) -> None:
        confirm(page)
        page.locator("#compared").check()
        page.locator("#allow").click()
        page.wait_for_selector("#security")

    def deny(page: Page) -> None:
        confirm(page)
        page.locator("#deny").click()
        page.wait_for_selector("#security")

    readers = Readers.opened(open_page, DATA, just_signed_in(site, amira))
    readers.read("device/code", to(f"{site}/o/device/"))
    readers.read("device/unknown-code", lambda page: enter(page, "BCDF-GHJK"))
    readers.read("device/confirm", confirm)
    readers.read("device/not-compared", not_compared)
    readers.read("device/allowed", allow)
    readers.read("device/denied", deny)
    assert readers.faults == []
