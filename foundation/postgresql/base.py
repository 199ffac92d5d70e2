"""The module that Django loads for `ENGINE = "foundation.postgresql"`."""

from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import Connection
from psycopg_pool import ConnectionPool

from foundation.database import repeats_if_dead


def check_connection(connection: Connection[Any]) -> None:
    """Ask the server whether the connection is alive, unless a statement waits for it that repeats itself."""
    if not repeats_if_dead.get():
        ConnectionPool.check_connection(connection)


class DatabaseWrapper(base.DatabaseWrapper):
    _connection_pools: "dict[str, ConnectionPool[Connection[Any]]]"  # of Django's class; the stubs don't have them
    _configure_connection: Callable[[Connection[Any]], None]

    @property
    def pool(self) -> "ConnectionPool[Connection[Any]] | None":
        """As Django's, but with `check_connection` above."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        if self.alias not in self._connection_pools:
            parameters = {**self.get_connection_params(), "autocommit": True}  # Django sets it properly later
            new = ConnectionPool(
                kwargs=parameters, open=False, configure=self._configure_connection, check=check_connection, **options
            )
            self._connection_pools.setdefault(self.alias, new)  # another thread may be first; it is opened by its use
        return self._connection_pools[self.alias]
