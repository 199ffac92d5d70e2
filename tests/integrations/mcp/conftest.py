"""What an agent of Amira's may find: a subflow, a remote table and an integration that allows calls."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import User
from integrations.models import Alias
from tests import cast, walks
from tests.api.conftest import program  # noqa: F401 - a fixture
from tests.integrations import flowing, tables
from tests.integrations.mcp.agents import Agent
from tests.servers.hostile import HostileServer
from tests.servers.site import Site

SCOPES = ("service:northwind", "subflows:run", "remote-tables:read")


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    alias = walks.northwind(server)
    alias.agent_calls = "read"
    alias.save()
    tables.incidents(alias)
    flowing.subflow_of(flowing.open_incidents(alias))
    server.on(flowing.INCIDENTS).always(json={"result": [{"number": "INC1"}]})
    return alias


@pytest.fixture
def agent(alias: Alias, amira: User, program: Callable[..., Client]) -> Agent:  # noqa: F811 - the fixture
    """An agent with a token for all of it. Amira is signed in at the third party."""
    cast.signed_in(amira, alias)
    return Agent(program(*SCOPES))


@pytest.fixture
def authorization(alias: Alias, amira: User, program: Callable[..., Client]) -> str:  # noqa: F811 - the fixture
    """The header of an agent of Amira's, who is signed in at the third party."""
    cast.signed_in(amira, alias)
    header: str = program(*SCOPES).defaults["HTTP_AUTHORIZATION"]
    return header


@pytest.fixture
def site(alias: Alias, tmp_path: Path) -> Iterator[Site]:
    """The site as a process of its own, for tests that commit what they write."""
    with Site("granian", tmp_path) as running:
        yield running
