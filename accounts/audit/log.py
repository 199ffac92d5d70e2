"""The audit log: append-only events about accounts and the set-up. Holds no secrets.

Knows no other app: each registers the kinds of its events with `add_kinds`.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Count
from django.dispatch import Signal
from django.utils import translation

from accounts.audit.models import AppendOnly, Event, EventQuerySet, Kind, add_kinds, all_kinds
from accounts.models import User

__all__ = [
    "AppendOnly",
    "Event",
    "Kind",
    "add_kinds",
    "all_kinds",
    "attributed_to",
    "count_by_kind",
    "delete_before",
    "detach_user",
    "events_of",
    "has_actor",
    "latest_events",
    "new_event",
    "write",
    "write_all",
    "written",
]

written = Signal()  # sender: Event; event: the new one. Sent after the commit.

DELETED_AT_ONCE = 5_000


@dataclass(frozen=True)
class Actor:
    """The user who causes events, and their network address."""

    who: User | None = None
    address: str = ""
    is_deleted: bool = False  # their account, in this block


_actor: ContextVar[Actor | None] = ContextVar("actor", default=None)


@contextmanager
def attributed_to(who: User | None, address: str) -> Iterator[None]:
    """Attribute the events written inside the block to `who`, at `address`. For code that knows no requests.

    `who` is None for a command on the server itself.
    """
    before = _actor.set(Actor(who, address))
    try:
        yield
    finally:
        _actor.reset(before)


def has_actor() -> bool:
    """Whether this code runs inside `attributed_to`."""
    return _actor.get() is not None


def write(
    kind: str,
    *,
    whose: User | None,
    who: User | None = None,
    detail: str = "",
    address: str | None = None,
    subject: str = "",
    subject_id: UUID | None = None,
    changes: list[dict[str, Any]] | None = None,
) -> Event:
    """Write an event about the account of `whose`, by `who` (default: that of `attributed_to`) from `address`."""
    event = new_event(
        kind, whose=whose, who=who, detail=detail, address=address, subject=subject, subject_id=subject_id
    )
    event.changes = changes or []
    with transaction.atomic():
        event.save()
        if event.who and event.whose and event.who.pk != event.whose.pk:
            copy_to_admin_log(event, event.who, event.whose)
    send_written([event])
    return event


def new_event(
    kind: str,
    *,
    whose: User | None,
    who: User | None = None,
    detail: str = "",
    address: str | None = None,
    subject: str = "",
    subject_id: UUID | None = None,
) -> Event:
    """A new event that is not saved yet, for `write_all`."""
    actor = _actor.get() or Actor()
    who, address = who or actor.who, actor.address if address is None else address
    return Event(
        kind=kind,
        whose=whose,
        whose_name=whose.get_username() if whose else "",
        who=None if actor.is_deleted and who == actor.who else who,
        who_name=who.get_username() if who else "",
        detail=detail[:200],
        address=address[:45],
        subject=subject[:200],
        subject_id=subject_id,
    )


def detach_user(user: User) -> None:
    """Leave only the name of a user who is being deleted in the events that the deletion itself has written.

    Django has emptied the columns of older events by then. An administrator may delete their own account.
    """
    for column in ("who", "whose"):
        Event._base_manager.filter(**{column: user}).update(**{column: None})
    actor = _actor.get()
    if actor and actor.who == user:
        _actor.set(replace(actor, is_deleted=True))


def write_all(lines: Iterable[Event]) -> None:
    """Write many events in one statement. They are not copied to the admin's log."""
    send_written(Event.objects.bulk_create(lines))


def copy_to_admin_log(event: Event, who: User, whose: User) -> None:
    """Copy an action on another user's account to the admin's log, so that the account's history shows it."""
    with translation.override("en"):  # who reads it may have another language than who caused it
        words = event.words
    LogEntry.objects.create(
        user_id=who.pk,
        content_type=ContentType.objects.get_for_model(whose),
        object_id=str(whose.pk),
        object_repr=str(whose)[:200],
        action_flag=CHANGE,
        change_message=" · ".join(filter(None, [words, event.subject])),
    )


def send_written(events: list[Event]) -> None:
    """Send `written` for each event after the commit."""

    def send() -> None:
        for event in events:
            written.send_robust(sender=Event, event=event)

    transaction.on_commit(send)


def events_of(user: User, kind: str = "") -> EventQuerySet:
    """Events of this account, the newest first; of one kind, if given."""
    events = Event.objects.filter(whose=user).order_by("-at", "-id")
    return events.filter(kind=kind) if kind else events


def latest_events(user: User, n: int) -> list[Event]:
    return list(events_of(user)[:n])


def count_by_kind(user: User) -> dict[str, int]:
    """Number of this account's events by kind, without kinds that have none."""
    return dict(events_of(user).order_by().values_list("kind").annotate(Count("pk")))


def delete_before(before: datetime) -> int:
    """Delete events before this moment, in batches so that no lock lasts long. Returns how many."""
    old = Event._base_manager.filter(at__lt=before)
    deleted = 0
    while batch := list(old.values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        deleted += Event._base_manager.filter(pk__in=batch).delete()[0]
    return deleted
