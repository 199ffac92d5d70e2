"""Rows searched, sorted and cut into pages. Asks nobody."""

from collections.abc import Sequence
from dataclasses import dataclass

from integrations.models.remote_tables import RemoteTable, RemoteTableColumn
from integrations.remote_tables.cells import Cell, cell
from integrations.remote_tables.reading import Answer

Row = list[Cell]


@dataclass(frozen=True, kw_only=True)
class Page:
    rows: Sequence[Row]
    number: int  # from 1
    pages: int
    count: int  # of all rows found

    first: int  # which of them these are, from 1; 0 where there are none
    last: int

    @property
    def previous(self) -> int | None:
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        return self.number + 1 if self.number < self.pages else None


@dataclass(frozen=True, kw_only=True)
class Arranged:
    """The rows that were found, in order. `total` is how many there were to search."""

    rows: list[Row]
    total: int

    @property
    def count(self) -> int:
        return len(self.rows)

    def page(self, number: int, *, size: int) -> Page:
        """The last one, where there are fewer: rows go away between two looks."""
        pages = max(1, -(-self.count // size))
        number = min(max(1, number), pages)
        start = (number - 1) * size
        rows = self.rows[start : start + size]
        first, last = (start + 1, start + len(rows)) if rows else (0, 0)
        return Page(rows=rows, number=number, pages=pages, count=self.count, first=first, last=last)


def arranged(answer: Answer, table: RemoteTable, *, q: str = "", sort: str = "") -> Arranged:
    """`sort`: a column's name, "-" before it for the other direction; an unknown one leaves the third party's order."""
    columns = list(table.columns.all())
    rows = [[cell(column.type, raw) for column, raw in zip(columns, row, strict=True)] for row in answer.rows]
    found = [row for row in rows if matches(row, q)]
    place = place_of(columns, sort)
    if place is not None:
        found = in_order(found, place, backwards=sort.startswith("-"))
    return Arranged(rows=found, total=len(rows))


def matches(row: Row, q: str) -> bool:
    """Every word stands somewhere in the row."""
    words = " ".join(each.words for each in row)
    return all(word in words for word in q.casefold().split())


def place_of(columns: Sequence[RemoteTableColumn], sort: str) -> int | None:
    names = [column.name for column in columns]
    wanted = sort.removeprefix("-")
    return names.index(wanted) if wanted in names else None


def in_order(rows: list[Row], place: int, *, backwards: bool) -> list[Row]:
    """What is empty stands last, in both directions. Equal rows stay in the third party's order."""
    filled = [row for row in rows if not row[place].is_empty]
    empty = [row for row in rows if row[place].is_empty]
    return sorted(filled, key=lambda row: row[place].order, reverse=backwards) + empty
