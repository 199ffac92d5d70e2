"""The database on hot paths, and beside calls to third parties.

Compiled queries: a queryset compiled to SQL once per database vendor and reused. Compiling costs more than executing.
Values that differ from call to call are placeholders (`Slot`).

`share_read` is the single flight for these queries: threads of one process that run the same query at once share the
result. A thread that arrives while the query runs waits for the next run, so it never gets a result from before its
arrival. The thread that ran the query runs it again for those who wait, on a database connection that has prepared the
statement: two hundred threads run two queries.

The database connection of a thread is released during calls to third parties, and writes are retried after them. Knows
no model.
"""

import logging
import random
import re
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from threading import Lock
from typing import Any, NamedTuple, TypeVar

from django.db import DEFAULT_DB_ALIAS, Error, InterfaceError, OperationalError, connection, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.query import get_related_populators

from foundation.exceptions import Explained

logger = logging.getLogger(__name__)

INSIST_SECONDS = 20.0  # while the database is down, no other process can write either
COLUMN_ALIAS = re.compile(r' AS "\w+"')
QUOTED_NAME = re.compile(r'(?<=[. ])"([a-z][a-z0-9_]*)"')  # of a column or table; none of ours is a keyword
repeats_if_dead = ContextVar("repeats_if_dead", default=False)  # read by the pool's check (`foundation.postgresql`)
PLAIN_WORD = re.compile(r"[A-Za-z0-9_]+")


def columns_of(model: type[models.Model], *names: str) -> tuple[str, ...]:
    """These fields in the order of the model, which `Model.from_db` expects."""
    return tuple(field.attname for field in model._meta.concrete_fields if field.attname in names)


class Slot(models.Expression):
    """A placeholder in a compiled query for a value that differs from call to call."""

    def __init__(self, name: str, field: "models.Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]


class Statement(NamedTuple):
    """SQL for the database of one vendor."""

    sql: str  # with named placeholders, which both drivers fill in faster than positional ones
    constants: dict[str, Any]
    slots: dict[str, Any]  # the field of each value
    converters: Sequence[tuple[int, Sequence[Callable[..., Any]], Any]]  # from database values, by column
    make_instance: Callable[[Sequence[Any]], Any]  # of a converted row


class CompiledQuery:
    """A queryset that is compiled once. `build_queryset` returns it, with slots in its conditions."""

    def __init__(self, build_queryset: "Callable[[], models.QuerySet[Any, Any]]") -> None:
        self.build_queryset = build_queryset
        self.statements: dict[str, Statement] = {}  # by database vendor
        self.compiling = Lock()

    def row(self, **values: Any) -> list[Any] | None:
        """The first row, converted as the ORM would. One statement."""
        rows = self.rows(1, **values)
        return rows[0] if rows else None

    def rows(self, most: int | None = None, **values: Any) -> list[list[Any]]:
        """The rows of a `values_list()` (all, or not more than so many), converted as the ORM would. One statement."""
        database = connections[DEFAULT_DB_ALIAS]  # looked up once: the `connection` proxy does so for each attribute
        statement = self.statements.get(database.vendor) or self.compile(database)
        return self.execute(statement, database, most, values)

    def instances(self, **values: Any) -> list[Any]:
        """The instances of the queryset's model, with their annotations and related ones. One statement."""
        database = connections[DEFAULT_DB_ALIAS]
        statement = self.statements.get(database.vendor) or self.compile(database)
        return [statement.make_instance(row) for row in self.execute(statement, database, None, values)]

    def execute(
        self, statement: Statement, database: BaseDatabaseWrapper, most: int | None, values: dict[str, Any]
    ) -> list[list[Any]]:
        parameters = {name: field.get_db_prep_value(values[name], database) for name, field in statement.slots.items()}
        rows = first_rows(database, statement.sql, {**statement.constants, **parameters}, most)
        return [convert_row(row, statement, database) for row in rows]

    def prepare(self) -> None:
        """Compile now, so that the first caller does not have to wait. Sends no query."""
        self.compile(connections[DEFAULT_DB_ALIAS])

    def compile(self, database: BaseDatabaseWrapper) -> Statement:
        """Compile under a lock: if many threads are first, one of them compiles."""
        with self.compiling:
            return self.statements.setdefault(database.vendor, compile_queryset(self.build_queryset(), database))


def first_rows(database: Any, sql: str, values: dict[str, Any], most: int | None) -> list[Sequence[Any]]:
    """Execute the statement in place of Django's health check of the database connection, and retry once if it is dead.

    With `CONN_HEALTH_CHECKS`, Django would send one more query at the beginning of each request, or its pool would for
    each connection that it hands out.
    """
    has_pool = bool(getattr(database, "pool", None))
    is_checked = database.health_check_done if database.connection else not has_pool  # a new one needs no check
    is_proven = is_checked or database.in_atomic_block
    database.health_check_done = True
    repeats = repeats_if_dead.set(not is_proven)
    try:
        return fetch_rows(database, sql, values, most)
    except (InterfaceError, OperationalError):
        if is_proven or database.connection is None or database.is_usable():
            raise
    finally:
        repeats_if_dead.reset(repeats)
    database.close()
    return fetch_rows(database, sql, values, most)


def fetch_rows(
    database: BaseDatabaseWrapper, sql: str, values: dict[str, Any], most: int | None
) -> list[Sequence[Any]]:
    with database.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall() if most is None else cursor.fetchmany(most))


