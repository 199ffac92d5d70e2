"""Retention: the rule by which each table shrinks, and deletion in bounded batches.

Apps declare one rule for each of their models. A run deletes past rows of its tables by turns, a batch in a transaction
of its own each time, until nothing is left or its time is over; the next run goes on. So it gets ahead however long
nothing was deleted, and holds no lock for long.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import InterfaceError, OperationalError, models, transaction

from foundation.error_boundary import error_boundary

DATABASE_AWAY = (OperationalError, InterfaceError)
SECONDS = 40.0  # of one run; a task is stopped after 50
STUCK_AT_MOST = 1000  # rows that could not be deleted, after which a run leaves their table alone

Rows = models.QuerySet[Any]


def delete_rows(rows: Rows) -> None:
    rows.delete()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When a table shrinks. `past` finds the rows to delete, by an index; None: rows go with others, or by hand."""

    model: type[models.Model]
    when: str  # in words, for administrators
    past: Callable[[], Rows] | None = None
    remove: Callable[[Rows], object] = delete_rows
    size: int = 500  # rows of one batch


_rules: dict[type[models.Model], Rule] = {}


def declare_rule(
    model: type[models.Model],
    when: str,
    past: Callable[[], Rows] | None = None,
    *,
    remove: Callable[[Rows], object] = delete_rows,
    size: int = 500,
) -> None:
    _rules[model] = Rule(model=model, when=when, past=past, remove=remove, size=size)


def all_rules() -> list[Rule]:
    return list(_rules.values())


def shrink_tables(*tables: type[models.Model], seconds: float = SECONDS) -> bool:
    """Delete past rows of these tables, or of all that have any. Returns whether all are gone. Safe to repeat.

    A table whose rows cannot be deleted does not stop the others. Its error is raised at the end.
    """
    rules = [_rules[model] for model in tables] or all_rules()
    ends_at = time.monotonic() + seconds
    batches = {rule.model._meta.db_table: delete_past(rule) for rule in rules if rule.past}
    errors: list[Exception] = []
    is_over = False
    while batches and not is_over:
        for table, batch in list(batches.items()):
            if is_over := time.monotonic() > ends_at:
                break
            size = None
            with error_boundary(f"Deleting past rows of {table}", on_error=errors.append, expected=DATABASE_AWAY):
                size = next(batch, None)
            if size is None:
                del batches[table]
    if errors:
        raise errors[0]
    return not batches


def delete_past(rule: Rule) -> Iterator[int]:
    """Delete batch by batch. Yields the size of each; passes over rows that stay although they were to go."""
    previous: set[Any] = set()
    stuck: set[Any] = set()
    while rule.past and len(stuck) < STUCK_AT_MOST:
        rows = rule.past().order_by()
        free = rows.exclude(pk__in=stuck) if stuck else rows
        keys = list(free.values_list("pk", flat=True)[: rule.size])
        if not keys:
            return
        stuck |= previous.intersection(keys)
        previous = set(keys) - stuck
        with transaction.atomic():
            rule.remove(rows.filter(pk__in=previous))
        yield len(keys)
