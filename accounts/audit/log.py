"""What happened: one line for each event, for the person whose account it concerns. Append-only, no secrets.

Knows no other app: those that have events of their own name their kinds with `add_kinds`.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Count
from django.dispatch import Signal

from accounts.audit.event_kinds import Kind, add_kinds, all_kinds
from accounts.audit.models import AppendOnly, Event, EventQuerySet
from accounts.models import User

__all__ = [
    "AppendOnly",
    "Event",
    "Kind",
    "add_kinds",
    "all_kinds",
    "by",
    "counts",
    "is_anybody_at_work",
    "latest",
    "line",
    "of",
    "prune",
    "write",
    "write_all",
    "written",
]

written = Signal()  # sender: Event; event: the new one. Once it is committed.

DELETED_AT_ONCE = 5_000


@dataclass(frozen=True)
class Hand:
    """Who is at work, and from which network address."""

    who: User | None = None
    address: str = ""


_hand: ContextVar[Hand | None] = ContextVar("hand", default=None)


@contextmanager
def by(who: User | None, address: str) -> Iterator[None]:
    """For what is written inside by code that knows of no requests: who did it, and from where.

    `who` is None for a command on the server itself.
    """
    before = _hand.set(Hand(who, address))
    try:
        yield
    finally:
        _hand.reset(before)


def is_anybody_at_work() -> bool:
    """Whether `by` says who causes what happens now."""
    return _hand.get() is not None


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
    """One more line. `whose` account it concerns; `who` did it (else as `by` says), from which network `address`."""
    event = line(kind, whose=whose, who=who, detail=detail, address=address, subject=subject, subject_id=subject_id)
    event.changes = changes or []
    with transaction.atomic():
        event.save()
        if event.who and event.whose and event.who.pk != event.whose.pk:
            put_on_record(event, event.who, event.whose)
    tell([event])
    return event


def line(
    kind: str,
    *,
    whose: User | None,
    who: User | None = None,
    detail: str = "",
    address: str | None = None,
    subject: str = "",
    subject_id: UUID | None = None,
) -> Event:
    """Not written yet."""
    hand = _hand.get() or Hand()
    who, address = who or hand.who, hand.address if address is None else address
    return Event(
        kind=kind,
        whose=whose,
        whose_name=whose.get_username() if whose else "",
        who=who,
        who_name=who.get_username() if who else "",
        detail=detail[:200],
        address=address[:45],
        subject=subject[:200],
        subject_id=subject_id,
    )


def write_all(lines: Iterable[Event]) -> None:
    """Many lines in one statement. The admin's log does not repeat them."""
    tell(Event.objects.bulk_create(lines))


def put_on_record(event: Event, who: User, whose: User) -> None:
    """What one did to another's things is in the admin's log as well, in the history of that account."""
    LogEntry.objects.create(
        user_id=who.pk,
        content_type=ContentType.objects.get_for_model(whose),
        object_id=str(whose.pk),
        object_repr=str(whose)[:200],
        action_flag=CHANGE,
        change_message=" · ".join(filter(None, [event.words, event.subject])),
    )


def tell(events: list[Event]) -> None:
    def send() -> None:
        for event in events:
            written.send_robust(sender=Event, event=event)

    transaction.on_commit(send)


def of(user: User, kind: str = "") -> EventQuerySet:
    """What happened to this account, or what of that kind, the newest first."""
    found = Event.objects.filter(whose=user).order_by("-at", "-id")
    return found.filter(kind=kind) if kind else found


def latest(user: User, n: int) -> list[Event]:
    return list(of(user)[:n])


def counts(user: User) -> dict[str, int]:
    """How often each kind of thing happened to this account; those that never did are left out."""
    return dict(of(user).order_by().values_list("kind").annotate(Count("pk")))


def prune(before: datetime) -> int:
    """Let go of what happened before that moment, bit by bit so that nobody waits. How many lines that were."""
    old = Event._base_manager.filter(at__lt=before)
    gone = 0
    while batch := list(old.values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        gone += Event._base_manager.filter(pk__in=batch).delete()[0]
    return gone
