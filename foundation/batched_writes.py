"""Small writes that a web process collects, and stores together a few seconds later.

For what would otherwise make a reading request wait for a commit, such as when a token was last used. Only a process
that calls `start_collecting` collects; workers and commands store at once. A process that ends stores what it has
collected; one that is killed loses it. Knows no model.
"""

import os
import threading
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Any, Generic, TypeVar

from django.db import InterfaceError, OperationalError, models, transaction

from foundation import database
from foundation.error_boundary import error_boundary

SECONDS = 5.0  # that a value waits
ROWS = 200  # of one statement

Key = TypeVar("Key")
Value = TypeVar("Value")
Row = TypeVar("Row", bound=models.Model)

_collects = False


def start_collecting() -> None:
    """From now on, this process and those forked from it store values later. For web processes."""
    global _collects
    _collects = True


class Batch(Generic[Key, Value]):
    """Values by the key of their row; a later value of a row replaces an earlier one.

    `store` writes some of them, in a transaction, and returns the keys of rows that it could not lock: those are tried
    again. `work` is for the log.
    """

    def __init__(self, work: str, store: Callable[[Mapping[Key, Value]], Collection[Key]]) -> None:
        self.work, self.store = work, store
        self.reset()
        os.register_at_fork(after_in_child=self.reset)  # the parent stores what it has collected

    def reset(self) -> None:
        self.values: dict[Key, Value] = {}
        self.has_thread = False
        self.guard = threading.Lock()

    def add(self, key: Key, value: Value) -> None:
        """Store the value, later if this process collects."""
        if not (_collects and threading.main_thread().is_alive()):
            with transaction.atomic():
                self.store({key: value})
            return
        with self.guard:
            self.values[key] = value
            has_thread, self.has_thread = self.has_thread, True
        if not has_thread:
            self.start_thread()

    def start_thread(self) -> None:
        """Start the thread that stores. Not a daemon: the end of the process waits for it."""
        threading.Thread(target=self.store_later, name=self.work, daemon=False).start()

    def store_later(self) -> None:
        """Wait, or until the process ends, and store what has been collected; again while something is left."""
        while True:
            threading.main_thread().join(SECONDS)
            self.store_all()
            with self.guard:
                if not self.values or not threading.main_thread().is_alive():
                    self.has_thread = False
                    return

    def store_all(self) -> None:
        """Store what has been collected. What cannot be stored now is kept."""
        with self.guard:
            values, self.values = self.values, {}
        remaining: dict[Key, Value] = {}
        while values:
            part = {key: values.pop(key) for key in list(islice(values, ROWS))}
            with error_boundary(self.work):
                remaining |= self.store_part(part)
        with self.guard:
            self.values = remaining | self.values
        database.release_connection()

    def store_part(self, part: dict[Key, Value]) -> dict[Key, Value]:
        """Store these values; returns those that have to be tried again. Keeps all while the database is down."""
        try:
            with transaction.atomic():
                return {key: part[key] for key in self.store(part)}
        except (OperationalError, InterfaceError):
            database.release_connection()
            return part


def lock_rows(rows: "models.QuerySet[Row, Row]", keys: Collection[Any]) -> tuple[list[Row], set[Any]]:
    """Lock the rows with these keys; returns them, and the keys of rows that another transaction holds.

    It waits for a single row. Of several it passes over those that are locked: who holds a lock and waits for another
    can be part of a deadlock.
    """
    locks = rows.select_for_update(no_key=True, skip_locked=len(keys) > 1)
    locked = list(locks.filter(pk__in=keys))
    missing = set(keys) - {row.pk for row in locked}
    return locked, set(rows.filter(pk__in=missing).values_list("pk", flat=True)) if missing else set()
