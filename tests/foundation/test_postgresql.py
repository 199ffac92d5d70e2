"""The pool's connections are checked before each use, but not for a statement that repeats itself."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, OperationalError
from environ import Env
from psycopg_pool import ConnectionPool

from config import settings as site
from config.failures import is_busy
from foundation import database
from foundation.postgresql.base import DatabaseWrapper
from tests.servers import machine
from tests.servers.worker import eventually

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ONE = "SELECT %(number)s::int"
NAME = "a pool of tests"


class Checks:
    """Counts how often the pool asks the server whether a connection is alive."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        original = ConnectionPool.check_connection

        def counted(connection: psycopg.Connection[Any]) -> None:
            self.count += 1
            original(connection)

        monkeypatch.setattr(ConnectionPool, "check_connection", staticmethod(counted))


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    return Checks(monkeypatch)


@pytest.fixture
def pooled(postgres_url: str) -> Iterator[DatabaseWrapper]:
    """A database with a pool of two connections, configured as the site configures it."""
    wrapper = pool_of(postgres_url)
    try:
        yield wrapper
    finally:
        wrapper.close()
        wrapper.close_pool()


def pool_of(url: str) -> DatabaseWrapper:
    options = {**site.POSTGRES_OPTIONS, "application_name": NAME, "pool": {**site.POSTGRES_POOL, "max_size": 2}}
    others: dict[str, Any] = {
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "AUTOCOMMIT": True,
        "TIME_ZONE": None,
        "TEST": {},
    }
    return DatabaseWrapper({**Env.db_url_config(url), **others, "OPTIONS": options}, alias="pooled")


def read(wrapper: DatabaseWrapper, number: int) -> int:
    """One request that runs one compiled statement: its connection goes back to the pool."""
    try:
        rows = database.first_rows(wrapper, ONE, {"number": number}, 1)
        return int(rows[0][0])
    finally:
        wrapper.close()


def read_as_django_does(wrapper: DatabaseWrapper, number: int) -> int:
    try:
        with wrapper.cursor() as cursor:
            cursor.execute(ONE, {"number": number})
            return int(cursor.fetchone()[0])
    finally:
        wrapper.close()


def end_connections(url: str) -> None:
    """The server ends them, as it does when it is restarted."""
    with psycopg.connect(url, autocommit=True) as other:
        ended = other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [NAME]
        )
        assert ended.rowcount > 0


def test_a_statement_that_repeats_itself_needs_no_check(pooled: DatabaseWrapper, checks: Checks) -> None:
    assert [read(pooled, number) for number in range(3)] == [0, 1, 2]
    assert checks.count == 0
    assert read_as_django_does(pooled, 3) == 3
    assert checks.count == 1


def test_both_survive_that_the_server_ends_their_connections(
    pooled: DatabaseWrapper, checks: Checks, postgres_url: str
) -> None:
    for reading in (read, read_as_django_does):
        assert reading(pooled, 1) == 1
        end_connections(postgres_url)
        assert reading(pooled, 2) == 2


def test_a_server_that_comes_back_is_used_at_once_however_long_it_was_away() -> None:
    with machine.folder("postgres") as home:
        machine.initialize_cluster(home)
        port = machine.free_port()
        pooled = pool_of(f"postgres://keyrack@127.0.0.1:{port}/postgres")
        try:
            with machine.postgres_at(port, home):
                assert read_as_django_does(pooled, 1) == 1
            away_until = time.monotonic() + 8
            while time.monotonic() < away_until:
                with pytest.raises(OperationalError):
                    read_as_django_does(pooled, 1)
            with machine.postgres_at(port, home):
                begun = time.monotonic()
                assert eventually(lambda: reads_one(pooled), 20)
                assert time.monotonic() - begun < 3
        finally:
            pooled.close_pool()


def reads_one(pooled: DatabaseWrapper) -> bool:
    with contextlib.suppress(OperationalError):
        return read_as_django_does(pooled, 1) == 1
    return False


def test_a_statement_that_is_wrong_runs_once(pooled: DatabaseWrapper, checks: Checks) -> None:
    with pytest.raises(DatabaseError, match="division by zero"):
        database.first_rows(pooled, "SELECT 1 / 0", {}, 1)
    pooled.close()
    assert read(pooled, 1) == 1


def test_a_server_that_only_reads_counts_as_one_that_is_away(pooled: DatabaseWrapper) -> None:
    """As during a failover. Otherwise a provider's response, which exists nowhere else, would be given up at once."""
    with pooled.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        with pytest.raises(OperationalError) as caught:
            cursor.execute("CREATE TABLE anything (id int)")
        cursor.execute("SET default_transaction_read_only = off")
    assert is_busy(caught.value)
    assert isinstance(caught.value.__cause__, psycopg.errors.ReadOnlySqlTransaction)


def test_every_process_of_a_site_has_it(postgres_url: str) -> None:
    """Workers store responses of providers too, without a pool."""
    ask = "import django; django.setup(); from django.db import connection as c; print(c.wrap_database_errors)"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": postgres_url}
    done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert "foundation.postgresql.base.ErrorWrapper" in done.stdout
