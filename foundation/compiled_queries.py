"""A statement that the ORM writes once for each kind of database, and that is kept: what hot paths ask again and again.

Writing it costs more than asking it. Values that differ from call to call have slots. Knows no model.
"""

import re
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

COLUMN_ALIAS = re.compile(r' AS "\w+"')


def columns_of(model: type[models.Model], *names: str) -> tuple[str, ...]:
    """These fields in the model's own order, which is how `from_db` reads them."""
    return tuple(field.attname for field in model._meta.concrete_fields if field.attname in names)


class Slot(models.Expression):
    """A place in the kept statement for a value that differs from call to call."""

    def __init__(self, name: str, field: "models.Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]


class Written(NamedTuple):
    sql: str  # with named places, which both drivers fill in faster than nameless ones
    fixed: dict[str, Any]
    slots: dict[str, Any]  # the field of each value
    converters: Sequence[tuple[int, Sequence[Callable[..., Any]], Any]]  # from what the database says, by column


class Kept:
    """`question`: a queryset of values in a list, with slots in its conditions."""

    def __init__(self, question: "Callable[[], models.QuerySet[Any, Any]]") -> None:
        self.question = question
        self.written: dict[str, Written] = {}
        self.writing = Lock()

    def row(self, **values: Any) -> list[Any] | None:
        """The first row, as the ORM would hand it over. One statement."""
        database = connections[DEFAULT_DB_ALIAS]  # looked up once: `connection` would ask for each attribute
        kept = self.written.get(database.vendor) or self.write(database)
        given = {name: field.get_db_prep_value(values[name], database) for name, field in kept.slots.items()}
        found = first_row(database, kept.sql, {**kept.fixed, **given})
        return None if found is None else converted(found, kept, database)

    def prepare(self) -> None:
        """Write it now, which the first caller would wait for otherwise. Asks no database."""
        self.write(connections[DEFAULT_DB_ALIAS])

    def write(self, database: BaseDatabaseWrapper) -> Written:
        """Of a crowd that comes first, one writes it."""
        with self.writing:
            return self.written.setdefault(database.vendor, written(self.question(), database))


def first_row(database: Any, sql: str, values: dict[str, Any]) -> Sequence[Any] | None:
    """Django asks at the beginning of each request whether its connection is alive. The statement shows it as well."""
    is_proven = database.connection is None or database.health_check_done or database.in_atomic_block
    database.health_check_done = True
    try:
        return fetched(database, sql, values)
    except (InterfaceError, OperationalError):
        if is_proven or database.is_usable():
            raise
        database.close()
        return fetched(database, sql, values)


def fetched(database: BaseDatabaseWrapper, sql: str, values: dict[str, Any]) -> Sequence[Any] | None:
    with database.cursor() as cursor:
        cursor.execute(sql, values)
        row: Sequence[Any] | None = cursor.fetchone()
        return row


def written(question: "models.QuerySet[Any, Any]", connection: BaseDatabaseWrapper) -> Written:
    """As the database of this vendor wants it. Tables get short names and columns none, which nothing refers to:
    psycopg reads what is longer than 4096 bytes anew each time.
    """
    tables = list(question.query.alias_map)
    question.query.change_aliases({name: f"k{place}" for place, name in enumerate(tables)})
    compiler = question.query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    sql = COLUMN_ALIAS.sub("", sql)
    names = [each.name if isinstance(each, Slot) else f"fixed_{place}" for place, each in enumerate(parameters)]
    converters = compiler.get_converters([column for column, *_ in compiler.select])
    named = list(zip(names, parameters, strict=True))
    return Written(
        sql % tuple(f"%({name})s" for name in names),
        {name: each for name, each in named if not isinstance(each, Slot)},
        {name: each.output_field for name, each in named if isinstance(each, Slot)},
        [(place, each, column) for place, (each, column) in converters.items()],
    )


def converted(found: Sequence[Any], kept: Written, connection: BaseDatabaseWrapper) -> list[Any]:
    columns = list(found)
    for place, converters, column in kept.converters:
        for convert in converters:
            columns[place] = convert(columns[place], column, connection)
    return columns
