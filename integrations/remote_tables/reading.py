"""One person's rows: from the third party or, where the table allows it, as they were a while ago."""

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
from integrations.remote_tables.fetch import answer_to
from integrations.remote_tables.sources import SetUpWrongly, Source

NAMES_TOLD = 12
LONGEST_READING = 10.0  # seconds, for all cells


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Each row's values as the third party has them, in the order of the columns."""

    rows: list[list[Any]]
    read_at: datetime
    is_cut: bool  # there were more rows than the table's limit


def read(table: RemoteTable, user: User, source: Source, *, fresh: bool = False) -> Answer:
    """The rows as they are now, or as they were at most the table's cache seconds ago; `fresh` asks in any case.

    Raises `NoUsableToken`, `TurnedOff`, `NotAllowed`, `SetUpWrongly` or another `OAuthError`.
    """
    source.check()
    answer = None if fresh else kept(table, source)
    if answer is None:
        answer = rows_in(table, answer_to(table, user, source))
        written = {"rows": answer.rows, "at": answer.read_at.isoformat(), "cut": answer.is_cut}
        cache.keep(table, source, written)
    return answer


def kept(table: RemoteTable, source: Source) -> Answer | None:
    """What was read a while ago with exactly these tokens."""
    found = cache.find(table, source)
    if found is None:
        return None
    return Answer(rows=found["rows"], read_at=datetime.fromisoformat(found["at"]), is_cut=found["cut"])


@sensitive_variables()
def rows_in(table: RemoteTable, answer: Any) -> Answer:
    try:
        found = expressions.extracted(table.rows_path, answer)
    except BadExpression as error:
        raise SetUpWrongly("rows_path", _("JMESPath to the rows: %(why)s") % {"why": error}) from None
    if not isinstance(found, list):
        raise SetUpWrongly("rows_path", not_a_list(table.rows_path, found, answer))
    rows = values_of(found[: table.row_limit], [column.path for column in table.columns.all()])
    return Answer(rows=rows, read_at=timezone.now(), is_cut=len(found) > table.row_limit)


def values_of(rows: list[Any], paths: list[str]) -> list[list[Any]]:
    """Of each row what its columns find, all within one time: a thousand slow cells are not each given ten seconds."""
    ends_at = monotonic() + LONGEST_READING
    with expressions.until(ends_at):
        values = [[value_at(path, row) for path in paths] for row in rows]
    if monotonic() > ends_at:
        raise SetUpWrongly("columns", _("The paths of the columns take too long with what was found."))
    return values


def not_a_list(path: str, found: Any, answer: Any) -> str:
    told = _("The JMESPath to the rows, “%(path)s”, leads to no list but to %(kind)s.")
    words = told % {"path": path, "kind": kind_of(found)}
    if isinstance(answer, dict):
        names = ", ".join(str(name)[:40] for name in list(answer)[:NAMES_TOLD])
        words += " " + _("The answer has: %(names)s.") % {"names": names or _("nothing")}
    return words


def kind_of(found: Any) -> str:
    if found is None:
        return _("nothing")
    return _("an object") if isinstance(found, dict) else _("a single value")


def value_at(path: str, row: Any) -> Any:
    """What a column finds nothing for, or cannot be applied to, is empty; the row stays."""
    try:
        value = expressions.extracted(path, row)
    except BadExpression:
        return None
    return as_long_as_people_read(value)


def as_long_as_people_read(value: Any) -> Any:
    """What is cut says so by its end."""
    if not isinstance(value, str | list | dict):
        return value
    written = value if isinstance(value, str) else beginning_of_json(value)
    return value if len(written) <= LONGEST_TEXT else f"{written[:LONGEST_TEXT]}…"


def beginning_of_json(value: Any) -> str:
    """All of it, or more than `LONGEST_TEXT` characters: a path can make much out of little."""
    written = ""
    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        written += piece
        if len(written) > LONGEST_TEXT:
            break
    return written
