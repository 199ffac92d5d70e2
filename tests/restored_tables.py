"""Gives the tables back as they were, after a test whose transactions are real.

Django would empty all of them, and fill some again as after a migration, in 300 statements. Few tests touch more than
five tables; so only those that differ are emptied, and filled with the rows that a new database has.
"""

from typing import Any

from django.db import connection, transaction

from foundation import installation

Row = tuple[Any, ...]


class Tables:
    """The tables of a new database, with their rows."""

    def __init__(self) -> None:
        mark_as_new()  # a database that was copied from a migrated template has the template's mark
        filled = self.filled()
        self.columns = {table: self.columns_of(table) for table in filled}
        self.rows = {table: self.rows_of(table) for table in filled}

    def restore(self) -> None:
        """Restore the tables that differ, whatever test did it."""
        with transaction.atomic():
            different = [table for table in self.filled() | self.rows.keys() if self.is_different(table)]
            with connection.cursor() as cursor:
                for table in different:
                    cursor.execute(f"DELETE FROM {quoted(table)}")  # noqa: S608  the names of our own tables
                for table in self.rows.keys() & set(different):
                    names = ", ".join(map(quoted, self.columns[table]))
                    places = ", ".join(["%s"] * len(self.columns[table]))
                    cursor.executemany(f"INSERT INTO {quoted(table)} ({names}) VALUES ({places})", self.rows[table])  # noqa: S608
        mark_as_new()

    def is_different(self, table: str) -> bool:
        return table not in self.rows or self.rows_of(table) != self.rows[table]

    def filled(self) -> set[str]:
        """Name the tables with rows, but that of the installation's mark."""
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        query = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {quoted(name)})" for name in tables)  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute(query)
            return {name for (name,) in cursor.fetchall()} - {installation.Installation._meta.db_table}

    def rows_of(self, table: str) -> list[Row]:
        names = ", ".join(map(quoted, self.columns[table]))
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {names} FROM {quoted(table)} ORDER BY 1")  # noqa: S608
            return list(cursor.fetchall())

    @staticmethod
    def columns_of(table: str) -> list[str]:
        with connection.cursor() as cursor:
            return [column.name for column in connection.introspection.get_table_description(cursor, table)]


def mark_as_new() -> None:
    """Give the database a mark of this moment: an older one, or another's, would look like a backup's."""
    installation.Installation.objects.all().delete()
    installation.create_mark()


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)
