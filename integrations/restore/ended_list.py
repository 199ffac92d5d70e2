"""Export of the audit log as JSON lines, and its use as a list of what was ended since a backup.

One line for each event, with its members as `Event` names them. CSV with the same names in its first line is read too.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime

from accounts.audit.log import Event
from foundation.exceptions import Explained

NAMES = ("at", "kind", "whose_name", "who_name", "address", "subject", "subject_id", "detail", "changes")


class BadList(Explained, ValueError):
    """A line of a list can't be read. The message has its number and no content."""

    message = "The list can't be read."

    def __init__(self, number: int) -> None:
        super().__init__(f"Line {number} is no event of the audit log: expected JSON or CSV with {', '.join(NAMES)}.")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """One event of the list. `changes`: old and new values, by the name of the field."""

    at: datetime
    kind: str
    whose_name: str = ""
    subject: str = ""
    subject_id: UUID | None = None
    detail: str = ""
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)


def export_events(since: datetime | None = None) -> Iterator[str]:
    """Yield the events of the audit log as lines of JSON, the oldest first."""
    events = Event.objects.order_by("at", "pk").values(*NAMES)
    for event in (events.filter(at__gte=since) if since else events).iterator(chunk_size=1000):
        yield json.dumps(event, default=str, ensure_ascii=False)


def read_list(lines: Iterable[str], *, since: datetime) -> list[Ended]:
    """Return the events of a list after this moment, in their order. Raises `BadList`."""
    rows = enumerate(lines, start=1)
    first_number, first = next(rows, (0, ""))
    events = []
    if first and not first.lstrip("\ufeff").lstrip().startswith("{"):
        columns = next(csv.reader([first.lstrip("\ufeff")]))
        if not {"at", "kind"} <= set(columns):
            raise BadList(first_number)
        reader = csv.DictReader((line for _number, line in rows), columns)
        events = [parse_event(row, number) for number, row in enumerate(reader, start=2)]
    elif first:
        numbered = [(first_number, first.lstrip("\ufeff")), *rows]
        events = [parse_event(parse_json(line, number), number) for number, line in numbered if line.strip()]
    return sorted((event for event in events if event.at > since), key=lambda event: event.at)


def parse_json(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        raise BadList(number) from None


def parse_event(row: Any, number: int) -> Ended:
    try:
        at = parse_datetime(str(row["at"]))
        if at is None or at.tzinfo is None:
            raise ValueError
        changes = row.get("changes") or []
        changes = json.loads(changes) if isinstance(changes, str) else changes
        return Ended(
            at=at,
            kind=str(row["kind"]),
            whose_name=row.get("whose_name") or "",
            subject=row.get("subject") or "",
            subject_id=UUID(str(row["subject_id"])) if row.get("subject_id") else None,
            detail=row.get("detail") or "",
            changes={change["name"]: change for change in changes},
        )
    except (ValueError, TypeError, LookupError, AttributeError):
        raise BadList(number) from None
