"""Remote tables: a third party's records, read with the viewer's own token, then searched, sorted and paged.

    table = RemoteTable.objects.available_to(user).get(name="contacts")
    answer = remote_tables.read_table(table, user, remote_tables.source_of(table, user))
    page = remote_tables.arrange_rows(answer, table, q="ana", sort="-name").page(1, size=25)

    fetch       where a table is read; its action         all_pages  a list, read page by page
    reading     the rows of a table                       next_page  where a list continues; page_members, page_requests
    bodies      one answer: JSON, CSV, an error           errors     whose fault it is
    cells       one value, for people and for programs    moments    dates and times as APIs write them
    cache       rows, sealed, by person and token         pages      search, sorting and paging
    csv_export  the same as CSV

Only the viewer's own token is ever used, and no person is shown rows read with another person's token.
"""

from integrations.remote_tables.bodies import LIMITED
from integrations.remote_tables.cells import Cell
from integrations.remote_tables.csv_export import csv_lines
from integrations.remote_tables.errors import NotAllowed, NotRead, ProviderError, TableMisconfigured, TurnedOff
from integrations.remote_tables.fetch import READS, Source, source_of, sources_of, tables_using
from integrations.remote_tables.pages import ArrangedRows, Page, arrange_rows
from integrations.remote_tables.reading import Answer, cached_answer, read_table

__all__ = [
    "LIMITED",
    "READS",
    "Answer",
    "ArrangedRows",
    "Cell",
    "NotAllowed",
    "NotRead",
    "Page",
    "ProviderError",
    "Source",
    "TableMisconfigured",
    "TurnedOff",
    "arrange_rows",
    "cached_answer",
    "csv_lines",
    "read_table",
    "source_of",
    "sources_of",
    "tables_using",
]
