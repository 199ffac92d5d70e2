"""Key rotation: count the sealed values in the database by key, and re-encrypt them under the first key.

Discovers every `EncryptedField` of every model. Runs while the site is in use: a value is replaced only if it is still
the one that was read. Knows no model by name and nothing of the shell; shows table names, ids and key ids, no values.
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
from django.db.models import F, Func, Q

from foundation.error_boundary import error_boundary
from foundation.secrets_at_rest import VERSION, EncryptedField, Unreadable, first_key_id, key_id_of, keyring, unseal

ROWS_AT_ONCE = 100  # encrypted outside a transaction; written in one that takes some hundredths of a second
PASSES_AT_MOST = 10  # a third pass finds something only if a process still seals with another first key
PAUSE = 0.5  # seconds, in which other writers can finish with the rows that were skipped
SAMPLE = 5  # rows at each end of a table

Model = type[models.Model]
Note = Callable[[str, int], None]  # called with a table and how many of its rows are done


@dataclass(kw_only=True)
class Census:
    """The result of one pass over all values. Columns are spelled table.column, ids as on the site's pages."""

    under: dict[str, Counter[str]] = field(default_factory=dict)  # by column: values by key id, "" for unsealed ones
    closed: dict[str, Counter[str]] = field(default_factory=dict)  # of these, those that cannot be decrypted
    unreadable: list[str] = field(default_factory=list)
    moved: int = 0  # values
    missed: int = 0  # rows that another writer had locked or changed

    def count(self, column: str, key_id: str) -> None:
        self.under.setdefault(column, Counter())[key_id] += 1

    def count_closed(self, column: str, key_id: str, row_id: object) -> None:
        self.closed.setdefault(column, Counter())[key_id] += 1
        self.unreadable.append(f"{column} {row_id.hex if isinstance(row_id, UUID) else row_id}")

    def total(self, key_id: str) -> int:
        return sum(counts[key_id] for counts in self.under.values())


@dataclass(frozen=True, kw_only=True)
class OtherColumn:
    """Sealed text in the table of another library.

    `census` returns the number of values by key id, and key id and row id of those that cannot be decrypted.
    `seal_anew` re-encrypts all under the first key, and returns how many values it changed.
    """

    name: str  # table.column
    census: Callable[[], tuple[Counter[str], list[tuple[str, int]]]]
    seal_anew: Callable[[], int]


_other_columns: list[OtherColumn] = []


def add_column(column: OtherColumn) -> None:
    """Register a column. Called from `AppConfig.ready`; safe to repeat."""
    if column not in _other_columns:
        _other_columns.append(column)


def no_progress(_table: str, _rows: int) -> None:
    """The default progress callback: does nothing."""


def sealed_models() -> Iterator[tuple[Model, list[EncryptedField]]]:
    """Every model that has encrypted columns, with these columns."""
    for model in apps.get_models(include_auto_created=True):
        columns = [each for each in model._meta.local_concrete_fields if isinstance(each, EncryptedField)]
        if columns and not model._meta.proxy:
            yield model, columns


def name_of(column: EncryptedField) -> str:
    return f"{column.model._meta.db_table}.{column.column}"


def iterate_batches(model: Model, columns: Sequence[EncryptedField]) -> Iterator[list[tuple[Any, ...]]]:
    """Id and sealed values of each row that has any, in batches by primary key, so that new rows shift nothing."""
    holds_any = reduce(or_, (Q(**{f"{column.attname}__isnull": False}) for column in columns))
    rows = model._base_manager.filter(holds_any).order_by("pk").values_list("pk", *(each.attname for each in columns))
    batch = list(rows[:ROWS_AT_ONCE])
    while batch:
        yield batch
        batch = list(rows.filter(pk__gt=batch[-1][0])[:ROWS_AT_ONCE])


def load_instances(model: Model, ids: Iterable[Any]) -> list[models.Model]:
    """Model instances, which know their sealing context, without large binary columns such as logos."""
    binary_columns = [
        each.attname
        for each in model._meta.concrete_fields
        if isinstance(each, models.BinaryField) and not isinstance(each, EncryptedField)
    ]
    return list(model._base_manager.filter(pk__in=list(ids)).defer(*binary_columns))


# Count ----------------------------------------------------------------------------------------------------------------


def count_sealed_values(note: Note = no_progress) -> Census:
    """Try to decrypt every value, and count the results. Read-only."""
    result = Census()
    for model, columns in sealed_models():
        row_count = 0
        for batch in iterate_batches(model, columns):
            for row in load_instances(model, [row_id for row_id, *_values in batch]):
                check_row(row, columns, result)
            row_count += len(batch)
            note(model._meta.db_table, row_count)
    count_other_columns(result)
    return result


def count_other_columns(census: Census) -> None:
    for other in _other_columns:
        under, closed = other.census()
        if under:
            census.under[other.name] = under
        for key_id, row_id in closed:
            census.count_closed(other.name, key_id, row_id)


def check_row(row: models.Model, columns: Sequence[EncryptedField], census: Census) -> None:
    for column in columns:
        sealed = column.sealed_in(row)
        if sealed is not None:
            census.count(name_of(column), key_id_of(sealed))
            if not can_decrypt(row, column, sealed):
                census.count_closed(name_of(column), key_id_of(sealed), row.pk)


def can_decrypt(row: models.Model, column: EncryptedField, sealed: bytes) -> bool:
    try:
        with error_boundary(f"Opening {name_of(column)}", expected=(Unreadable,)):
            unseal(sealed, purpose=column.purpose, context=column.context_in(row))
            return True
    except Unreadable:
        pass
    return False


