"""A provider on loopback, permitted by configuration; every test starts from the public internet only."""

from collections.abc import Callable, Iterator

import pytest
from django.conf import settings

from foundation.oauth_client import transport
from foundation.oauth_client.client import Registration
from tests.servers.hostile import HostileServer

LOOPBACK = "127.0.0.0/8"


@pytest.fixture(autouse=True)
def _public_internet_only() -> Iterator[None]:
    transport.configure([])
    yield
    transport.configure(settings.OUTBOUND_ALLOW)


@pytest.fixture
def provider() -> Iterator[HostileServer]:
    transport.configure([LOOPBACK])
    with HostileServer() as server:
        yield server


@pytest.fixture
def evil_host() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


@pytest.fixture
def register(provider: HostileServer) -> Callable[..., Registration]:
    """A registration at the provider; keywords change it."""

    def make(**changes: object) -> Registration:
        fields: dict[str, object] = {
            "client_id": "keyrack",
            "client_secret": "CANARY-client-secret",
            "authorization_url": provider.url + "/authorize",
            "token_url": provider.url + "/token",
            "revocation_url": provider.url + "/revoke",
            "introspection_url": provider.url + "/introspect",
            "userinfo_url": provider.url + "/userinfo",
        }
        return Registration(**{**fields, **changes})  # type: ignore[arg-type]

    return make
