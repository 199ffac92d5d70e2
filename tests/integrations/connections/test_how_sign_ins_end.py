"""Each way in which a sign-in can end without a token has words of its own, and a way on."""

import base64
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings as Settings
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client import error_codes
from integrations.connections import notices
from integrations.connections.authorization.callback_errors import read_error
from integrations.models import Alias, ApplicationRegistry, AuthorizationAttempt, Event, Token
from tests import walks
from tests.conftest import client_of
from tests.integrations.accounts import is_known_as
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

DENIALS = [
    "access_denied", "user_denied", "user_cancelled_login", "user_cancelled_authorize", "user_cancelled",
    "user_refused",
    "authorization_request_denied", "consent_declined", "cancelled", "canceled", "cancelled_by_user", "ACCESS_DENIED",
    "UserCancelled", "user-denied", "consent_rejected",
]  # fmt: skip


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    return walks.northwind(server, userinfo_url=f"{server.url}/userinfo")


def ended(browser: Client, alias: Alias, **answer: Any) -> str:
    return walks.words(walks.sign_in(browser, alias, **answer))


@pytest.mark.parametrize("code", DENIALS)
def test_a_denial_reads_as_the_persons_own_choice_however_it_is_spelled(
    code: str, as_amira: Client, alias: Alias
) -> None:
    page = ended(as_amira, alias, code=None, error=code)
    assert "You didn’t allow access" in page
    assert "Try again" in page
    assert walks.registry_of(alias).misconfigured_code == ""
    assert Event.objects.get().detail == code


@pytest.mark.parametrize("code", ["app_denied", "client_rejected", "scope_denied", "undeniable", "server_error", ""])
def test_what_others_are_denied_is_not_taken_for_the_persons_choice(code: str) -> None:
    assert not error_codes.is_denial(code)


@pytest.mark.parametrize("code", ["consent_required", "interaction_required", "account_selection_required"])
def test_a_question_that_was_not_answered_says_where_to_answer_it(code: str, as_amira: Client, alias: Alias) -> None:
    page = ended(as_amira, alias, code=None, error=code)
    assert "still waiting for your answer" in page
    assert "Try again" in page


POLICY = "keeps this account from using Keyrack"
FIRST = "An administrator of your organization at"
PAGE_OVER = "ended its sign-in page before you were signed in there"
NO = "You didn’t allow access"
SET_UP = "isn’t set up correctly"
SAID = {
    NO: [
        {"error": "ACCESS_DENIED"},
        {"error": "Access denied"},
        {"err": "access_denied"},
        {"oauth_problem": "permission_denied"},
        {"status": "cancelled"},
        {"message": "Cancelled"},
        {"error": "authorization_declined"},
        {"error": "cancelled_on_login"},
        {"error": "access_denied", "error_description": "AADSTS65004: User declined to consent to access the app."},
        {"error": "access_denied", "error_reason": "user_denied", "error_code": "200"},
        {"error_code": "200", "error_reason": "user_denied"},
        {"error": "server_error", "error_description": "The user closed the window"},
        {"denied": "abc"},
    ],
    POLICY: [
        {"error": "admin_policy_enforced"},
        {"error": "org_internal"},
        {"error": "OAUTH_APP_BLOCKED", "error_description": "this app is blocked by admin"},
        {"error": "access_denied", "error_description": "User is not assigned to the client application."},
        {"error": "access_denied", "error_description": "AADSTS50105: Your administrator has configured the app"},
    ],
    FIRST: [
        {"error": "access_denied", "error_description": "Admin consent is required"},
        {"error": "consent_required", "error_description": "AADSTS90094: the grant needs an administrator"},
        {"error": "app_not_approved"},
    ],
    PAGE_OVER: [
        {"error": "login_required"},
        {"error": "temporarily_unavailable", "error_description": "authentication_expired"},
        {"error": "access_denied", "error_description": "Your session has expired"},
    ],
    SET_UP: [
        {"error": "unknown_client"},
        {"error": "invalid_redirect_uri_scheme"},
        {"error": "OAUTH_EC_APP_NOT_FOUND"},
        {"error_code": "app_disabled"},
    ],
}


@pytest.mark.parametrize(
    ("words", "said"), [(words, said) for words, several in SAID.items() for said in several], ids=str
)
def test_an_error_has_the_words_of_what_it_means_however_it_is_said(
    words: str, said: dict[str, str], as_amira: Client, alias: Alias
) -> None:
    page = ended(as_amira, alias, code=None, **said)
    assert words in page
    assert bool(walks.registry_of(alias).misconfigured_code) == (words == SET_UP)
    assert any(way in page for way in ("Try again", "Start again", "Please tell an administrator"))


def test_a_providers_own_rules_for_the_callback_come_first(as_amira: Client, alias: Alias) -> None:
    rule = {"request": "callback", "when": [{"at": "/error", "equals": "access_denied"}], "means": "refused_by_policy"}
    ApplicationRegistry.objects.update(provider_profile={"rules": [rule]})
    assert POLICY in ended(as_amira, alias, code=None, error="access_denied")


