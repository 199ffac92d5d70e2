"""Sign-ins in steps: each is one transaction that ends as many as it can without keeping anybody waiting."""

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

Promised = list[Revocation | None]  # None: it held nothing that could be revoked
Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Why sign-ins end, and what their owners read about it."""

    reason: str
    event: EventKind = EventKind.REVOKED
    detail: str = ""
    by_the_person: bool = False
    moments: Iterator[datetime | None] = field(default_factory=lambda: repeat(None))  # when the provider may be told
    left: list[str] = field(default_factory=list)  # ids of what could not be ended


def end(tokens: TokenQuerySet, why: Ending) -> Iterator[Promised]:
    """One list for each step. Whoever stops in between has ended a part, and nothing by halves."""
    rows = tokens.select_for_update(of=("self",)).with_registry()
    return in_steps(rows, lambda batch: end_batch(batch, why), why)


def cancel(attempts: AttemptQuerySet, why: Ending) -> Iterator[Promised]:
    """Sign-ins that are not finished. What was fetched for them and not kept is promised to be revoked."""
    rows = attempts.unfinished().select_for_update(of=("self",))
    related = rows.select_related("user", "credential__profile__registry", "registry")
    return in_steps(related, lambda batch: [cancel_one(attempt, why) for attempt in batch], why)


class NotAllEnded(Exception):
    """A fault of ours kept some from being ended; the log says which. All others were."""

    def __init__(self, left: list[str]) -> None:
        super().__init__(f"{len(left)} could not be ended; the log says why.")
        self.left = left


def in_steps(rows: "models.QuerySet[Row]", take: Callable[[list[Row]], Promised], why: Ending) -> Iterator[Promised]:
    """Each step commits before it is told; what it took is not found by the next one.

    Where a step fails, its rows are taken one by one, and the one that cannot be ended is left: `why.left` names it.
    """
    step = AT_ONCE
    is_full = True
    while is_full:
        promised: Promised | None = None
        with transaction.atomic():
            batch = list(rows.exclude(pk__in=why.left).order_by("pk")[:step])
            with error_boundary(f"Ending {len(batch)} sign-ins", expected=(OperationalError,)), transaction.atomic():
                promised = take(batch)
        is_full = len(batch) == step or promised is None
        if promised is None and len(batch) > 1:
            step = 1
        elif promised is None:
            why.left.extend(row.pk.hex for row in batch)
            step = AT_ONCE
        elif batch:
            yield promised


def end_batch(tokens: list[Token], why: Ending) -> Promised:
    events.write_all(events.line(token.user, token.credential, why.event, why.detail) for token in tokens)
    return [
        token.end(reason=why.reason, by_the_person=why.by_the_person, not_before=next(why.moments)) for token in tokens
    ]


def cancel_one(attempt: AuthorizationAttempt, why: Ending) -> Revocation | None:
    moment = next(why.moments) if attempt.holds_answer else None
    revocation = attempt.let_go(reason=why.reason, not_before=moment)
    attempt.finish(AttemptStatus.CANCELLED, failure_code=why.reason)
    return revocation
