"""Remote tables: a third party's records, read with the viewer's own token, then searched, sorted and paged.

    table = RemoteTable.objects.available_to(user).get(name="contacts")
    answer = remote_tables.read(table, user, remote_tables.source_of(table, user))
    page = remote_tables.arranged(answer, table, q="ana", sort="-name").page(1, size=25)

    fetch       where a table is read, and the answer     cache   rows, sealed, by person and token
    cells       one value, for people and for programs
    reading     the rows of an answer                     pages   search, sorting and paging
    csv_export  the same as CSV

Only the viewer's own token is ever used, and no person is shown rows read with another person's token.
"""

from integrations.remote_tables.cells import Cell
from integrations.remote_tables.csv_export import csv_lines
from integrations.remote_tables.fetch import (
    LIMITED,
    READS,
    NotAllowed,
    Source,
    TableMisconfigured,
    TurnedOff,
    source_of,
    sources_of,
    tables_using,
)
from integrations.remote_tables.pages import ArrangedRows, Page, arrange_rows
from integrations.remote_tables.reading import Answer, kept, read_table

__all__ = [
    "LIMITED",
    "READS",
    "Answer",
    "ArrangedRows",
    "Cell",
    "NotAllowed",
    "Page",
    "Source",
    "TableMisconfigured",
    "TurnedOff",
    "arrange_rows",
    "csv_lines",
    "kept",
    "read_table",
    "source_of",
    "sources_of",
    "tables_using",
]