def keys_fit() -> bool:
    """Whether the configured keys decrypt at least half of a small sample of the stored values.

    One row that cannot be decrypted concerns one person, and is no reason to take the site down for all others.
    """
    census = sample_sealed_values()
    values = sum(counts.total() for counts in census.under.values())
    return 2 * len(census.unreadable) <= values


def find_missing_keys() -> list[str]:
    """Ids of keys that any stored value is sealed with, and that are not configured. Decrypts no column of ours."""
    key_ids = {key_id for model, columns in sealed_models() for each in columns for key_id in key_ids_in(model, each)}
    census = Census()
    count_other_columns(census)
    key_ids |= {key_id for counts in census.under.values() for key_id in counts if key_id}
    return sorted(key_ids - keyring().keys())


def key_ids_in(model: Model, column: EncryptedField) -> set[str]:
    """Ids of the keys of a column, read by the database from the beginning of each value."""
    sizes = {head[1] for head in distinct_heads(model, column, 2) if len(head) == 2 and head[0] == VERSION}
    heads = [head for size in sizes for head in distinct_heads(model, column, 2 + size) if head[1:2] == bytes([size])]
    return {head[2:].decode(errors="replace") for head in heads if head[0] == VERSION}


def distinct_heads(model: Model, column: EncryptedField, size: int) -> set[bytes]:
    """The first bytes of all values of a column, each once."""
    start = Func(F(column.attname), 1, size, function="SUBSTR", output_field=models.BinaryField())
    rows = model._base_manager.filter(**{f"{column.attname}__isnull": False}).order_by()
    return {bytes(head) for head in rows.values_list(start, flat=True).distinct()}


def sample_sealed_values() -> Census:
    """Try to decrypt the values of the first and last rows of each table: a rotation that stops has done the first."""
    census = Census()
    for model, columns in sealed_models():
        ids = model._base_manager.values_list("pk", flat=True)
        for row in load_instances(model, {*ids.order_by("pk")[:SAMPLE], *ids.order_by("-pk")[:SAMPLE]}):
            check_row(row, columns, census)
    return census


# Rotate ---------------------------------------------------------------------------------------------------------------


def rotate(note: Note = no_progress) -> Census:
    """Re-encrypt every value under the first key, and return the counts of the last pass. Safe to stop and to repeat.

    Values already under the first key are not decrypted; values that cannot be decrypted are left as they are.
    """
    moved = 0
    for _number in range(PASSES_AT_MOST):
        census = rotate_once(note)
        moved += census.moved
        if not census.moved and not census.missed:
            break
        if census.missed:
            time.sleep(PAUSE)
    census.moved = moved
    return census


def rotate_once(note: Note) -> Census:
    census, first_id = Census(), first_key_id()
    for model, columns in sealed_models():
        row_count = 0
        for batch in iterate_batches(model, columns):
            if old := [row_id for row_id, *values in batch if not all_under(first_id, values)]:
                reseal_rows(model, columns, old, census)
            count_values(columns, batch, census)
            row_count += len(batch)
            note(model._meta.db_table, row_count)
    census.moved += sum(other.seal_anew() for other in _other_columns)
    count_other_columns(census)
    return census


def all_under(key_id: str, values: Iterable[bytes | None]) -> bool:
    return all(value is None or key_id_of(bytes(value)) == key_id for value in values)


def count_values(columns: Sequence[EncryptedField], batch: Iterable[tuple[Any, ...]], census: Census) -> None:
    """Count the values as read before this pass: a pass that changes nothing has counted the present state."""
    for _row_id, *values in batch:
        for column, value in zip(columns, values, strict=True):
            if value is not None:
                census.count(name_of(column), key_id_of(bytes(value)))


def reseal_rows(model: Model, columns: Sequence[EncryptedField], ids: Sequence[Any], census: Census) -> None:
    """Re-encrypt these rows. Encrypts first, then writes, so that other writers wait as briefly as possible."""
    rows = load_instances(model, ids)
    changes = {row.pk: change for row in rows if (change := resealed_values(row, columns, census))}
    if not changes:
        return
    missed, started_at = len(changes), time.monotonic()
    with transaction.atomic(durable=True):
        for row_id in lock_free_rows(model, changes):
            before, after = changes[row_id]
            written = model._base_manager.filter(pk=row_id, **before).update(**after)
            missed, census.moved = missed - written, census.moved + written * len(after)
    census.missed += missed
    time.sleep(time.monotonic() - started_at)  # SQLite has one writer at a time: give others as much time as we took


def lock_free_rows(model: Model, ids: Iterable[Any]) -> list[Any]:
    """Lock and return the rows that no other transaction has locked. Waiting for a lock could deadlock."""
    rows = model._base_manager.select_for_update(skip_locked=True, no_key=True).filter(pk__in=list(ids))
    return list(rows.values_list("pk", flat=True))


def resealed_values(
    row: models.Model, columns: Sequence[EncryptedField], census: Census
) -> tuple[dict[str, bytes], dict[str, bytes]] | None:
    """Old and new sealed values of a row by column; None if nothing needs to, or can, be re-encrypted."""
    before: dict[str, bytes] = {}
    after: dict[str, bytes] = {}
    for column in columns:
        old_value = column.sealed_in(row)
        if old_value is None or key_id_of(old_value) == first_key_id():
            continue
        new_value = None
        with suppress(Unreadable), error_boundary(f"Sealing {name_of(column)} anew", expected=(Unreadable,)):
            new_value = column.sealed_anew(row)
        if new_value is None:
            census.count_closed(name_of(column), key_id_of(old_value), row.pk)
        else:
            before[column.attname], after[column.attname] = old_value, new_value
    return (before, after) if after else None
