"""What lies sealed in the database and under which keys: count it, seal it anew under the first key.

Finds every `EncryptedField` of every model by itself, so that no list must be kept. Works while the site works: a value
is replaced only where it still is the one that was read. Knows no model by name, and nothing of the shell; shows no
value, only tables, ids and key ids.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import models, transaction
from django.db.models import Q

from foundation.error_boundary import error_boundary
from foundation.secrets_at_rest import EncryptedField, Unreadable, first_key_id, key_id_of, unseal

ROWS_AT_ONCE = 100  # sealed outside a transaction; written in one that lasts some hundredths of a second
PASSES_AT_MOST = 10  # more than two find something only where somebody still seals with another first key
PAUSE = 0.5  # seconds, for those who are writing a row that we want
SAMPLE = 10  # rows of each model

Model = type[models.Model]
Note = Callable[[str, int], None]


@dataclass(kw_only=True)
class Census:
    """What one look at all values found. Columns are spelled table.column, ids as on the site's pages."""

    under: dict[str, Counter[str]] = field(default_factory=dict)  # by column: values by key id, "" not a sealed value
    closed: dict[str, Counter[str]] = field(default_factory=dict)  # those of them that don't open
    unreadable: list[str] = field(default_factory=list)
    moved: int = 0  # values
    missed: int = 0  # rows that somebody else was writing, or had written

    def count(self, column: str, key_id: str) -> None:
        self.under.setdefault(column, Counter())[key_id] += 1

    def is_closed(self, column: str, key_id: str, row_id: object) -> None:
        self.closed.setdefault(column, Counter())[key_id] += 1
        self.unreadable.append(f"{column} {row_id.hex if isinstance(row_id, UUID) else row_id}")

    def total(self, key_id: str) -> int:
        return sum(counts[key_id] for counts in self.under.values())


@dataclass(frozen=True, kw_only=True)
class OtherColumn:
    """Sealed text in the table of another library. `census`: how many values lie under which key id, and of those that
    don't open, the key id and the id of the row. `seal_anew`: bring all under the first key; how many were brought.
    """

    name: str  # table.column
    census: Callable[[], tuple[Counter[str], list[tuple[str, int]]]]
    seal_anew: Callable[[], int]


_other_columns: list[OtherColumn] = []


def add_column(column: OtherColumn) -> None:
    """Called by an app when it is ready."""
    if column not in _other_columns:
        _other_columns.append(column)


def silent(_table: str, _rows: int) -> None:
    """Tells nobody how far it is."""


def sealed_models() -> Iterator[tuple[Model, list[EncryptedField]]]:
    """Every table that has encrypted columns, with these."""
    for model in apps.get_models(include_auto_created=True):
        found = [each for each in model._meta.local_concrete_fields if isinstance(each, EncryptedField)]
        if found and not model._meta.proxy:
            yield model, found


def name_of(column: EncryptedField) -> str:
    return f"{column.model._meta.db_table}.{column.column}"


def batches(model: Model, columns: Sequence[EncryptedField]) -> Iterator[list[tuple[Any, ...]]]:
    """Ids and sealed values of all rows that hold any, by ranges of the primary key: new rows shift nothing."""
    holds_any = reduce(or_, (Q(**{f"{column.attname}__isnull": False}) for column in columns))
    rows = model._base_manager.filter(holds_any).order_by("pk").values_list("pk", *(each.attname for each in columns))
    batch = list(rows[:ROWS_AT_ONCE])
    while batch:
        yield batch
        batch = list(rows.filter(pk__gt=batch[-1][0])[:ROWS_AT_ONCE])


def instances(model: Model, ids: Iterable[Any]) -> list[models.Model]:
    """Whole rows, because only they know their sealing context; but without logos and the like."""
    ballast = [
        each.attname
        for each in model._meta.concrete_fields
        if isinstance(each, models.BinaryField) and not isinstance(each, EncryptedField)
    ]
    return list(model._base_manager.filter(pk__in=list(ids)).defer(*ballast))


# Look -----------------------------------------------------------------------------------------------------------------


def census(note: Note = silent) -> Census:
    """Open every value once, and change none."""
    found = Census()
    for model, columns in sealed_models():
        seen = 0
        for batch in batches(model, columns):
            for row in instances(model, [row_id for row_id, *_values in batch]):
                look_at(row, columns, found)
            seen += len(batch)
            note(model._meta.db_table, seen)
    look_at_other_columns(found)
    return found


def look_at_other_columns(found: Census) -> None:
    for other in _other_columns:
        under, closed = other.census()
        if under:
            found.under[other.name] = under
        for key_id, row_id in closed:
            found.is_closed(other.name, key_id, row_id)


