"""End sign-ins in batches. Each batch is one transaction, short enough not to block other writers for long."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from typing import TypeVar

from django.db import OperationalError, models, transaction

from foundation.error_boundary import error_boundary
from integrations.models import events
from integrations.models.events import EventKind
from integrations.models.tokens import (
    AttemptQuerySet,
    AttemptStatus,
    AuthorizationAttempt,
    Revocation,
    Token,
    TokenQuerySet,
)

AT_ONCE = 100  # rows locked together; some tenths of a second

Revocations = list[Revocation | None]  # None: there was nothing to revoke
Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """The reason why sign-ins end, and the text that their owners read."""

    reason: str
    event: EventKind = EventKind.REVOKED
    detail: str = ""
    by_the_person: bool = False
    moments: Iterator[datetime | None] = field(default_factory=lambda: repeat(None))  # when each revocation is due
    left: list[str] = field(default_factory=list)  # ids of what could not be ended


def end(tokens: TokenQuerySet, ending: Ending) -> Iterator[Revocations]:
    """End tokens. Yields the revocations of each batch; stopping in between leaves no token half ended."""
    rows = tokens.select_for_update(of=("self",)).with_registry()
    return process_in_batches(rows, lambda batch: end_batch(batch, ending), ending)


def cancel(attempts: AttemptQuerySet, ending: Ending) -> Iterator[Revocations]:
    """Cancel unfinished sign-ins. Tokens that were fetched for them and not stored are revoked."""
    rows = attempts.unfinished().select_for_update(of=("self",))
    related = rows.select_related("user", "credential__profile__registry", "registry")
    return process_in_batches(related, lambda batch: [cancel_one(attempt, ending) for attempt in batch], ending)


class NotAllEnded(Exception):
    """Some could not be ended because of an internal error, which the log describes. All others were ended."""

    def __init__(self, left: list[str]) -> None:
        super().__init__(f"{len(left)} could not be ended; the log says why.")
        self.left = left


def process_in_batches(
    rows: "models.QuerySet[Row]", take: Callable[[list[Row]], Revocations], ending: Ending
) -> Iterator[Revocations]:
    """Call `take` for batches of rows, each in a transaction that is committed before its result is yielded.

    If a batch fails, its rows are taken one by one; the ids of those that cannot be ended go to `ending.left`.
    """
    size = AT_ONCE
    is_full = True
    while is_full:
        revocations: Revocations | None = None
        with transaction.atomic():
            batch = list(rows.exclude(pk__in=ending.left).order_by("pk")[:size])
            with error_boundary(f"Ending {len(batch)} sign-ins", expected=(OperationalError,)), transaction.atomic():
                revocations = take(batch)
        is_full = len(batch) == size or revocations is None
        if revocations is None and len(batch) > 1:
            size = 1
        elif revocations is None:
            ending.left.extend(row.pk.hex for row in batch)
            size = AT_ONCE
        elif batch:
            yield revocations


def end_batch(tokens: list[Token], ending: Ending) -> Revocations:
    events.write_all(events.build_event(token.user, token.credential, ending.event, ending.detail) for token in tokens)
    return [
        token.end(reason=ending.reason, by_the_person=ending.by_the_person, not_before=next(ending.moments))
        for token in tokens
    ]


def cancel_one(attempt: AuthorizationAttempt, ending: Ending) -> Revocation | None:
    moment = next(ending.moments) if attempt.holds_answer else None
    revocation = attempt.revoke_answer(reason=ending.reason, not_before=moment)
    attempt.finish(AttemptStatus.CANCELLED, failure_code=ending.reason)
    return revocation
