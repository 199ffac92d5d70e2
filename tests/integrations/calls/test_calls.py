"""One call as a person: with that person's token, and what comes of a 401, a silence, a revoke."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.errors import Unreachable, Unusable
from integrations import calls
from integrations.connections import authorization, renewal
from integrations.models import HttpConnection, OAuth2Credential, Token
from tests import cast
from tests.integrations.renewing import ASKED, GRANTED, after
from tests.servers import machine
from tests.servers.hostile import Answer, HostileServer

BEARER = b"Bearer CANARY-access-1".decode()
API = "/api/contacts"


@pytest.fixture
def connection(server: HostileServer, amira: User) -> HttpConnection:
    """Amira's, signed in."""
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    return HttpConnection.objects.select_related("credential__profile__registry").get()


@pytest.fixture
def evil() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


def get(user: User, connection: HttpConnection, path: str = "/contacts", **call: Any) -> requests.Response:
    return calls.send(user, connection, "GET", path, **call)


def test_the_persons_token_goes_along(server: HostileServer, amira: User, connection: HttpConnection) -> None:
    server.on(f"GET {API}").answer(json=[{"name": "Ada"}])
    response = get(amira, connection, params={"q": "a b&c", "page": "2"}, headers={"Accept": "application/json"})
    assert response.json() == [{"name": "Ada"}]
    [call] = server.calls
    assert (call.headers["authorization"], call.query) == (BEARER, "q=a+b%26c&page=2")
    assert call.headers["accept"] == "application/json"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "propfind"])
def test_any_method_can_be_used(method: str, server: HostileServer, amira: User, connection: HttpConnection) -> None:
    server.on(f"{method.upper()} {API}").answer(status=201)
    assert calls.send(amira, connection, method, "contacts", json={"name": "Ada"}).status_code == 201
    assert server.calls[0].json == {"name": "Ada"}


def test_a_401_forces_one_renewal_and_one_retry(server: HostileServer, amira: User, connection: HttpConnection) -> None:
    server.on(f"GET {API}").answer(status=401).answer(status=200)
    server.on(ASKED).answer(json=GRANTED)
    assert get(amira, connection).status_code == 200
    assert [call.path for call in server.calls] == [API, "/token", API]
    assert server.calls[2].headers["authorization"] == "Bearer CANARY-access-2"


def test_a_second_401_is_the_answer(server: HostileServer, amira: User, connection: HttpConnection) -> None:
    server.on(f"GET {API}").always(status=401)
    server.on(ASKED).always(json=GRANTED)
    assert get(amira, connection).status_code == 401
    assert [call.path for call in server.calls] == [API, "/token", API]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_a_refused_token_kept_from_happening_is_sent_again(
    method: str, server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    server.on(f"{method} {API}").answer(status=401).answer(status=201)
    server.on(ASKED).answer(json=GRANTED)
    assert calls.send(amira, connection, method, "/contacts", json={"a": 1}).status_code == 201
    assert [call.path for call in server.calls] == [API, "/token", API]
    assert server.calls[2].json == {"a": 1}


def test_a_body_that_was_read_cannot_be_sent_again(
    server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    server.on(f"POST {API}").always(status=401)
    server.on(ASKED).answer(json=GRANTED)
    assert calls.send(amira, connection, "POST", "/contacts", data=iter([b"once"])).status_code == 401
    assert [call.path for call in server.calls] == [API, "/token"]
    assert Token.objects.get().access_token == "CANARY-access-2"


def test_without_a_refresh_token_a_401_is_the_answer(
    server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    Token.objects.update(refresh_token=None)
    server.on(f"GET {API}").always(status=401)
    assert get(amira, connection).status_code == 401
    assert len(server.calls) == 1


def test_a_third_party_that_names_the_token_ends_what_nothing_can_renew(
    server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    Token.objects.update(refresh_token=None)
    server.on(f"GET {API}").always(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    assert get(amira, connection).status_code == 401
    with pytest.raises(renewal.NoUsableToken) as over:
        get(amira, connection)
    assert over.value.code == "invalid_token"
    assert len(server.calls) == 1


@pytest.mark.parametrize("status", [403, 429, 500])
def test_no_other_status_renews(status: int, server: HostileServer, amira: User, connection: HttpConnection) -> None:
    server.on(f"GET {API}").always(status=status)
    assert get(amira, connection).status_code == status
    assert len(server.calls) == 1


def test_without_a_token_nothing_is_sent(server: HostileServer, bob: User, connection: HttpConnection) -> None:
    with pytest.raises(renewal.NoUsableToken):
        get(bob, connection)
    assert server.calls == []


def test_a_revoked_alias_fails_at_once(server: HostileServer, amira: User, connection: HttpConnection) -> None:
    authorization.revoke(amira, connection.alias)
    with pytest.raises(renewal.NoUsableToken):
        get(amira, connection)
    assert server.calls == []


@pytest.mark.parametrize(
    "answer",
    [
        {"delay": 20.0},
        {"text": "slow" * 50, "drip": 0.2},
        {"close": True},
    ],
)
@pytest.mark.slow
def test_a_bad_third_party_ends_in_time(
    answer: dict[str, Any],
    server: HostileServer,
    amira: User,
    connection: HttpConnection,
) -> None:
    server.on(f"GET {API}").answer(**answer)
    began = timezone.now()
    with pytest.raises(Unreachable):
        get(amira, connection, timeout=0.3)
    assert (timezone.now() - began).total_seconds() < 10


@pytest.mark.slow
def test_an_answer_that_swells_is_cut_off(server: HostileServer, amira: User, connection: HttpConnection) -> None:
    server.on(f"GET {API}").answer(bomb=64 << 20)
    with pytest.raises(Unusable):
        get(amira, connection)


def test_nobody_listening_is_unreachable(amira: User, connection: HttpConnection) -> None:
    connection.connection_url = f"http://127.0.0.1:{machine.free_port()}/api"
    token = Token.objects.get()
    token.agreed = {**(token.agreed or {}), "connections": [connection.connection_url]}
    token.save()
    with pytest.raises(Unreachable):
        get(amira, connection)


def test_the_last_use_is_noted_at_most_once_a_minute(
    server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    server.on(f"GET {API}").always(status=200)
    get(amira, connection, used_by="A report")
    first = Token.objects.get()
    assert first.last_used_by == "A report"
    get(amira, connection, used_by="Another")
    assert Token.objects.get().last_used_at == first.last_used_at
    Token.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    get(amira, connection, used_by="Another")
    assert Token.objects.get().last_used_by == "Another"


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_no_database_connection_is_held_while_the_third_party_answers(
    server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    from django.db import connections

    ours, seen = connections["default"], []

    def look() -> None:
        seen.append((ours.connection is None, ours.in_atomic_block))

    server.on(f"GET {API}").then(after(look, Answer(status=200)))
    get(amira, connection)
    is_scarce = ours.vendor != "sqlite"  # which has no connections to run out of
    assert seen == [(is_scarce, False)]


def test_a_credential_that_became_the_systems_is_not_used_as_a_person(
    server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    OAuth2Credential.objects.update(integration_type="system")
    fresh = HttpConnection.objects.select_related("credential").get()
    with pytest.raises(renewal.NoUsableToken):
        get(amira, fresh)
    assert server.calls == []
