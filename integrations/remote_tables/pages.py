"""Search, sorting and paging of rows. Makes no requests."""

from collections.abc import Sequence
from dataclasses import dataclass

from integrations.models.remote_tables import RemoteTable, RemoteTableColumn
from integrations.remote_tables.cells import Cell, make_cell
from integrations.remote_tables.reading import Answer

Row = list[Cell]


@dataclass(frozen=True, kw_only=True)
class Page:
    rows: Sequence[Row]
    number: int  # from 1
    pages: int
    count: int  # of all matching rows

    first: int  # position of the first row among them, from 1; 0 if there are none
    last: int

    @property
    def previous(self) -> int | None:
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        return self.number + 1 if self.number < self.pages else None


@dataclass(frozen=True, kw_only=True)
class ArrangedRows:
    """The rows that match a search, in order. `total` counts all rows, matching or not."""

    rows: list[Row]
    total: int

    @property
    def count(self) -> int:
        return len(self.rows)

    def page(self, number: int, *, size: int) -> Page:
        """Return a page; the last one if there are fewer, because rows can disappear between two requests."""
        pages = max(1, -(-self.count // size))
        number = min(max(1, number), pages)
        start = (number - 1) * size
        rows = self.rows[start : start + size]
        first, last = (start + 1, start + len(rows)) if rows else (0, 0)
        return Page(rows=rows, number=number, pages=pages, count=self.count, first=first, last=last)


def arrange_rows(answer: Answer, table: RemoteTable, *, q: str = "", sort: str = "") -> ArrangedRows:
    """Search and sort the rows of an answer.

    `sort`: a column's name, with "-" before it for descending. An unknown name leaves the third party's order.
    """
    columns = list(table.columns.all())
    rows = [[make_cell(column.type, raw) for column, raw in zip(columns, row, strict=True)] for row in answer.rows]
    matching = [row for row in rows if matches_query(row, q)]
    index = index_of(columns, sort)
    if index is not None:
        matching = sort_rows(matching, index, backwards=sort.startswith("-"))
    return ArrangedRows(rows=matching, total=len(rows))


def matches_query(row: Row, q: str) -> bool:
    """Whether every word of the query occurs somewhere in the row."""
    words = " ".join(each.words for each in row)
    return all(word in words for word in q.casefold().split())


def index_of(columns: Sequence[RemoteTableColumn], sort: str) -> int | None:
    names = [column.name for column in columns]
    name = sort.removeprefix("-")
    return names.index(name) if name in names else None


def sort_rows(rows: list[Row], index: int, *, backwards: bool) -> list[Row]:
    """Sort by one column. Empty cells come last in both directions; equal rows keep the third party's order."""
    filled = [row for row in rows if not row[index].is_empty]
    empty = [row for row in rows if row[index].is_empty]
    return sorted(filled, key=lambda row: row[index].order, reverse=backwards) + empty
