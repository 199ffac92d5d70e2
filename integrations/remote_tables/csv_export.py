"""A table as CSV (RFC 4180), line by line, in which nothing is a formula to whoever opens it."""

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

from integrations.models.remote_tables import ColumnType, RemoteTableColumn
from integrations.remote_tables.cells import Cell, as_number
from integrations.remote_tables.pages import Row

SIGNS = r"=+\-@＝＋－＠"  # the last four are full-width, which some spreadsheets read as the others
# Where a comma is written in numbers, spreadsheets part cells at semicolons or tabs, and see no quotes around these.
STARTS_A_FORMULA = re.compile(rf"\A(?=[{SIGNS}\t\r\n])|(?<=[;\t\r\n])(?=[{SIGNS}])")


class Line:
    """What csv writes to: it hands each line back."""

    def write(self, line: str) -> str:
        return line


def csv_lines(columns: Iterable[RemoteTableColumn], rows: Iterable[Row]) -> Iterator[str]:
    writer = csv.writer(Line())
    yield str(writer.writerow([harmless(column.label) for column in columns]))
    for row in rows:
        yield str(writer.writerow([written(each) for each in row]))


def written(cell: Cell) -> Any:
    """Numbers stay numbers; everything else is text that calculates nothing."""
    if cell.is_empty:
        return ""
    if isinstance(cell.value, bool):
        return "true" if cell.value else "false"
    if isinstance(cell.value, int | float):
        return cell.value
    return harmless(str(cell.value) if cell.type in (ColumnType.DATE, ColumnType.DATE_TIME) else shown(cell))


def shown(cell: Cell) -> str:
    return cell.url or cell.text


def harmless(text: str) -> str:
    """With an apostrophe before what a spreadsheet would calculate. "-5" is a number, and calculates nothing."""
    return text if text[:1] in ("+", "-") and as_number(text) is not None else STARTS_A_FORMULA.sub("'", text)
