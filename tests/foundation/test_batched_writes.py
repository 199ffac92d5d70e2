"""What a process collects is stored together, once, and not lost when the process ends."""

import os
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
from django.db import OperationalError, connection, transaction

from accounts.models import User
from foundation import batched_writes, database
from foundation.batched_writes import Batch, lock_rows
from tests import cast
from tests.servers.worker import eventually

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ENDS = """
from foundation import batched_writes, database
from foundation.batched_writes import Batch
from contextlib import nullcontext
batched_writes.transaction.atomic = nullcontext
batched_writes.start_collecting()
batch = Batch("Storing", lambda values: print(values) or ())
"""
FORKS = """
import os
batch.add("parent", 1)
if os.fork() == 0:
    batch.add("child", 2)
else:
    os.wait()
"""


class Store:
    """Stores into memory, unless it is told not to."""

    def __init__(self) -> None:
        self.calls: list[dict[str, int]] = []
        self.locked: set[str] = set()
        self.error: Exception | None = None

    def __call__(self, values: Mapping[str, int]) -> Collection[str]:
        if self.error:
            raise self.error
        self.calls.append({key: value for key, value in values.items() if key not in self.locked})
        return self.locked & values.keys()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(batched_writes, "_collects", True)
    monkeypatch.setattr(Batch, "start_thread", lambda _batch: None)
    return Store()


@pytest.fixture
def batch(store: Store) -> Batch[str, int]:
    return Batch("Storing values", store)


def test_a_process_that_does_not_collect_stores_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched_writes, "_collects", False)
    batch = Batch("Storing values", store)
    batch.add("a", 1)
    batch.add("a", 2)
    assert store.calls == [{"a": 1}, {"a": 2}]


def test_the_latest_value_of_each_row_is_stored_once(batch: Batch[str, int], store: Store) -> None:
    for key, value in (("a", 1), ("b", 2), ("a", 3)):
        batch.add(key, value)
    assert store.calls == []
    batch.store_all()
    batch.store_all()
    assert store.calls == [{"a": 3, "b": 2}]


def test_many_rows_are_stored_in_parts(batch: Batch[str, int], store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched_writes, "ROWS", 2)
    for value in range(5):
        batch.add(str(value), value)
    batch.store_all()
    assert [len(values) for values in store.calls] == [2, 2, 1]


def test_what_is_locked_is_stored_later_unless_there_is_a_newer_value(batch: Batch[str, int], store: Store) -> None:
    batch.add("a", 1)
    batch.add("b", 1)
    store.locked = {"a", "b"}
    batch.store_all()
    batch.add("b", 2)
    store.locked = set()
    batch.store_all()
    assert store.calls == [{}, {"a": 1, "b": 2}]


def test_it_is_kept_while_the_database_is_down(batch: Batch[str, int], store: Store) -> None:
    batch.add("a", 1)
    store.error = OperationalError("away")
    batch.store_all()
    store.error = None
    batch.store_all()
    assert store.calls == [{"a": 1}]


def test_what_can_never_be_stored_is_logged_and_dropped(
    batch: Batch[str, int], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    batch.add("a", 1)
    store.error = ValueError("CANARY")
    batch.store_all()
    store.error = None
    batch.store_all()
    assert store.calls == []
    assert "Storing values failed unexpectedly: ValueError" in caplog.text
    assert "CANARY" not in caplog.text


def test_a_thread_stores_after_a_while_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched_writes, "_collects", True)
    monkeypatch.setattr(batched_writes, "SECONDS", 0.1)
    monkeypatch.setattr(database, "release_connection", lambda: None)
    monkeypatch.setattr(Batch, "store_part", lambda batch, part: dict.fromkeys(batch.store(part), 0))
    store = Store()
    batch = Batch("Storing in a thread", store)
    for value in (1, 2):
        batch.add("a", value)
        batch.add("b", value)
        assert eventually(lambda: not batch.has_thread)
    assert store.calls == [{"a": 1, "b": 1}, {"a": 2, "b": 2}]
    assert "Storing in a thread" not in {thread.name for thread in threading.enumerate()}


def printed_by(script: str) -> list[str]:
    """What a process prints that ends right after it has collected something."""
    command = [sys.executable, "-c", ENDS + script]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    checkout = Path(batched_writes.__file__).parents[1]
    ended = subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return sorted(ended.stdout.splitlines())


def test_a_process_that_ends_stores_first() -> None:
    assert printed_by('batch.add("a", 1)') == ["{'a': 1}"]
    assert printed_by('import sys; batch.add("a", 1); sys.exit()') == ["{'a': 1}"]


def test_each_process_stores_what_it_has_collected_itself() -> None:
    assert printed_by(FORKS) == ["{'child': 2}", "{'parent': 1}"]


@pytest.fixture
def people(transactional_db: None) -> list[User]:
    return [cast.person(name) for name in ("amira", "bob", "chen")]


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_rows_that_another_transaction_holds_are_passed_over(people: list[User]) -> None:
    ids = [person.pk for person in people]
    held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(User.objects.select_for_update().filter(pk=ids[0]))
            held.set()
            may_end.wait(20)
        connection.close()

    thread = threading.Thread(target=hold)
    if connection.vendor != "sqlite":  # where a transaction holds all
        thread.start()
        assert held.wait(20)
    with transaction.atomic():
        rows, locked = lock_rows(User.objects.all(), [*ids, 0])
    may_end.set()
    if connection.vendor != "sqlite":
        thread.join()
        assert ({row.pk for row in rows}, locked) == (set(ids[1:]), {ids[0]})
    else:
        assert ({row.pk for row in rows}, locked) == (set(ids), set())
