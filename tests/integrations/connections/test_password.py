"""Username, Password, Get OAuth Token: the password goes one way, once, and guessing it here is no use."""

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.connections import authorization
from integrations.connections.authorization import code_grant, direct_grants
from integrations.models import Alias, AuthorizationAttempt, Token
from tests import cast, walks
from tests.conftest import client_of
from tests.integrations.renewing import in_threads
from tests.servers.hostile import Answer, HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

RIGHT, WRONG = "CANARY-pässword &%+ ", "CANARY-wrong"


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    server.on("POST /token").always(
        lambda call: (
            walks.answered() if call.form["password"] == RIGHT else Answer(status=400, json={"error": "invalid_grant"})
        )
    )
    return cast.integration_at(cast.registry_at(server.url), grant_type="password", label="Records Service")


def enter(client: Client, alias: Alias, password: str, **more: str) -> Any:
    return client.post(walks.start_url(alias, **more), {"username": "amira", "password": password})


def test_the_window_asks_for_name_and_password(as_amira: Client, alias: Alias) -> None:
    page = walks.words(as_amira.get(walks.start_url(alias)))
    for words in ("Connect Records Service", "127.0.0.1", "Username", "Password", "Get OAuth Token", "Read"):
        assert words in page
    assert 'autocomplete="current-password"' in page


def test_the_right_password_connects(as_amira: Client, alias: Alias, server: HostileServer) -> None:
    response = enter(as_amira, alias, RIGHT)
    assert response.status_code == 303
    assert "Records Service is connected" in walks.words(as_amira.get(response["Location"]))
    (call,) = server.calls
    assert call.form == {"grant_type": "password", "username": "amira", "password": RIGHT, "scope": "read"}
    assert call.query == ""
    assert Token.objects.get().access_token == "CANARY-access-1"


