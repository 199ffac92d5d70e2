"""Reading one person's rows: from the third party or, if the table allows it, from the cache."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables
from requests import Response

from accounts.models import User
from foundation.oauth_client.provider_profile import STANDARD, ProviderProfile
from integrations import calls, expressions
from integrations.expressions import BadExpression
from integrations.models.remote_tables import RemoteTable
from integrations.remote_tables import cache
from integrations.remote_tables.all_pages import ListReader, RowsRead
from integrations.remote_tables.bodies import finds_nothing, parse_body, provider_error, says_error
from integrations.remote_tables.cells import LONGEST_TEXT
from integrations.remote_tables.errors import TableMisconfigured
from integrations.remote_tables.fetch import ActionPages, Source
from integrations.remote_tables.next_page import says_more
from integrations.remote_tables.page_requests import PageRequest

MOST_NAMES = 12  # of members of an answer, in a message
LONGEST_READING = 10.0  # seconds, for all cells
# Why there are more rows than were read.
WHY_CUT = {
    "limit": gettext_lazy("The table has more rows than its row limit."),
    "elsewhere": gettext_lazy(
        "The next page is on another server, or not below the Connection URL, so it is not followed."
    ),
    "unsaid": gettext_lazy(
        "The third party says or lets guess that there is more, but not where. Say in Provider’s ways how lists are "
        "paged (paging), or ask for larger pages in Query."
    ),
    "stopped": gettext_lazy("Reading all pages takes too long. Ask for larger pages, or for fewer rows, in Query."),
    "failed": gettext_lazy("The third party didn’t answer when it was asked for the next page."),
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Values of each row as the third party sent them, in the order of the columns."""

    rows: list[list[Any]]
    read_at: datetime
    why_cut: str = ""  # a key of WHY_CUT; "" if these are all rows

    @property
    def is_cut(self) -> bool:
        return bool(self.why_cut)

    @property
    def why_cut_sentence(self) -> str:
        """For administrators: why the other rows were not read."""
        return str(WHY_CUT.get(self.why_cut, ""))


def read_table(table: RemoteTable, user: User, source: Source, *, fresh: bool = False) -> Answer:
    """Return the rows as they are now, or from the cache, at most `cache_seconds` old. `fresh` bypasses the cache.

    Raises `NoUsableToken`, `TurnedOff`, `NotAllowed`, `TableMisconfigured` or another `OAuthError`.
    """
    source.check()
    answer = None if fresh else cached_answer(table, source)
    if answer is None:
        read = read_action(table, user, source) if table.action else read_alias(table, user, source)
        rows = evaluate_columns(read.rows, [column.path for column in table.columns.all()])
        answer = Answer(rows=rows, read_at=timezone.now(), why_cut=read.why_cut)
        stored = {"rows": answer.rows, "at": answer.read_at.isoformat(), "why_cut": answer.why_cut}
        if answer.why_cut != "failed":
            cache.keep(table, source, stored)
    return answer


def cached_answer(table: RemoteTable, source: Source) -> Answer | None:
    """Return the cached rows that were read with exactly these tokens; None if there are none."""
    stored = cache.find(table, source)
    if stored is None or "why_cut" not in stored:  # from before an upgrade
        return None
    return Answer(rows=stored["rows"], read_at=datetime.fromisoformat(stored["at"]), why_cut=stored["why_cut"])


def read_action(table: RemoteTable, user: User, source: Source) -> RowsRead:
    """Run the action, and repeat its last step for further pages, if that is where the rows come from."""
    assert table.action is not None  # noqa: S101 - the caller checks it
    pages = ActionPages(table, table.action, user, source)
    path, profile = pages.list_path, pages.profile
    reader = ListReader(
        row_limit=table.row_limit,
        rows_path=path or "",
        first=PageRequest(path=""),
        profile=profile,
        read_page=pages.read_page,
        parse=pages.parse,
        find_rows=lambda document, response: rows_in_outputs(table, pages.outputs, document, response, profile),
        find_elements=lambda document, rows: find_elements(path or "", document, rows),
        sets_size=False,
    )
    if path is not None:
        return reader.read()
    reader.read_first()
    if len(reader.rows) > table.row_limit:
        return reader.end("limit")
    counted = len(find_elements(table.rows_path, pages.outputs, reader.rows))
    return reader.end("unsaid" if says_more(pages.outputs, table.rows_path, counted) else "")


