"""The module that Django loads for `ENGINE = "foundation.postgresql"`."""

from collections.abc import Callable
from functools import cached_property
from types import TracebackType
from typing import Any

import psycopg
from django.db import OperationalError
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from django.db.utils import DatabaseErrorWrapper
from psycopg import Connection
from psycopg.errors import ReadOnlySqlTransaction
from psycopg_pool import ConnectionPool

from foundation.database import repeats_if_dead


def check_connection(connection: Connection[Any]) -> None:
    """Ask the server whether the connection is alive, unless a statement waits for it that repeats itself."""
    if not repeats_if_dead.get():
        ConnectionPool.check_connection(connection)


class ErrorWrapper(DatabaseErrorWrapper):
    """Django's translation of the driver's exceptions, with two differences.

    Of an error about a statement it keeps the first line, which names the constraint or the type. The others print the
    row that was refused or a part of the statement with its parameters: a hash of a password, or what a person entered.
    They would be in log lines, mails and traces. Errors of the connection stay as they are.

    A server that only reads now counts as one that is away. psycopg has InternalError for it, as for a wrong use of
    transactions. But a server that became a standby in a failover, or was restored and is not opened yet, is another
    matter: the statement may succeed later.
    """

    wrapper: base.DatabaseWrapper  # of Django's class; the stubs don't have it

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, psycopg.Error) and not isinstance(error, psycopg.OperationalError):
            error.args = tuple(str(argument).partition("\n")[0] for argument in error.args)
        if isinstance(error, ReadOnlySqlTransaction):
            self.wrapper.errors_occurred = True
            raise OperationalError(*error.args).with_traceback(trace) from error
        super().__exit__(kind, error, trace)


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

    @cached_property
    def wrap_database_errors(self) -> DatabaseErrorWrapper:
        return ErrorWrapper(self)
