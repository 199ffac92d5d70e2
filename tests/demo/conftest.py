"""One running demo provider for all tests of this folder, and two people who are signed in to it."""

from collections.abc import Iterator

import pytest
import requests

from tests.demo.hub_client import CLIENTS, Hub
from tests.servers.demo_provider import Provider, running_provider


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    with running_provider(clients=CLIENTS) as running:
        yield running


@pytest.fixture(scope="session")
def amira(provider: Provider) -> requests.Session:
    session = provider.session()
    provider.sign_in(session, "amira")
    return session


@pytest.fixture(scope="session")
def tomas(provider: Provider) -> requests.Session:
    session = provider.session()
    provider.sign_in(session, "tomas")
    return session


@pytest.fixture
def hub(provider: Provider) -> Hub:
    return Hub(provider)
