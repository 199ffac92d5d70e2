"""When the provider stumbles nothing is lost; when it says no, the person is asked and nobody else."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client import transport
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable
from integrations.connections import renewal
from integrations.models import Alias, ApplicationRegistry, Event, Revocation, Token
from tests import cast, walks
from tests.integrations.renewing import ASKED, GRANTED, current
from tests.servers.hostile import HostileServer


@pytest.fixture
def northwind(server: HostileServer, db: None) -> Alias:
    return cast.integration_at(cast.registry_at(server.url))


def pass_the_pause() -> None:
    Token.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def test_a_refused_sign_in_is_given_up_after_one_attempt(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).always(status=400, json={"error": "invalid_grant", "error_description": "CANARY-description"})
    for _ in range(3):
        with pytest.raises(renewal.NoUsableToken) as refused:
            current(amira, northwind)
        assert refused.value.code == "invalid_grant"
    assert len(server.calls) == 1
    stored = Token.objects.get()
    assert (stored.state, stored.failure_code) == ("needs_reauth", "invalid_grant")
    assert [event.kind for event in Event.objects.filter(whose=amira)] == ["reauth_needed"]


def test_a_newer_token_than_the_callers_is_used_without_asking(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    stale = cast.signed_in(amira, northwind, expires_in=-10)
    sibling = Token.objects.get()
    sibling.access_token, sibling.version, sibling.expires_at = "CANARY-sibling", 2, None
    sibling.save()
    assert renewal.renew(stale).access_token == "CANARY-sibling"
    assert server.calls == []


STUMBLES: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "502 with a page": {"status": 502, "text": "<h1>Bad gateway</h1>"},
    "429": {"status": 429, "headers": {"Retry-After": "7"}, "json": {"error": "invalid_grant"}},
    "403 with a page": {"status": 403, "text": "<h1>Blocked</h1>"},
    "200 with a page": {"status": 200, "text": "<h1>Welcome</h1>"},
    "cut short": {"json": GRANTED, "truncated": True},
    "half a document": {"body": b'{"access_token": "CANARY-ac'},
    "a list": {"json": [GRANTED]},
    "no token": {"json": {"token_type": "Bearer"}},
    "a token with a line break": {"json": {**GRANTED, "access_token": "a\r\nX-Evil: 1"}},
    "a token of 65 KB": {"json": {**GRANTED, "access_token": "a" * 66_000}},
    "hung up": {"close": True},
    "too late": {"json": GRANTED, "delay": 20.0},
}


@pytest.mark.parametrize(
    "stumble",
    [
        pytest.param(answer, id=name, marks=pytest.mark.slow if "delay" in answer else ())
        for name, answer in STUMBLES.items()
    ],
)
def test_a_stumble_takes_nothing_away(
    stumble: dict[str, Any], server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=30)  # due, and alive
    server.on(ASKED).always(**stumble)
    with transport.deadline(1):
        assert current(amira, northwind) == "CANARY-access-1"
    stored = Token.objects.get()
    assert (stored.state, stored.refresh_token, stored.lease_owner) == ("valid", "CANARY-refresh-1", "")
    assert Event.objects.count() == 0

    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    pass_the_pause()
    with transport.deadline(1), pytest.raises(OAuthError):
        current(amira, northwind)
    pass_the_pause()
    server.on(ASKED).always(json=GRANTED)
    assert current(amira, northwind) == "CANARY-access-2"


def test_after_a_stumble_the_server_is_left_in_peace(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).answer(status=503, headers={"Retry-After": "120"})
    server.on(ASKED).always(json=GRANTED)
    for _ in range(3):
        with pytest.raises(Unreachable):
            current(amira, northwind)
    assert len(server.calls) == 1
    until = Token.objects.get().lease_expires_at
    assert until is not None
    assert 100 < (until - timezone.now()).total_seconds() < 121
    pass_the_pause()
    assert current(amira, northwind) == "CANARY-access-2"


def test_without_a_word_from_the_server_the_pause_is_short(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).answer(status=500)
    with pytest.raises(Unreachable):
        current(amira, northwind)
    until = Token.objects.get().lease_expires_at
    assert until is not None
    assert 0 < (until - timezone.now()).total_seconds() <= 3


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client"])
def test_a_wrong_registration_is_the_registrys_fault(
    code: str, server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).answer(status=401, json={"error": code}).answer(json=GRANTED)
    with pytest.raises(Misconfigured):
        current(amira, northwind)
    assert ApplicationRegistry.objects.get().misconfigured_code == code
    stored = Token.objects.get()
    assert (stored.state, stored.refresh_token) == ("valid", "CANARY-refresh-1")

    pass_the_pause()
    assert current(amira, northwind) == "CANARY-access-2"
    assert ApplicationRegistry.objects.get().misconfigured_code == ""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_the_token_endpoint_is_not_followed(
    status: int, server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    with HostileServer() as evil:
        evil.on(ASKED).always(json=GRANTED)
        evil.on("GET /token").always(json=GRANTED)
        server.on(ASKED).answer(status=status, redirect=f"{evil.url}/token")
        with pytest.raises(Misconfigured):
            current(amira, northwind)
        assert evil.connections == 0
    assert Token.objects.get().access_token == "CANARY-access-1"


@pytest.mark.parametrize(
    "url",
    ["https://169.254.169.254/token", "http://[fd00:ec2::254]/token", "http://10.0.0.1/token", "file:///etc/passwd"],
)
def test_an_inner_address_is_not_reached_even_if_the_row_names_it(url: str, amira: User, northwind: Alias) -> None:
    """That nothing was connected to, tests/network.py sees to."""
    ApplicationRegistry.objects.update(token_url=url)
    cast.signed_in(amira, northwind, expires_in=-10)
    with pytest.raises(OAuthError):
        current(amira, northwind)


def id_token(**claims: Any) -> str:
    told = {"iss": "https://issuer.example", "aud": "keyrack", "exp": 4102444800, **claims}
    return f"e30.{base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip('=')}.x"


def test_another_accounts_tokens_are_not_kept(
    server: HostileServer, amira: User, as_amira: Client, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=30, account_id="A-1")
    server.on(ASKED).answer(json={**GRANTED, "id_token": id_token(sub="B-2")})
    for _ in range(2):
        with pytest.raises(renewal.NoUsableToken) as other:
            current(amira, northwind)
        assert other.value.code == "other_account"
    assert len(server.calls) == 1
    stored = Token.objects.get()
    assert (stored.state, stored.access_token, stored.account_id) == ("needs_reauth", "CANARY-access-1", "A-1")
    [revocation] = Revocation.objects.all()
    assert (revocation.access_token, revocation.refresh_token) == ("CANARY-access-2", "CANARY-refresh-2")
    assert "answered for another account" in walks.words(as_amira.get("/integrations/"))
    assert [event.kind for event in Event.objects.all()] == ["other_account"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"account_id": "A-1"}, id_token(sub="A-1")),
        ({"account_id": ""}, id_token(sub="B-2")),
        ({"account_id": "A-1"}, id_token(sub="B-2", aud="somebody else")),
        ({"account_id": "A-1"}, "unreadable"),
    ],
    ids=["the same", "not known before", "not meant for us", "not an id token"],
)
def test_an_id_token_that_says_nothing_else_loses_nothing(
    fields: dict[str, str], told: str, server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10, **fields)
    server.on(ASKED).answer(json={**GRANTED, "id_token": told})
    assert current(amira, northwind) == "CANARY-access-2"
    assert not Revocation.objects.exists()


def test_where_the_account_is_known_by_something_else_the_subject_says_nothing(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    ApplicationRegistry.objects.update(account_id_path="/oid /sub")
    cast.signed_in(amira, northwind, expires_in=-10, account_id="A-1")
    server.on(ASKED).answer(json={**GRANTED, "id_token": id_token(sub="B-2")})
    assert current(amira, northwind) == "CANARY-access-2"