def compile_queryset(queryset: "models.QuerySet[Any, Any]", connection: BaseDatabaseWrapper) -> Statement:
    """Compile to SQL for the database of this connection.

    Tables get short aliases, columns none, and names no quotes: psycopg does not cache the parsing of queries longer
    than 4096 bytes. Numbers and plain words become part of the SQL: each parameter costs time in every call, and the
    planner of PostgreSQL can only compare values that it sees with its statistics.
    """
    tables = list(queryset.query.alias_map)
    queryset.query.change_aliases({name: f"k{place}" for place, name in enumerate(tables)})
    vars(queryset.query).pop("base_table", None)  # a cached property, by the old alias
    compiler = queryset.query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    sql = QUOTED_NAME.sub(r"\1", COLUMN_ALIAS.sub("", sql))
    names = [each.name if isinstance(each, Slot) else f"c{place}" for place, each in enumerate(parameters)]
    converters = compiler.get_converters([column for column, *_ in compiler.select])
    named = list(zip(names, parameters, strict=True))
    return Statement(
        sql % tuple(as_literal(each) or f"%({name})s" for name, each in named),
        {name: each for name, each in named if not isinstance(each, Slot) and not as_literal(each)},
        {name: each.output_field for name, each in named if isinstance(each, Slot)},
        [(place, functions, column) for place, (functions, column) in converters.items()],
        instance_maker(compiler) if queryset.query.default_cols else tuple,  # else a `values_list()`
    )


def instance_maker(compiler: Any) -> Callable[[Sequence[Any]], Any]:
    """How Django makes an instance of a row: `ModelIterable`, with what it would find out each time found out once."""
    select, info = compiler.select, compiler.klass_info
    first, end = info["select_fields"][0], info["select_fields"][-1] + 1
    names = [column.target.attname for column, *_ in select[first:end]]
    related = get_related_populators(info, select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]  # stubs of Django 6
    annotations = list((compiler.annotation_col_map or {}).items())

    def make_instance(row: Sequence[Any]) -> Any:
        instance = info["model"].from_db(DEFAULT_DB_ALIAS, names, row[first:end])
        for populator in related:
            populator.populate(row, instance)
        for name, place in annotations:
            setattr(instance, name, row[place])
        return instance

    return make_instance


def as_literal(value: Any) -> str:
    """The SQL literal of a number or a plain word; "" for values that would need quoting, which stay parameters."""
    if isinstance(value, int) and not isinstance(value, bool):  # also psycopg's own classes of numbers
        return str(int(value))
    return f"'{value}'" if isinstance(value, str) and PLAIN_WORD.fullmatch(value) else ""


def convert_row(row: Sequence[Any], statement: Statement, connection: BaseDatabaseWrapper) -> list[Any]:
    columns = list(row)
    for place, converters, column in statement.converters:
        for convert in converters:
            columns[place] = convert(columns[place], column, connection)
    return columns


# Single flight --------------------------------------------------------------------------------------------------------


Result = TypeVar("Result")
ROUNDS = 3  # how often a thread runs the query for others: it has a request of its own to answer
_running: set[Hashable] = set()
_waiting: dict[Hashable, "Future[Any]"] = {}
_guard = Lock()


class NotRun(Explained):
    """The thread that was to run the query for others has stopped: try again."""

    message = "The thread that was to run the query has stopped."


def share_read(question: Hashable, statement: Callable[[], Result]) -> Result:
    """The result of the statement, run by this thread or by one with the same `question`. It must be read-only.

    In a transaction, which may see what others don't, each thread runs its own.
    """
    if connection.in_atomic_block:
        return statement()
    while True:
        with _guard:
            if question not in _running:
                _running.add(question)
                break
            future = _waiting.setdefault(question, Future())
        with suppress(NotRun):
            result: Result = future.result()
            return result
    try:
        return statement()
    finally:
        run_for_others(question, statement)


def run_for_others(question: Hashable, statement: Callable[[], Any]) -> None:
    """Run the statement for the threads that wait, and for those that arrive meanwhile."""
    future: Future[Any] = Future()
    try:
        for _ in range(ROUNDS):
            with _guard:
                if question not in _waiting:
                    return
                future = _waiting.pop(question)
            future.set_result(statement())
    except Error as error:
        future.set_exception(error)
    finally:
        stop_running(question, future)


def stop_running(question: Hashable, future: "Future[Any]") -> None:
    """Release every thread that still waits for this one. Runs after a success and after an error."""
    with _guard:
        _running.discard(question)
        waiting = _waiting.pop(question, None)
    for each in (future, waiting):
        if each and not each.done():
            each.set_exception(NotRun())


def release_connection() -> None:
    """Close the database connection before a call to a third party, unless a transaction is open."""
    if not connection.in_atomic_block:
        connection.close()


def release_scarce_connection() -> None:
    """The same, but not for SQLite, which has no connections to run out of.

    Opening one takes longer than most calls.
    """
    if connection.vendor != "sqlite":
        release_connection()


def is_inside_a_transaction() -> bool:
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def refuse_inside_a_transaction() -> None:
    """Raise RuntimeError in a transaction: responses must be committed whatever the caller does, and without locks."""
    if is_inside_a_transaction():
        raise RuntimeError("A token cannot be renewed inside a transaction: ask for it before the transaction begins.")


def insist(write: Callable[[], Result]) -> Result:
    """Write what exists nowhere else: retry for `INSIST_SECONDS` while the database is down. Must be safe to repeat."""
    ends_at, pause = time.monotonic() + INSIST_SECONDS, 0.1
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > ends_at:
                logger.error("A response of a provider could not be stored (%s).", type(error).__name__)
                raise
        release_connection()
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
        pause = min(pause * 2, 2.0)