def look_at(row: models.Model, columns: Sequence[EncryptedField], found: Census) -> None:
    for column in columns:
        sealed = column.sealed_in(row)
        if sealed is not None:
            found.count(name_of(column), key_id_of(sealed))
            if not opens(row, column, sealed):
                found.is_closed(name_of(column), key_id_of(sealed), row.pk)


def opens(row: models.Model, column: EncryptedField, sealed: bytes) -> bool:
    try:
        with error_boundary(f"Opening {name_of(column)}", expected=(Unreadable,)):
            unseal(sealed, purpose=column.purpose, context=column.context_in(row))
            return True
    except Unreadable:
        pass
    return False


def most_open() -> bool:
    """Whether the keys that are set fit what is stored, by a small sample.

    A single row that doesn't open is one person's trouble and no reason to take the site away from all others.
    """
    found = Census()
    for model, columns in sealed_models():
        sample = model._base_manager.order_by("pk").values_list("pk", flat=True)[:SAMPLE]
        for row in instances(model, list(sample)):
            look_at(row, columns, found)
    values = sum(counts.total() for counts in found.under.values())
    return 2 * len(found.unreadable) <= values


# Rotate ---------------------------------------------------------------------------------------------------------------


def rotate(note: Note = silent) -> Census:
    """Bring every value under the first key, and say what the last look found. Safe to stop and to run again.

    What is under the first key already is not opened; what doesn't open is left as it is.
    """
    moved = 0
    for _number in range(PASSES_AT_MOST):
        found = rotate_once(note)
        moved += found.moved
        if not found.moved and not found.missed:
            break
        if found.missed:
            time.sleep(PAUSE)
    found.moved = moved
    return found


def rotate_once(note: Note) -> Census:
    found, first = Census(), first_key_id()
    for model, columns in sealed_models():
        seen = 0
        for batch in batches(model, columns):
            if old := [row_id for row_id, *values in batch if not all_under(first, values)]:
                move(model, columns, old, found)
            count(columns, batch, found)
            seen += len(batch)
            note(model._meta.db_table, seen)
    found.moved += sum(other.seal_anew() for other in _other_columns)
    look_at_other_columns(found)
    return found


def all_under(first: str, values: Iterable[bytes | None]) -> bool:
    return all(value is None or key_id_of(bytes(value)) == first for value in values)


def count(columns: Sequence[EncryptedField], batch: Iterable[tuple[Any, ...]], found: Census) -> None:
    """As they were before this pass; so the pass that moves nothing has counted what is there now."""
    for _row_id, *values in batch:
        for column, value in zip(columns, values, strict=True):
            if value is not None:
                found.count(name_of(column), key_id_of(bytes(value)))


def move(model: Model, columns: Sequence[EncryptedField], ids: Sequence[Any], found: Census) -> None:
    """Seal first, then write: whoever wants to write these rows too waits as short as can be."""
    changes = {row.pk: change for row in instances(model, ids) if (change := sealed_anew(row, columns, found))}
    if not changes:
        return
    missed, began = len(changes), time.monotonic()
    with transaction.atomic(durable=True):
        for row_id in free(model, changes):
            before, after = changes[row_id]
            written = model._base_manager.filter(pk=row_id, **before).update(**after)
            missed, found.moved = missed - written, found.moved + written * len(after)
    found.missed += missed
    time.sleep(time.monotonic() - began)  # others write at least as long as we did: SQLite has one writer at a time


def free(model: Model, ids: Iterable[Any]) -> list[Any]:
    """Those that nobody is writing just now. We wait for no row while we hold others: no deadlock."""
    rows = model._base_manager.select_for_update(skip_locked=True, no_key=True).filter(pk__in=list(ids))
    return list(rows.values_list("pk", flat=True))


def sealed_anew(
    row: models.Model, columns: Sequence[EncryptedField], found: Census
) -> tuple[dict[str, bytes], dict[str, bytes]] | None:
    """What the row holds and what it shall hold instead, by column; None when there is nothing to do or to be done."""
    before: dict[str, bytes] = {}
    after: dict[str, bytes] = {}
    for column in columns:
        sealed = column.sealed_in(row)
        if sealed is None or key_id_of(sealed) == first_key_id():
            continue
        anew = None
        with suppress(Unreadable), error_boundary(f"Sealing {name_of(column)} anew", expected=(Unreadable,)):
            anew = column.sealed_anew(row)
        if anew is None:
            found.is_closed(name_of(column), key_id_of(sealed), row.pk)
        else:
            before[column.attname], after[column.attname] = sealed, anew
    return (before, after) if after else None
