"""Programs read 409 where an integration was moved and its person has not agreed: by the short and by the long way."""

from collections.abc import Iterator

import pytest
from django.test import Client

from accounts.api import authentication
from integrations.models import Alias, HttpConnection
from tests.api.conftest import Program
from tests.integrations import moving, tables
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

BASE = "/api/v1/integrations/"
SCOPES = ("integrations:read", "tokens:read", "service:northwind", "remote-tables:read")
HELD_WAYS = ["connection url", "token url", "headers of calls", "hosts of base urls"]


@pytest.fixture
def stranger() -> Iterator[HostileServer]:
    with HostileServer() as running:
        yield running


@pytest.fixture
def client(program: Program, signed_in: Alias) -> Client:
    return program(*SCOPES)


@pytest.fixture(params=["short way", "long way"])
def each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "long way":
        monkeypatch.setattr(authentication, "bearer_token_in", lambda _request: None)


@pytest.mark.parametrize("way", HELD_WAYS)
@pytest.mark.parametrize("path", ["token/", "proxy/contacts"])
@pytest.mark.parametrize("by", ["name", "id"])
@pytest.mark.usefixtures("each_way")
def test_a_moved_integration_is_409_with_where_to_sign_in_again(
    by: str, path: str, way: str, client: Client, signed_in: Alias, server: HostileServer, stranger: HostileServer
) -> None:
    alias = signed_in.name if by == "name" else signed_in.hex
    server.on("GET /api/contacts").always(json=[])
    assert client.get(f"{BASE}{alias}/{path}").status_code == 200
    moving.WAYS[way](signed_in, stranger.url)
    before = len(server.calls)
    answer = client.get(f"{BASE}{alias}/{path}")
    assert (answer.status_code, answer.json()["error"]) == (409, "address_changed")
    assert answer.json()["initiator_url"].startswith("/oauth_initiator.do?")
    assert "www-authenticate" not in answer.headers
    assert (len(server.calls), stranger.calls) == (before, [])


@pytest.mark.parametrize("way", HELD_WAYS)
@pytest.mark.usefixtures("each_way")
def test_its_token_is_not_valid_and_its_state_says_why(
    way: str, client: Client, signed_in: Alias, stranger: HostileServer
) -> None:
    moving.WAYS[way](signed_in, stranger.url)
    assert client.get(f"{BASE}northwind/token-valid/").json() == {"token_valid": False}
    integration = client.get(f"{BASE}northwind/").json()
    assert (integration["state"], integration["section"]) == ("address_changed", "my")


def test_a_table_that_reads_from_it_is_409_too(client: Client, signed_in: Alias, stranger: HostileServer) -> None:
    tables.incidents(signed_in)
    HttpConnection.objects.update(connection_url=f"{stranger.url}/api")
    answer = client.get("/api/v1/remote-tables/incidents/rows/")
    assert (answer.status_code, answer.json()["error"]) == (409, "address_changed")
    assert stranger.calls == []
