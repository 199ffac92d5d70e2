"""Sign-ins in steps: each is one transaction that ends as many as it can without keeping anybody waiting."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from typing import TypeVar

from django.db import models, transaction

from integrations.models import diary
from integrations.models.diary import EventKind
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


def end(tokens: TokenQuerySet, why: Ending) -> Iterator[Promised]:
    """One list for each step. Whoever stops in between has ended a part, and nothing by halves."""
    rows = tokens.select_for_update(of=("self",)).with_registry()
    return in_steps(rows, lambda batch: end_batch(batch, why))


def cancel(attempts: AttemptQuerySet, why: Ending) -> Iterator[Promised]:
    """Sign-ins that are not finished. What was fetched for them and not kept is promised to be revoked."""
    rows = attempts.unfinished().select_for_update(of=("self",))
    related = rows.select_related("user", "credential__profile__registry", "registry")
    return in_steps(related, lambda batch: [cancel_one(attempt, why) for attempt in batch])


def in_steps(rows: "models.QuerySet[Row]", take: Callable[[list[Row]], Promised]) -> Iterator[Promised]:
    """Each step commits before it is told; what it took is not found by the next one."""
    is_full = True
    while is_full:
        with transaction.atomic():
            batch = list(rows.order_by("pk")[:AT_ONCE])
            promised = take(batch)
        is_full = len(batch) == AT_ONCE
        if batch:
            yield promised


def end_batch(tokens: list[Token], why: Ending) -> Promised:
    diary.write_all(diary.line(token.user, token.credential, why.event, why.detail) for token in tokens)
    return [
        token.end(reason=why.reason, by_the_person=why.by_the_person, not_before=next(why.moments)) for token in tokens
    ]


def cancel_one(attempt: AuthorizationAttempt, why: Ending) -> Revocation | None:
    moment = next(why.moments) if attempt.holds_answer else None
    revocation = attempt.let_go(reason=why.reason, not_before=moment)
    attempt.finish(AttemptStatus.CANCELLED, failure_code=why.reason)
    return revocation
