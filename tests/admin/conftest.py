"""Who works in the admin, and what is set up before they begin."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from integrations.models import Alias, ApplicationRegistry, Token
from tests import cast
from tests.conftest import client_of

PROVIDER = "https://northwind.example"


@pytest.fixture
def as_admin(admin: User) -> Client:
    return client_of(admin)


@pytest.fixture
def as_onlooker(db: None) -> Client:
    """Staff who may look at everything and change nothing."""
    onlooker = cast.person("onlooker", role=False, is_staff=True)
    onlooker.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return client_of(onlooker)


@pytest.fixture
def registry(db: None) -> ApplicationRegistry:
    return cast.registry_at(PROVIDER)


@pytest.fixture
def northwind(registry: ApplicationRegistry) -> Alias:
    return cast.integration_at(registry)


@pytest.fixture
def token(amira: User, northwind: Alias) -> Token:
    return cast.signed_in(amira, northwind)
