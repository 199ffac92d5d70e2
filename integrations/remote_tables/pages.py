"""Search, sorting and paging of rows. Makes no requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    """The rows that match a search, in order. `total` counts all rows, matching or not.

    Cells are made when they are asked for: a page costs no more than its own rows.
    """

    raw_rows: Sequence[Sequence[Any]]
    kinds: Sequence[str]  # of the columns
    total: int

    @property
    def count(self) -> int:
        return len(self.raw_rows)

    @property
    def rows(self) -> list[Row]:
        return [make_row(self.kinds, row) for row in self.raw_rows]

    def page(self, number: int, *, size: int) -> Page:
        """Return a page; the last one if there are fewer, because rows can disappear between two requests."""
        pages = max(1, -(-self.count // size))
        number = min(max(1, number), pages)
        start = (number - 1) * size
        rows = [make_row(self.kinds, row) for row in self.raw_rows[start : start + size]]
        first, last = (start + 1, start + len(rows)) if rows else (0, 0)
        return Page(rows=rows, number=number, pages=pages, count=self.count, first=first, last=last)


def arrange_rows(answer: Answer, table: RemoteTable, *, q: str = "", sort: str = "") -> ArrangedRows:
    """Search and sort the rows of an answer.

    `sort`: a column's name, with "-" before it for descending. An unknown name leaves the third party's order.
    """
    columns = list(table.columns.all())
    kinds, words = [column.type for column in columns], q.casefold().split()
    rows: Sequence[Sequence[Any]] = answer.rows
    if words:
        rows = [row for row in rows if matches_words(make_row(kinds, row), words)]
    index = index_of(columns, sort)
    if index is not None:
        rows = sort_rows(rows, index, kinds[index], backwards=sort.startswith("-"))
    return ArrangedRows(raw_rows=rows, kinds=kinds, total=len(answer.rows))


def make_row(kinds: Sequence[str], row: Sequence[Any]) -> Row:
    return [make_cell(kind, raw) for kind, raw in zip(kinds, row, strict=True)]


def matches_words(row: Row, words: Sequence[str]) -> bool:
    """Whether every word occurs somewhere in the row."""
    text = " ".join(each.words for each in row)
    return all(word in text for word in words)


def index_of(columns: Sequence[RemoteTableColumn], sort: str) -> int | None:
    names = [column.name for column in columns]
    name = sort.removeprefix("-")
    return names.index(name) if name in names else None


def sort_rows(rows: Sequence[Sequence[Any]], index: int, kind: str, *, backwards: bool) -> Sequence[Sequence[Any]]:
    """Sort by one column. Empty cells come last in both directions; equal rows keep the third party's order."""
    pairs = [(make_cell(kind, row[index]), row) for row in rows]
    filled = [(cell.order, row) for cell, row in pairs if not cell.is_empty]
    filled.sort(key=lambda pair: pair[0], reverse=backwards)
    return [row for _order, row in filled] + [row for cell, row in pairs if cell.is_empty]