def test_a_code_without_a_state_was_begun_at_the_providers_side(client: Client, as_amira: Client, alias: Alias) -> None:
    for browser in (client, as_amira):
        url = walks.callback_url(walks.registry_of(alias), {"code": "CANARY-code", "installation_id": "7"})
        page = browser.get(url)
        assert page.status_code == 400
        assert "accepts only sign-ins that you start here" in walks.words(page)
        assert "Go to my integrations" in walks.words(page)
        assert "CANARY" not in walks.words(page)


def test_a_code_of_another_name_is_not_taken_for_an_error(as_amira: Client, alias: Alias) -> None:
    ApplicationRegistry.objects.update(provider_profile={"callback": {"code": "auth_code"}})
    read = read_error(walks.registry_of(alias), {"auth_code": "CANARY-code", "error_code": "0"})
    assert read.code == ""


def test_an_error_without_a_state_is_not_called_late(as_amira: Client, alias: Alias) -> None:
    page = as_amira.get(walks.callback_url(walks.registry_of(alias), {"error": "access_denied"}))
    assert page.status_code == 400
    assert "The provider reported an error" in walks.words(page)
    assert "took too long" not in walks.words(page)


@pytest.mark.parametrize("size", [5000, 16_000])
def test_a_long_code_is_redeemed(size: int, as_amira: Client, alias: Alias, server: HostileServer) -> None:
    walks.grants(server)
    assert "is connected" in ended(as_amira, alias, code="c" * size)


# Faults that several people meet --------------------------------------------------------------------------------------


def id_token_of_another_client() -> dict[str, Any]:
    return {**walks.token_answer(), "id_token": id_token(aud="another", exp=time.time() + 60)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "answer", "problem"),
    [
        ({"code": None, "error": "wrong_weather", "error_description": "E-4711 no wind"}, {}, "wrong_weather"),
        ({"code": None, "error": "Call +1 555"}, {}, "unknown_error"),
        ({"code": None}, {}, "missing_code"),
        ({}, {"status": 400, "json": {"error": "invalid_grant", "error_description": "AADSTS54005"}}, "invalid_grant"),
        ({}, {"text": "<h1>Welcome</h1>"}, "not_a_token_answer"),
        ({}, {"json": id_token_of_another_client}, "bad_id_token"),
        ({"code": None, "error": "org_internal"}, {}, "org_internal"),
    ],
)
def test_what_several_people_meet_and_nobody_gets_past_is_told_to_the_administrators(
    said: dict[str, Any],
    answer: dict[str, Any],
    problem: str,
    as_amira: Client,
    bob: User,
    alias: Alias,
    server: HostileServer,
    settings: Settings,
) -> None:
    settings.ADMINS = [("Admin", "admin@hub.example")]
    server.on("POST /token").always(**{name: each() if callable(each) else each for name, each in answer.items()})
    told = "The administrators"
    for _ in range(2):
        assert told not in ended(as_amira, alias, **said)
        assert walks.registry_of(alias).misconfigured_code == ""
    page = ended(client_of(bob), alias, **said)
    assert (POLICY if problem == "org_internal" else SET_UP) in page
    assert told in page
    registry = walks.registry_of(alias)
    assert (registry.misconfigured_code, registry.misconfigured_use) == (problem, "sign_in")
    notices.send_due()
    notices.send_due()
    [letter] = mail.outbox
    assert all(words in letter.body for words in (problem, registry.misconfigured_reason))
    assert "CANARY" not in letter.body

    server.on("POST /token").always(json=walks.token_answer())
    assert "is connected" in ended(as_amira, alias)
    assert walks.registry_of(alias).misconfigured_code == ""
    assert told not in ended(client_of(bob), alias, **said)


@pytest.mark.slow
def test_what_one_person_meets_for_days_is_told_too(as_amira: Client, alias: Alias) -> None:
    said: dict[str, Any] = {"code": None, "error": "wrong_weather"}
    for _ in range(2):
        ended(as_amira, alias, **said)
    Event._base_manager.update(at=timezone.now() - timedelta(days=2))
    assert SET_UP in ended(as_amira, alias, **said)
    assert walks.registry_of(alias).misconfigured_code == "wrong_weather"


@pytest.mark.slow
@pytest.mark.parametrize("error", ["access_denied", "login_required", "server_error", "consent_required"])
def test_what_people_do_or_wait_for_themselves_is_no_fault_however_many_do_it(
    error: str, as_amira: Client, bob: User, alias: Alias
) -> None:
    for browser in (as_amira, client_of(bob)):
        ended(browser, alias, code=None, error=error)
    assert walks.registry_of(alias).misconfigured_code == ""


