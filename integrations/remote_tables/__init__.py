"""Remote tables: a third party's records, read as whoever looks at them, then searched, sorted and shown by the page.

    table = RemoteTable.objects.available_to(user).get(name="contacts")
    answer = remote_tables.read(table, user, remote_tables.source_of(table, user))
    page = remote_tables.arranged(answer, table, q="ana", sort="-name").page(1, size=25)

    sources   through which integrations               keeping    for a while, sealed, for that person and token
    asking    the third party, by alias or action      cells      one value, for people and for programs
    reading   the rows in its answer                   arranging  searched, sorted, in pages
    files     the same as CSV

Nobody's token but the person's is ever used, and no row of one person is shown to another.
"""

from integrations.remote_tables.cells import Cell
from integrations.remote_tables.csv_export import csv_lines
from integrations.remote_tables.fetch import LIMITED, READS, NotAllowed
from integrations.remote_tables.pages import Arranged, Page, arranged
from integrations.remote_tables.reading import Answer, kept, read
from integrations.remote_tables.sources import SetUpWrongly, Source, TurnedOff, source_of, sources_of, uses_of

__all__ = [
    "LIMITED",
    "READS",
    "Answer",
    "Arranged",
    "Cell",
    "NotAllowed",
    "Page",
    "SetUpWrongly",
    "Source",
    "TurnedOff",
    "arranged",
    "csv_lines",
    "kept",
    "read",
    "source_of",
    "sources_of",
    "uses_of",
]
