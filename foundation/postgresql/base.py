"""The module that Django loads for `ENGINE = "foundation.postgresql"`."""

from collections.abc import Callable
from typing import Any

import psycopg
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from django.db.utils import DatabaseErrorWrapper
from django.utils.functional import cached_property
from psycopg import Connection
from psycopg_pool import ConnectionPool

from foundation.database import repeats_if_dead


def check_connection(connection: Connection[Any]) -> None:
    """Ask the server whether the connection is alive, unless a statement waits for it that repeats itself."""
    if not repeats_if_dead.get():
        ConnectionPool.check_connection(connection)


class ErrorsWithoutValues(DatabaseErrorWrapper):
    """Keeps the first line of an error, which names the constraint or the type.

    The others print the row that was refused or a part of the statement with its parameters: a hash of a password, or
    what a person entered. They would be in log lines, mails and traces. Errors of the connection stay as they are.
    """

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        if isinstance(exc_value, psycopg.Error) and not isinstance(exc_value, psycopg.OperationalError):
            exc_value.args = tuple(str(argument).partition("\n")[0] for argument in exc_value.args)
        super().__exit__(exc_type, exc_value, traceback)


class DatabaseWrapper(base.DatabaseWrapper):
    _connection_pools: "dict[str, ConnectionPool[Connection[Any]]]"  # of Django's class; the stubs don't have them
    _configure_connection: Callable[[Connection[Any]], None]

    @cached_property
    def wrap_database_errors(self) -> DatabaseErrorWrapper:
        return ErrorsWithoutValues(self)

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
