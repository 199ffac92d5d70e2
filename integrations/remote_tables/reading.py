"""Reading one person's rows: from the third party or, if the table allows it, from the cache."""

import json
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from integrations import expressions
from integrations.expressions import BadExpression
from integrations.models.remote_tables import RemoteTable
from integrations.remote_tables import cache
from integrations.remote_tables.cells import LONGEST_TEXT
from integrations.remote_tables.fetch import Source, TableMisconfigured, fetch_answer

MOST_NAMES = 12  # of members of an answer, in a message
LONGEST_READING = 10.0  # seconds, for all cells


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Values of each row as the third party sent them, in the order of the columns."""

    rows: list[list[Any]]
    read_at: datetime
    is_cut: bool  # there are more rows than the table's limit


def read_table(table: RemoteTable, user: User, source: Source, *, fresh: bool = False) -> Answer:
    """Return the rows as they are now, or from the cache, at most `cache_seconds` old. `fresh` bypasses the cache.

    Raises `NoUsableToken`, `TurnedOff`, `NotAllowed`, `TableMisconfigured` or another `OAuthError`.
    """
    source.check()
    answer = None if fresh else kept(table, source)
    if answer is None:
        answer = extract_rows(table, fetch_answer(table, user, source))
        stored = {"rows": answer.rows, "at": answer.read_at.isoformat(), "cut": answer.is_cut}
        cache.keep(table, source, stored)
    return answer


def kept(table: RemoteTable, source: Source) -> Answer | None:
    """Return the cached rows that were read with exactly these tokens; None if there are none."""
    stored = cache.find(table, source)
    if stored is None:
        return None
    return Answer(rows=stored["rows"], read_at=datetime.fromisoformat(stored["at"]), is_cut=stored["cut"])


@sensitive_variables()
def extract_rows(table: RemoteTable, answer: Any) -> Answer:
    try:
        raw_rows = expressions.extract_value(table.rows_path, answer)
    except BadExpression as error:
        raise TableMisconfigured("rows_path", _("JMESPath to the rows: %(why)s") % {"why": error}) from None
    if not isinstance(raw_rows, list):
        raise TableMisconfigured("rows_path", not_a_list_message(table.rows_path, raw_rows, answer))
    rows = evaluate_columns(raw_rows[: table.row_limit], [column.path for column in table.columns.all()])
    return Answer(rows=rows, read_at=timezone.now(), is_cut=len(raw_rows) > table.row_limit)


def evaluate_columns(rows: list[Any], paths: list[str]) -> list[list[Any]]:
    """Evaluate the columns of all rows within one deadline, so that a thousand slow cells don't get 10 seconds each."""
    ends_at = monotonic() + LONGEST_READING
    with expressions.until(ends_at):
        values = [[evaluate_cell(path, row) for path in paths] for row in rows]
    if monotonic() > ends_at:
        raise TableMisconfigured("columns", _("The paths of the columns take too long with this answer."))
    return values


def not_a_list_message(path: str, result: Any, answer: Any) -> str:
    sentence = _("The JMESPath to the rows, “%(path)s”, leads to %(kind)s, not to a list.")
    message = sentence % {"path": path, "kind": describe_kind(result)}
    if isinstance(answer, dict):
        names = ", ".join(str(name)[:40] for name in list(answer)[:MOST_NAMES])
        message += " " + _("The answer contains: %(names)s.") % {"names": names or _("nothing")}
    return message


def describe_kind(result: Any) -> str:
    if result is None:
        return _("nothing")
    return _("an object") if isinstance(result, dict) else _("a single value")


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