def read_alias(table: RemoteTable, user: User, source: Source) -> RowsRead:
    alias = source.integrations[0].alias
    connection = alias.connection
    assert connection is not None  # noqa: S101 - `Source.check` checks it
    profile = source.integrations[0].registry.readable_profile

    def read_page(request: PageRequest, seconds: float) -> tuple[Response, PageRequest]:
        try:
            response = calls.send(
                user,
                connection,
                "GET",
                request.path,
                params=request.parameters,
                headers={"Accept": "application/json, text/csv;q=0.5"},
                timeout=seconds,
                used_by=table.title,
            )
        except calls.BadPath as error:
            raise TableMisconfigured("bad_path", str(error)) from None
        return response, request

    reader = ListReader(
        row_limit=table.row_limit,
        rows_path=table.rows_path,
        first=PageRequest(path=table.path, parameters=table.parameters),
        profile=profile,
        read_page=read_page,
        parse=lambda response: parse_body(response, profile),
        find_rows=lambda document, response: extract_rows(table, document, response, profile),
        find_elements=lambda document, rows: find_elements(table.rows_path, document, rows),
    )
    return reader.read()


def find_elements(path: str, document: Any, rows: list[Any]) -> list[Any]:
    """The elements of the list, before the path to the rows selects among them."""
    to_list = re.split(r"\[|\|", path, maxsplit=1)[0].strip()
    if to_list == path.strip():
        return rows
    try:
        elements = expressions.extract_value(to_list or "@", document)
    except BadExpression:
        return rows
    return elements if isinstance(elements, list) and len(elements) >= len(rows) else rows


def rows_in_outputs(
    table: RemoteTable, outputs: dict[str, Any], document: Any, response: Response, profile: ProviderProfile
) -> list[Any]:
    """The list in the outputs. If it is missing or empty, an error in the last answer says why."""
    if not says_error(document):
        return extract_rows(table, outputs)
    with suppress(TableMisconfigured):
        rows = extract_rows(table, outputs)
        if rows or finds_nothing(document):
            return rows
    raise provider_error(response, document, profile)


@sensitive_variables()
def extract_rows(
    table: RemoteTable, document: Any, response: Response | None = None, profile: ProviderProfile = STANDARD
) -> list[Any]:
    """The list that the path leads to. `response`: that of the document, which may say that something went wrong."""
    try:
        rows = expressions.extract_value(table.rows_path, document)
    except BadExpression as error:
        raise TableMisconfigured("rows_path", _("JMESPath to the rows: %(why)s") % {"why": error}) from None
    if isinstance(rows, list) and (rows or finds_nothing(document)):
        return rows
    if response is not None and says_error(document):
        raise provider_error(response, document, profile)
    if isinstance(rows, list):
        return rows
    if response is not None and is_null_member(table.rows_path, document):  # how some servers write an empty list
        return []
    raise TableMisconfigured("rows_path", not_a_list_message(table.rows_path, rows, document))


def is_null_member(path: str, document: Any) -> bool:
    """Whether the path is one of plain names, and the document has a null in that place."""
    if path.strip() == "@":
        return document is None
    *outer, last = path.strip().split(".")
    for name in outer:
        document = document.get(name) if isinstance(document, dict) else None
    return isinstance(document, dict) and last in document and document[last] is None


def evaluate_columns(rows: list[Any], paths: list[str]) -> list[list[Any]]:
    """Evaluate the columns of all rows within one deadline, so that a thousand slow cells don't get 10 seconds each."""
    ends_at = monotonic() + LONGEST_READING
    with expressions.until(ends_at):
        values = [[evaluate_cell(path, row) for path in paths] for row in rows]
    if monotonic() > ends_at:
        raise TableMisconfigured("columns", _("The paths of the columns take too long with this answer."))
    return values


def not_a_list_message(path: str, result: Any, answer: Any) -> str:
    message = not_a_list_sentence(result) % {"path": path}
    if isinstance(answer, dict):
        names = ", ".join(str(name)[:40] for name in list(answer)[:MOST_NAMES])
        message += " " + (
            _("The answer contains: %(names)s.") % {"names": names} if names else _("The answer is empty.")
        )
    return message


def not_a_list_sentence(result: Any) -> str:
    if result is None:
        return _("The JMESPath to the rows, “%(path)s”, leads to nothing.")
    if isinstance(result, dict):
        return _("The JMESPath to the rows, “%(path)s”, leads to an object, not to a list.")
    return _("The JMESPath to the rows, “%(path)s”, leads to a single value, not to a list.")


def evaluate_cell(path: str, row: Any) -> Any:
    """Evaluate one cell. It is empty if the path finds nothing or cannot be applied; the row stays."""
    try:
        value = expressions.extract_value(path, row)
    except BadExpression:
        return None
    return truncate_value(value)


def truncate_value(value: Any) -> Any:
    """Truncate a long value, with an ellipsis at its end."""
    if not isinstance(value, str | list | dict):
        return value
    text = value if isinstance(value, str) else dump_beginning(value)
    return value if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def dump_beginning(value: Any) -> str:
    """Serialize to JSON, but stop after `LONGEST_TEXT` characters: a path can build a large value from a small row."""
    text = ""
    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        text += piece
        if len(text) > LONGEST_TEXT:
            break
    return text
