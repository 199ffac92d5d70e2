"""What every test may ask for: the cast and a scripted server."""

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from celery import current_app
from django.core.cache import cache
from django.db import DEFAULT_DB_ALIAS
from django.db.transaction import Atomic, set_rollback
from django.test import Client, TransactionTestCase
from pytest_django import DjangoDbBlocker

from accounts.models import User
from foundation import installation
from tests import cast, restored_tables
from tests.servers.hostile import HostileServer

pytest_plugins = ["tests.servers.peer_fixtures"]

ALL_SLOW = re.compile(r"^pytestmark = .*\bpytest\.mark\.slow\b", re.MULTILINE)
READ_IN_MODULES = ("slow", "database")  # marks; `browser` is that of a folder


gc.set_threshold(200_000, 20, 20)  # the default ones take a quarter of the time of the fast part


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Spare a run the import of modules that it would leave out as a whole."""
    chosen = set(config.option.markexpr.split(" and "))
    if collection_path.name == "browser":
        return "not browser" in chosen or None
    if not collection_path.match("test_*.py"):
        return None
    if "browser" in chosen:
        return collection_path.parent.name != "browser" or None
    text = collection_path.read_text()
    lacks_mark = any(name in chosen and f"pytest.mark.{name}" not in text for name in READ_IN_MODULES)
    return lacks_mark or ("not slow" in chosen and bool(ALL_SLOW.search(text))) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a mark that is not written in the module: `pytest_ignore_collect` would leave the module out."""
    for name in READ_IN_MODULES:
        for path in {item.path for item in items if item.get_closest_marker(name)}:
            if f"pytest.mark.{name}" not in path.read_text():
                raise pytest.UsageError(f"{path}: write pytest.mark.{name} in this module")


def pytest_collection_finish() -> None:
    """Modules and tests stay: the garbage collector need not look at them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Also say how the database is made clean after a test whose transactions are real."""
    with django_db_blocker.unblock():
        tables = restored_tables.Tables()
    with mock.patch.object(TransactionTestCase, "_fixture_teardown", tables.restore):
        yield


@pytest.fixture(autouse=True)
def uncounted() -> None:
    """Limits are counted in the cache, which all tests of a process share."""
    cache.clear()
    installation.set_state(installation.State())


@pytest.fixture
def tasks_run_at_once() -> Iterator[None]:
    """Tasks run where they are sent. A setting of Django would be overruled by what other tests have set in Celery."""
    current_app.conf.task_always_eager = True
    yield
    current_app.conf.task_always_eager = False


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


@contextmanager
def undone() -> Iterator[None]:
    """Take back what the block stores and caches, so that one test can go several ways from one beginning.

    The code under test must not see this transaction, as it doesn't see that of the test itself.
    """
    block = Atomic(DEFAULT_DB_ALIAS, savepoint=True, durable=False)
    block._from_testcase = True  # type: ignore[attr-defined]  # what django.test.TestCase says of its own
    try:
        with block:
            yield
            set_rollback(True)
    finally:
        cache.clear()


@pytest.fixture
def server() -> Iterator[HostileServer]:
    """An authorization server and API that says whatever the test tells it to."""
    with HostileServer() as running:
        yield running
