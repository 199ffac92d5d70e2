"""Programs with tokens of Amira's, and an integration that she is signed in to."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import User
from accounts.oauth_server.models import Application
from integrations.models import Alias
from tests import cast, walks
from tests.accounts import programs
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

Program = Callable[..., Client]


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    alias = walks.northwind(server)
    alias.allow_token_export = True
    alias.save()
    return alias


@pytest.fixture
def signed_in(alias: Alias, amira: User) -> Alias:
    cast.signed_in(amira, alias)
    return alias


@pytest.fixture
def program(amira: User) -> Program:
    """A program that Amira has allowed these scopes."""
    programs.program()

    def allowed(*scopes: str) -> Client:
        Application.objects.update(allowed_scopes=" ".join(scopes))
        answer = programs.agreed(amira, " ".join(scopes))
        return Client(headers={"Authorization": f"Bearer {answer['access_token']}"})

    return allowed


@pytest.fixture
def caller(program: Program, signed_in: Alias) -> Client:
    """A program that may use this service, and nothing else."""
    return program("service:northwind")


@pytest.fixture
def session(signed_in: Alias, amira: User) -> Client:
    return client_of(amira)
