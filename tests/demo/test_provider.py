"""Codes and refresh tokens at the demo provider, over HTTP as its clients see it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.demo.hub_client import Hub, answers
from tests.servers.demo_provider import Provider

pytestmark = pytest.mark.slow


def test_a_code_bought_with_pkce_opens_the_api(hub: Hub, amira: requests.Session) -> None:
    told = hub.tokens(amira)
    assert (told["token_type"], told["expires_in"], told["scope"]) == ("Bearer", 3600, "profile notes:read")
    assert hub.get("/api/whoami/", told["access_token"]).json()["username"] == "amira"


def test_the_answer_names_the_issuer_and_returns_the_state(hub: Hub, amira: requests.Session) -> None:
    allowed = answers(hub.provider.consent(amira, hub.authorization_url()))
    refused = answers(hub.provider.consent(amira, hub.authorization_url(), allow=False))
    assert (allowed["iss"], allowed["state"]) == (hub.provider.url, "a-state")
    assert (refused["iss"], refused["state"], refused["error"]) == (hub.provider.url, "a-state", "access_denied")


def test_a_wrong_verifier_buys_nothing(hub: Hub, amira: requests.Session) -> None:
    answer = hub.exchange(hub.code(amira), code_verifier="x" * 64)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("method", [None, "plain"])
def test_a_request_without_s256_is_refused(hub: Hub, amira: requests.Session, method: str | None) -> None:
    changed: dict[str, Any] = {"code_challenge_method": method} | ({} if method else {"code_challenge": None})
    address = hub.provider.consent(amira, hub.authorization_url(**changed))
    assert answers(address)["error"] == "invalid_request"


def test_a_code_that_comes_twice_takes_its_tokens_with_it(hub: Hub, amira: requests.Session) -> None:
    code = hub.code(amira)
    first = hub.exchange(code).json()
    again = hub.exchange(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert hub.get("/api/whoami/", first["access_token"]).status_code == 401
    assert hub.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"


def test_one_code_sent_many_times_at_once_buys_at_most_one_token(hub: Hub, amira: requests.Session) -> None:
    code = hub.code(amira)
    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(hub.exchange, [code] * 6))
    assert statuses == [200] + [400] * 5


def test_an_unregistered_redirect_address_gets_a_page_and_no_redirect(hub: Hub, amira: requests.Session) -> None:
    evil = hub.authorization_url(redirect_uri="https://evil.example/callback")
    page = amira.get(evil, timeout=30, allow_redirects=False)
    assert page.status_code == 400
    assert "be used</h1>" in page.text


def test_a_client_gets_no_scope_beyond_its_own(provider: Provider, amira: requests.Session) -> None:
    hub = Hub(provider, "records")
    answer = hub.post(
        "/o/token/", grant_type="password", username="amira", password=provider.password, scope="notes:read"
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(("person", "error"), [(True, "consent_required"), (False, "login_required")])
def test_prompt_none_answers_with_an_error_and_never_fails(
    hub: Hub, amira: requests.Session, person: bool, error: str
) -> None:
    session = amira if person else hub.provider.session()
    told = answers(hub.provider.consent(session, hub.authorization_url("openid profile", prompt="none")))
    assert (told["error"], told["state"], told["iss"]) == (error, "a-state", hub.provider.url)


def test_another_account_can_be_used_in_the_middle(hub: Hub) -> None:
    person = hub.provider.session()
    hub.provider.sign_in(person, "amira")
    page = person.get(hub.authorization_url(prompt="select_account"), timeout=30)
    assert "Use another account" in page.text
    hub.provider.sign_in(person, "tomas")
    told = hub.tokens(person)
    assert hub.get("/api/whoami/", told["access_token"]).json()["username"] == "tomas"


def test_a_refresh_rotates_both_tokens(hub: Hub, amira: requests.Session) -> None:
    first = hub.tokens(amira)
    second = hub.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert hub.get("/api/whoami/", first["access_token"]).status_code == 401
    assert hub.get("/api/whoami/", second["access_token"]).status_code == 200


def test_a_used_refresh_token_kills_the_family(hub: Hub, amira: requests.Session) -> None:
    first = hub.tokens(amira)
    second = hub.refresh(first["refresh_token"]).json()
    reused = hub.refresh(first["refresh_token"])
    assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    assert hub.get("/api/whoami/", second["access_token"]).status_code == 401
    assert hub.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_dead_family_leaves_other_sign_ins_alone(hub: Hub, amira: requests.Session) -> None:
    other = hub.tokens(amira)
    first = hub.tokens(amira)
    hub.refresh(first["refresh_token"])
    hub.refresh(first["refresh_token"])
    assert hub.refresh(other["refresh_token"]).status_code == 200


def test_parallel_refreshes_have_one_winner_and_never_fail(hub: Hub, amira: requests.Session) -> None:
    for _ in range(3):
        refresh_token = hub.tokens(amira)["refresh_token"]
        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(hub.refresh, [refresh_token] * 8))
        assert sorted(answer.status_code for answer in got) == [200] + [400] * 7
        assert {answer.json().get("error") for answer in got} == {None, "invalid_grant"}


def test_another_client_cannot_use_a_stolen_refresh_token(hub: Hub, amira: requests.Session) -> None:
    told = hub.tokens(amira)
    stolen = Hub(hub.provider, "other").refresh(told["refresh_token"])
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")


def test_a_wrong_client_secret_is_invalid_client(hub: Hub, amira: requests.Session) -> None:
    told = hub.tokens(amira)
    sent = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"]}
    address = f"{hub.provider.url}/o/token/"
    answer = hub.provider.session().post(address, data=sent, auth=("notes", "wrong"), timeout=30)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_client_can_be_without_refresh_tokens(provider: Provider, amira: requests.Session) -> None:
    told = Hub(provider, "two-days").tokens(amira)
    assert "refresh_token" not in told
    assert told["expires_in"] == 2 * 24 * 3600


def test_the_password_grant_belongs_to_its_client_alone(provider: Provider) -> None:
    sent = {"grant_type": "password", "username": "test-user", "password": provider.password, "scope": "profile"}
    allowed = Hub(provider, "records").post("/o/token/", **sent)
    refused = Hub(provider, "notes").post("/o/token/", **sent)
    assert allowed.status_code == 200
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")


def test_a_wrong_password_is_invalid_grant(provider: Provider) -> None:
    answer = Hub(provider, "records").post("/o/token/", grant_type="password", username="amira", password="wrong")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("grant_type", ["", "urn:ietf:params:oauth:grant-type:device_code", "nonsense"])
def test_unknown_grants_are_refused_in_words(hub: Hub, grant_type: str) -> None:
    answer = hub.post("/o/token/", grant_type=grant_type)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
