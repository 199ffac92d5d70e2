"""A System credential with the client credentials grant: one token for the site, of nobody, asked for when needed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.errors import Misconfigured
from integrations.connections import renewal
from integrations.models import IntegrationType, OAuth2Credential, Token
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI
from tests import cast, walks
from tests.servers.hostile import Answer, HostileServer


@pytest.fixture
def system(server: HostileServer) -> OAuth2Credential:
    alias = cast.integration_at(
        cast.registry_at(server.url),
        scopes=("read", "write"),
        integration_type=IntegrationType.SYSTEM,
        grant_type="client_credentials",
    )
    return walks.credential_of(alias)


def granted(number: int = 1, **fields: object) -> Answer:
    token = {"access_token": f"CANARY-system-{number}", "token_type": "Bearer", "expires_in": 3600}
    return Answer(json={**token, **fields})


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_many_first_calls_at_once_ask_for_one_token(server: HostileServer, system: OAuth2Credential) -> None:
    server.on("POST /token").always(json=granted().json, delay=0.3)

    def ask(_number: int) -> str:
        try:
            return str(renewal.current(None, system).access_token)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(ask, range(50))) == {"CANARY-system-1"}
    assert len(server.calls_to("POST /token")) == 1
    assert server.calls[0].form == {"grant_type": "client_credentials", "scope": "read write"}
    assert Token.objects.get().user is None


@pytest.mark.django_db(transaction=True)
def test_when_it_expires_a_new_one_is_asked_for_without_a_refresh_token(
    server: HostileServer, system: OAuth2Credential
) -> None:
    server.on("POST /token").answer(json=granted(1, refresh_token="CANARY-not-wanted").json)
    server.on("POST /token").answer(json=granted(2).json)
    renewal.current(None, system)
    Token.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert renewal.current(None, system).access_token == "CANARY-system-2"
    assert [call.form["grant_type"] for call in server.calls] == ["client_credentials"] * 2
    assert Token.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_server_that_refuses_us_is_the_administrators_to_mend_and_is_not_hammered(
    server: HostileServer, system: OAuth2Credential
) -> None:
    server.on("POST /token").always(status=401, json={"error": "invalid_client"})
    with pytest.raises(Misconfigured):
        renewal.current(None, system)
    with pytest.raises(Misconfigured) as again:
        renewal.current(None, system)
    assert again.value.code == "invalid_client"
    assert len(server.calls) == 1
    assert walks.registry_of(system.connections.get().alias).misconfigured_code == "invalid_client"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_is_never_used_for_a_person(server: HostileServer, system: OAuth2Credential, amira: User) -> None:
    server.on("POST /token").always(json=granted().json)
    renewal.current(None, system)
    with pytest.raises(renewal.NoUsableToken):
        renewal.current(amira, system)
    with pytest.raises(NotAuthenticated):
        PersonalAuthAPI(amira).request("northwind", "GET", "/")
    assert len(server.calls) == 1


@pytest.mark.django_db(transaction=True)
def test_a_personal_credential_is_granted_to_nobody(server: HostileServer) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), grant_type="client_credentials")
    with pytest.raises(renewal.NoUsableToken):
        renewal.current(None, walks.credential_of(alias))
    assert server.calls == []
