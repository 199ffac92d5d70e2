"""CSV export (RFC 4180), line by line. No cell is a formula to the spreadsheet that opens it."""

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

from integrations.models.remote_tables import ColumnType, RemoteTableColumn
from integrations.remote_tables.cells import Cell, as_number
from integrations.remote_tables.pages import Row

SIGNS = r"=+\-@＝＋－＠"  # the last four are full-width; some spreadsheets treat them like the others
# In locales with a decimal comma, spreadsheets split cells at semicolons or tabs, and ignore the quotes around these.
STARTS_A_FORMULA = re.compile(rf"\A(?=[{SIGNS}\t\r\n])|(?<=[;\t\r\n])(?=[{SIGNS}])")


class Line:
    """File for `csv.writer` that returns each line instead of storing it."""

    def write(self, line: str) -> str:
        return line


def csv_lines(columns: Iterable[RemoteTableColumn], rows: Iterable[Row], *, note: str = "") -> Iterator[str]:
    """The lines. `note`: what people must know about the rows, as the last line."""
    writer = csv.writer(Line())
    yield str(writer.writerow([escape_formula(column.label) for column in columns]))
    for row in rows:
        yield str(writer.writerow([csv_value(cell) for cell in row]))
    if note:
        yield str(writer.writerow([escape_formula(note)]))


def csv_value(cell: Cell) -> Any:
    """Numbers stay numbers; everything else is text that no spreadsheet evaluates."""
    if cell.is_empty:
        return ""
    if isinstance(cell.value, bool):
        return "true" if cell.value else "false"
    if isinstance(cell.value, int | float):
        return cell.value
    return escape_formula(str(cell.value) if cell.type in (ColumnType.DATE, ColumnType.DATE_TIME) else text_of(cell))


def text_of(cell: Cell) -> str:
    return cell.url or cell.text


def escape_formula(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would evaluate. "-5" is a number and stays as it is."""
    return text if text[:1] in ("+", "-") and as_number(text) is not None else STARTS_A_FORMULA.sub("'", text)
