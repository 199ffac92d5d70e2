"""What every test may ask for: the cast and a scripted server."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests import cast
from tests.servers.hostile import HostileServer

pytest_plugins = ["tests.servers.peer_fixtures"]


@pytest.fixture(autouse=True)
def uncounted() -> None:
    """Limits are counted in the cache, which all tests of a process share."""
    cache.clear()


@pytest.fixture
def amira(db: None) -> User:
    return cast.person("amira", first_name="Amira", last_name="Haddad")


@pytest.fixture
def bob(db: None) -> User:
    return cast.person("bob")


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_superuser("admin", "admin@hub.example", cast.PASSWORD)


@pytest.fixture
def as_amira(amira: User) -> Client:
    return client_of(amira)


def client_of(user: User) -> Client:
    """A browser in which this person is signed in, and which says where its requests come from."""
    client = Client(headers={"Sec-Fetch-Site": "same-origin"})
    client.force_login(user)
    return client


@pytest.fixture
def server() -> Iterator[HostileServer]:
    """An authorization server and API that says whatever the test tells it to."""
    with HostileServer() as running:
        yield running