def test_a_wrong_password_is_tried_once_and_not_shown_again(
    as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    response = enter(as_amira, alias, WRONG)
    assert response.status_code == 400
    assert "didn’t accept that username and password" in walks.words(response)
    assert WRONG not in walks.words(response)
    assert 'value="amira"' in walks.words(response)
    assert len(server.calls) == 1
    assert not Token.objects.exists()


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_parallel_guesses_are_no_more_than_five(
    amira: User, alias: Alias, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(8)

    def new_attempt(*arguments: Any, **options: Any) -> AuthorizationAttempt:
        together.wait(60)
        return code_grant.new_attempt(*arguments, **options)

    def guess() -> str:
        options: dict[str, Any] = {"username": "amira", "password": WRONG, "session_binding": "b"}
        with suppress(authorization.TooManyStarts):
            return authorization.sign_in(amira, walks.credential_of(alias), **options).failure_code
        return "locked"

    monkeypatch.setattr(direct_grants, "new_attempt", new_attempt)
    outcomes = in_threads(8, guess)
    assert set(outcomes) <= {"invalid_grant", "locked"}
    assert len(server.calls) == outcomes.count("invalid_grant") <= 5
    assert AuthorizationAttempt.objects.count() == len(server.calls)


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 400, "json": {"error": "invalid_grant"}},
        {"status": 401, "json": {"error": "access_denied"}},
        {"status": 401, "json": {}},
        {"status": 403, "json": {"detail": "no"}},
    ],
)
def test_five_wrong_passwords_lock_out_the_right_one(
    refusal: dict[str, Any], as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    server.on("POST /token").then(*[Answer(**refusal)] * 5)
    assert [enter(as_amira, alias, WRONG).status_code for _ in range(5)] == [400] * 5
    locked = enter(as_amira, alias, RIGHT)
    assert locked.status_code == 429
    assert "Too many tries. Wait 15 minutes" in walks.words(locked)
    assert RIGHT.strip() not in walks.words(locked)
    assert len(server.calls) == 5
    assert not Token.objects.exists()
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert enter(as_amira, alias, RIGHT).status_code == 303


def test_one_persons_guesses_lock_out_nobody_else(as_amira: Client, bob: User, alias: Alias) -> None:
    for _ in range(6):
        enter(as_amira, alias, WRONG)
    assert enter(client_of(bob), alias, RIGHT).status_code == 303


@pytest.mark.parametrize(
    "answer", [{"status": 503}, {"close": True}, {"status": 401, "json": {"error": "invalid_client"}}]
)
def test_the_providers_trouble_is_no_wrong_password(
    answer: dict[str, Any], as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    server.on("POST /token").then(*[Answer(**answer)] * 6)
    for _ in range(6):
        response = enter(as_amira, alias, RIGHT)
        assert response.status_code == 303
        page = walks.words(as_amira.get(response["Location"]))
        assert "doesn’t answer" in page or "isn’t set up correctly" in page
    assert enter(as_amira, alias, RIGHT).status_code == 303
    assert Token.objects.exists()


@pytest.mark.parametrize(
    "form",
    [
        {"username": "", "password": RIGHT},
        {"username": "amira", "password": ""},
        {"username": "amira"},
        {"username": "a\x00b", "password": RIGHT},
        {"username": "a" * 256, "password": RIGHT},
        {"username": "amira", "password": "p" * 4097},
        {},
    ],
)
def test_an_incomplete_form_asks_nobody(
    form: dict[str, str], as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    response = as_amira.post(walks.start_url(alias), form)
    assert response.status_code == 200
    assert RIGHT.strip() not in walks.words(response)
    assert server.calls == []


def test_only_integrations_with_that_grant_have_the_window(as_amira: Client, server: HostileServer) -> None:
    alias = walks.northwind(server)
    address = walks.start_url(alias).replace("oauth_initiator.do?", "oauth_password_input.do?")
    for name in ("oauth_requestor", "oauth_provider_profile"):
        address = address.replace(f"{name}=", f"sysparm_{name}=")
    assert as_amira.get(address).status_code == 404
    assert as_amira.post(address, {"username": "a", "password": RIGHT}).status_code == 404
    assert server.calls == []


def test_the_window_is_for_those_who_may_use_it(alias: Alias, amira: User) -> None:
    guest = client_of(cast.person("guest", role=False))
    assert guest.get(walks.start_url(alias)).status_code == 403
    assert enter(guest, alias, RIGHT).status_code == 403
    assert enter(Client(), alias, RIGHT).status_code == 302
    alias.groups.add(amira.groups.create(name="Finance"))
    assert enter(client_of(cast.person("bob")), alias, RIGHT).status_code == 404
    assert not AuthorizationAttempt.objects.exists()


def test_a_foreign_page_cannot_post_a_password(amira: User, alias: Alias, server: HostileServer) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(amira)
    assert enter(client, alias, RIGHT).status_code == 403
    assert server.calls == []


SECOND_STEP = "Your password is right, but Records Service asks for a second step, which this window can’t do"
MUST_ACT = "your account may be locked"
BAD = "didn’t accept that username and password"


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ({"status": 400, "json": {"error": "interaction_required", "error_codes": [50076]}}, SECOND_STEP),
        ({"status": 403, "json": {"error": "mfa_required", "mfa_token": "CANARY-mfa"}}, SECOND_STEP),
        (
            {"status": 400, "json": {"error": "invalid_grant", "error_description": "AADSTS50076: multi-factor"}},
            SECOND_STEP,
        ),
        ({"status": 401, "json": {"message": "Two-factor authentication is required"}}, SECOND_STEP),
        ({"status": 400, "json": {"error": "invalid_grant", "error_description": "The account is locked"}}, MUST_ACT),
        ({"status": 400, "json": {"error": "invalid_grant", "error_description": "Password has expired"}}, MUST_ACT),
        ({"status": 401, "json": {"message": "Invalid password or MFA code"}}, BAD),
        ({"status": 401, "json": {"error": "server_error", "error_description": "access_denied"}}, BAD),
    ],
)
def test_what_stops_the_right_password_is_not_called_a_wrong_one(
    refusal: dict[str, Any], words: str, as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    server.on("POST /token").then(*[Answer(**refusal)] * 6)
    responses = [enter(as_amira, alias, RIGHT) for _ in range(6)]
    assert responses[0].status_code == 400
    assert words in walks.words(responses[0])
    assert (BAD in walks.words(responses[0])) == (words == BAD)
    assert responses[-1].status_code == (400 if words == SECOND_STEP else 429)
    assert "CANARY" not in walks.words(responses[0])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (
            "AADSTS65001: The user or administrator has not consented to use it",
            "administrator_must_consent",
        ),
        ("AADSTS53003: Access has been blocked by Conditional Access policies.", "refused_by_policy"),
        ("AADSTS50126: Error validating credentials due to invalid username or password.", ""),
    ],
)
def test_a_right_password_that_is_not_enough_is_no_wrong_one(
    words: str, code: str, as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    refusal = {"error": "invalid_grant", "error_description": words}
    server.on("POST /token").then(*[Answer(status=400, json=refusal)] * 6)
    pages = [walks.words(enter(as_amira, alias, RIGHT)) for _ in range(6)]
    assert (BAD in pages[0]) is not bool(code)
    assert set(AuthorizationAttempt.objects.values_list("failure_code", flat=True)) == {code or "invalid_grant"}
    assert len(server.calls) == (6 if code else 5)
