"""Each way in which a sign-in can end without a token has words of its own, and a way on."""

import base64
import json
import time
from typing import Any

import pytest
from django.test import Client

from foundation.oauth_client import error_codes
from integrations.models import Alias, AuthorizationAttempt, Event, Token
from tests import walks
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


@pytest.mark.parametrize("code", ["consent_required", "interaction_required", "login_required"])
def test_a_question_that_was_not_answered_says_where_to_answer_it(code: str, as_amira: Client, alias: Alias) -> None:
    page = ended(as_amira, alias, code=None, error=code)
    assert "still waiting for your answer" in page
    assert "Try again" in page


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


def id_token(**claims: float) -> str:
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
