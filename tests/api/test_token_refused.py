"""A program reports that a token it was handed is refused: one renewal, a fresh token or the reason."""

import hashlib
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from integrations.models import Alias, ApplicationRegistry, Event, Token
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI, RefusedAgain
from tests.accounts import tokens as tokens_of_ours
from tests.api.conftest import Program
from tests.integrations.renewing import ASKED, GRANTED
from tests.servers.hostile import HostileServer
from tests.walks import Page

pytestmark = pytest.mark.django_db

TOKEN = "/api/v1/integrations/northwind/token/"
REFUSED = "/api/v1/integrations/northwind/token-refused/"
SCOPES = ("tokens:read", "service:northwind")
OLD, NEW = "CANARY-access-1", "CANARY-access-2"


@pytest.fixture
def client(program: Program, signed_in: Alias) -> Client:
    return program(*SCOPES)


def report(client: Client, token: str = OLD, **fields: Any) -> Page:
    return client.post(REFUSED, {"access_token": token, **fields}, content_type="application/json")


def held_by(client: Client) -> str:
    return str(client.get(TOKEN).json()["access_token"])


@pytest.mark.slow
@pytest.mark.parametrize("reported", [OLD, hashlib.sha256(OLD.encode()).hexdigest()])
def test_a_refused_token_is_replaced(reported: str, client: Client, server: HostileServer) -> None:
    server.on(ASKED).answer(json=GRANTED)
    answer = report(client, reported)
    assert (answer.status_code, answer.json()["access_token"]) == (200, NEW)
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "scope"}
    assert held_by(client) == NEW
    assert Token.objects.get().last_used_by == "REST (Weekly digest)"


@pytest.mark.slow
@pytest.mark.parametrize("late", [OLD, "CANARY-something-else", hashlib.sha256(b"CANARY").hexdigest(), "ü"])
def test_a_late_report_renews_nothing(late: str, client: Client, server: HostileServer) -> None:
    server.on(ASKED).answer(json=GRANTED)
    report(client)
    answer = report(client, late)
    assert (answer.status_code, answer.json()["access_token"]) == (200, NEW)
    assert len(server.calls_to(ASKED)) == 1


@pytest.mark.slow
def test_a_token_that_was_just_renewed_is_not_renewed_again(client: Client, server: HostileServer) -> None:
    server.on(ASKED).answer(json=GRANTED)
    report(client)
    answer = report(client, NEW)
    assert (answer.status_code, answer.json()["error"]) == (409, "token_refused")
    assert answer.json()["initiator_url"].startswith("/oauth_initiator.do?")
    assert 200 < int(answer["Retry-After"]) <= 300
    assert len(server.calls_to(ASKED)) == 1
    assert held_by(client) == NEW


@pytest.mark.slow
def test_a_token_without_lifetime_is_not_handed_out_again(client: Client, server: HostileServer) -> None:
    Token.objects.update(expires_at=None)
    server.on(ASKED).answer(status=503).answer(json={**GRANTED, "expires_in": None})
    answer = report(client)
    assert (answer.status_code, answer.json()["error"]) == (502, "provider_unreachable")
    assert client.get(TOKEN).status_code == 502
    Token.objects.update(lease_expires_at=None)
    assert held_by(client) == NEW


def test_a_token_that_lives_is_used_on_if_its_renewal_fails(client: Client, server: HostileServer) -> None:
    server.on(ASKED).answer(status=503)
    answer = report(client)
    assert (answer.status_code, answer.json()["error"]) == (502, "provider_unreachable")
    assert held_by(client) == OLD


@pytest.mark.slow
def test_a_refusal_of_the_renewal_is_the_reason(client: Client, server: HostileServer) -> None:
    ApplicationRegistry.objects.update(registration_accepted_at="2026-01-01T00:00:00Z")
    server.on(ASKED).always(status=400, json={"error": "invalid_grant"})
    answer = report(client)
    assert (answer.status_code, answer.json()["error"]) == (401, "integration_not_authenticated")


@pytest.mark.slow
def test_without_a_refresh_token_the_person_signs_in_again(client: Client) -> None:
    Token.objects.update(refresh_token=None, expires_at=None)
    for answer in (report(client), client.get(TOKEN)):
        assert (answer.status_code, answer.json()["error"]) == (401, "integration_not_authenticated")
        assert answer.json()["initiator_url"]


@pytest.mark.slow
def test_the_providers_word_counts_more_than_a_programs(client: Client, server: HostileServer) -> None:
    """A program that calls the wrong address must not cost a person their sign-in."""
    ApplicationRegistry.objects.update(userinfo_url=f"{server.url}/me")
    Token.objects.update(refresh_token=None, expires_at=None, agreed=None)
    token = Token.objects.get()
    token.agreed = {"userinfo_url": f"{server.url}/me", "token_url": f"{server.url}/token"}
    token.agreed |= {"connections": [f"{server.url}/api"], "token_revocation_url": f"{server.url}/revoke"}
    token.save()
    server.on("GET /me").answer(json={"sub": "1"}).answer(status=401)
    answer = report(client)
    assert (answer.status_code, answer.json()["error"]) == (409, "token_refused")
    assert held_by(client) == OLD
    assert report(client).status_code == 401
    assert client.get(TOKEN).status_code == 401


def test_a_token_with_a_known_end_is_used_until_then(client: Client) -> None:
    Token.objects.update(refresh_token=None)
    assert report(client).status_code == 401
    assert held_by(client) == OLD


@pytest.mark.parametrize("scopes", [("tokens:read",), ("service:northwind",), ("integrations:read",)])
def test_it_takes_the_scopes_of_the_token_call(scopes: tuple[str, ...], program: Program, signed_in: Alias) -> None:
    answer = report(program(*scopes))
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


def test_an_alias_that_hands_out_no_tokens_takes_no_reports(client: Client, server: HostileServer) -> None:
    Alias.objects.update(allow_token_export=False)
    answer = report(client)
    assert (answer.status_code, answer.json()["error"]) == (403, "export_not_allowed")
    assert server.calls == []


def test_an_alias_of_nobody_is_404(client: Client, amira: User, signed_in: Alias) -> None:
    Alias.objects.update(active=False)
    assert report(client).status_code == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"access_token": ""}, {"access_token": None}, {"access_token": "x" * 70_000}, {"access_token": "\ud800"}],
)
def test_a_report_names_a_token(body: dict[str, Any], client: Client) -> None:
    answer = client.post(REFUSED, body, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "xxxx" not in answer.content.decode()


def test_a_permanent_token_of_ours_can_report_too(amira: User, signed_in: Alias, server: HostileServer) -> None:
    server.on(ASKED).answer(json=GRANTED)
    _token, bearer = tokens_of_ours.make_token(amira, *SCOPES, name="Weekly digest")
    assert report(tokens_of_ours.caller(bearer)).json()["access_token"] == NEW


def test_python_code_can_report_too(amira: User, signed_in: Alias, server: HostileServer) -> None:
    server.on(ASKED).answer(json=GRANTED)
    api = PersonalAuthAPI(amira)
    assert api.token_refused("northwind", OLD).access_token == NEW
    with pytest.raises(RefusedAgain) as refused:
        api.token_refused("northwind", NEW)
    assert (refused.value.code, refused.value.retry_after) > ("token_refused", 200)
    with pytest.raises(NotAuthenticated) as unknown:
        api.token_refused("southwind", NEW)
    assert unknown.value.code == "not_available"
    assert not Event.objects.filter(kind="reauth_needed").exists()