def test_the_providers_code_numbers_reach_the_administrators_and_no_secret_does(as_amira: Client, alias: Alias) -> None:
    state = walks.begin(as_amira, alias)
    words = f"AADSTS700016: no such application. State {state}"
    walks.come_back(
        as_amira,
        alias,
        state,
        code=None,
        error="unauthorized_client",
        error_description=words,
        error_subcode="202677",
    )
    registry = walks.registry_of(alias)
    assert registry.misconfigured_reason == "AADSTS700016: no such application. State … (202677)"


def test_an_issuer_of_another_name_is_the_set_up_and_stops_no_renewal(
    as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    ApplicationRegistry.objects.update(issuer="https://issuer.example")
    claims = {"iss": "https://issuer.example/oauth", "exp": time.time() + 60}
    server.on("POST /token").always(json={**walks.token_answer(), "id_token": id_token(**claims)})
    page = ended(as_amira, alias)
    assert SET_UP in page
    assert "For your safety" not in page
    registry = walks.registry_of(alias)
    assert (registry.misconfigured_code, registry.cannot_renew) == ("other_issuer", False)
    assert "https://issuer.example/oauth" in registry.misconfigured_reason


@pytest.mark.slow
def test_people_of_each_tenant_can_sign_in_where_the_issuer_names_none(
    as_amira: Client, bob: User, alias: Alias, server: HostileServer
) -> None:
    issuer = "https://issuer.example/{tenantid}/v2.0"
    ApplicationRegistry.objects.update(issuer=issuer, provider_profile={"id_token": {"nonce": False}})
    for number, browser in enumerate((as_amira, client_of(bob))):
        tenant = f"tenant-{number}"
        claims = {"iss": f"https://issuer.example/{tenant}/v2.0", "tid": tenant, "exp": time.time() + 60}
        server.on("POST /token").answer(json={**walks.token_answer(number), "id_token": id_token(**claims)})
        assert "is connected" in ended(browser, alias)
    assert walks.registry_of(alias).misconfigured_code == ""


@pytest.mark.slow
def test_an_answer_without_code_and_error_has_words_of_its_own(as_amira: Client, alias: Alias) -> None:
    page = ended(as_amira, alias, code=None)
    assert "gave no answer" in page
    assert "Try again" in page


@pytest.mark.parametrize(
    "code",
    [
        "redirect_uri_mismatch",
        "invalid_scope",
        "unauthorized_client",
        "application_suspended",
        "unauthorized_scope_error",
    ],
)
def test_a_set_up_fault_that_comes_back_with_the_browser_is_reported_as_the_page_says(
    code: str, as_amira: Client, alias: Alias
) -> None:
    assert "isn’t set up correctly" in ended(as_amira, alias, code=None, error=code)
    assert walks.registry_of(alias).misconfigured_code == code


def id_token(**claims: Any) -> str:
    told = {"aud": "keyrack", "sub": "1", **claims}
    return f"e30.{base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip('=')}.x"


@pytest.mark.parametrize(
    ("shift", "claims"),
    [(-720, ("iat", "exp")), (720, ("nbf", "iat", "exp"))],
    ids=["behind", "ahead"],
)
def test_a_clock_that_differs_is_named_with_the_minutes_and_whose_it_is(
    shift: int, claims: tuple[str, ...], as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    now = time.time() + shift
    lives = {"iat": now, "nbf": now, "exp": now + 60}
    told = id_token(**{name: lives[name] for name in claims})
    server.on("POST /token").answer(json={**walks.token_answer(1), "id_token": told})
    page = ended(as_amira, alias)
    assert "The clocks differ" in page
    assert "and Keyrack differ by 12 minutes" in page
    assert "If Keyrack’s clock is right, Northwind CRM must set its own." in page
    registry = walks.registry_of(alias)
    assert registry.misconfigured_code.startswith("provider_clock_")
    assert "differ by 12 minutes" in registry.misconfigured_explanation
    assert not Token.objects.exists()


def test_an_old_id_token_that_says_nothing_of_a_clock_is_a_matter_of_safety(
    as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    server.on("POST /token").answer(json={**walks.token_answer(1), "id_token": id_token(exp=time.time() - 720)})
    assert "This sign-in was stopped" in ended(as_amira, alias)


@pytest.mark.slow
def test_two_accounts_of_one_name_are_told_apart(as_amira: Client, alias: Alias, server: HostileServer) -> None:
    for number in (1, 2):
        walks.grants(server, number)
    first, second = ({"sub": sub, "email": "ann@corp.example"} for sub in ("u-7001", "u-9002"))
    is_known_as(server, first, second)
    ended(as_amira, alias)
    page = ended(as_amira, alias)
    for words in ("has the same name", "u-7001", "u-9002", "Keep the previous account", "Switch to the new account"):
        assert words in page
    place = f"/integrations/done/{AuthorizationAttempt.objects.get(status='other_account').hex}/"
    as_amira.post(place, {"choice": "switch"})
    assert Token.objects.get().account_id == "u-9002"
    assert Event.objects.latest("at").detail == "ann@corp.example (u-9002)"
