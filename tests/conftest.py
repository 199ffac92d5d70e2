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


# Whole modules that start processes, wait or hammer: the fast loop (`make fast`) leaves them to the full run.
SLOW = (
    "tests/accounts/test_client_library.py",
    "tests/accounts/test_events.py",
    "tests/accounts/test_lockout.py",
    "tests/accounts/test_password_grant.py",
    "tests/accounts/test_permanent_tokens.py",
    "tests/accounts/test_second_step.py",
    "tests/accounts/test_security_page.py",
    "tests/accounts/test_sign_in.py",
    "tests/admin/test_flows.py",
    "tests/admin/test_registries.py",
    "tests/admin/test_remote_tables.py",
    "tests/admin/test_secrets.py",
    "tests/admin/test_templates.py",
    "tests/api/test_api.py",
    "tests/api/test_examples.py",
    "tests/api/test_fuzzing.py",
    "tests/api/test_proxy",
    "tests/api/test_remote_tables.py",
    "tests/demo/",
    "tests/integrations/test_accounts.py",
    "tests/integrations/test_callback.py",
    "tests/integrations/test_chaos.py",
    "tests/integrations/test_circuits.py",
    "tests/integrations/test_flows",
    "tests/integrations/test_doctor.py",
    "tests/integrations/test_keep_alive.py",
    "tests/integrations/test_key_rotation",
    "tests/integrations/test_local.py",
    "tests/integrations/test_meanwhile.py",
    "tests/integrations/test_missing_keys.py",
    "tests/integrations/test_mix_up.py",
    "tests/integrations/test_one_refresh.py",
    "tests/integrations/test_other_account.py",
    "tests/integrations/test_password.py",
    "tests/integrations/test_ready_tokens.py",
    "tests/integrations/test_remote_tables",
    "tests/integrations/test_rest_borders.py",
    "tests/integrations/test_revocation_draining.py",
    "tests/integrations/test_round_trips",
    "tests/integrations/test_start_page.py",
    "tests/integrations/test_what_is_shown.py",
    "tests/integrations/test_worker.py",
    "tests/foundation/oauth_client/test_transport.py",
    "tests/servers/",
    "tests/test_bootstrap.py",
    "tests/test_canaries.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(config.rootpath).as_posix().startswith(SLOW):
            item.add_marker("slow")
