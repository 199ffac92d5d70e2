"""Many threads share one read: how often the query runs, and that no thread gets a result from before its arrival."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from threading import Event

import pytest
from django.db import OperationalError

from foundation import database
from tests.servers.worker import eventually

CROWD = 20


class SlowStatement:
    """A statement that runs until the test lets it end, and counts its runs."""

    def __init__(self) -> None:
        self.numbers, self.may_end, self.fails = count(1), Event(), False
        self.begun: list[int] = []

    def __call__(self) -> int:
        number = next(self.numbers)
        self.begun.append(number)
        assert self.may_end.wait(20)
        if self.fails and number > 1:
            raise OperationalError("away")
        return number


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(CROWD + 1) as pool:
        yield pool


def crowd(pool: ThreadPoolExecutor, statement: SlowStatement) -> tuple["Future[int]", list["Future[int]"]]:
    """One thread that runs the statement, and many that arrive meanwhile."""
    first = pool.submit(database.share_read, "question", statement)
    assert eventually(lambda: bool(statement.begun))
    others = [pool.submit(database.share_read, "question", statement) for _ in range(CROWD)]
    assert eventually(lambda: "question" in database._waiting)
    return first, others


def test_a_crowd_runs_the_query_twice_and_gets_a_result_from_after_its_arrival(pool: ThreadPoolExecutor) -> None:
    statement = SlowStatement()
    first, others = crowd(pool, statement)
    statement.may_end.set()
    assert first.result(20) == 1
    results = {other.result(20) for other in others}
    assert 1 not in results
    assert max(results) <= 1 + database.ROUNDS
    assert not database._running


def test_other_queries_do_not_wait(pool: ThreadPoolExecutor) -> None:
    slow, quick = SlowStatement(), SlowStatement()
    quick.may_end.set()
    first = pool.submit(database.share_read, "question", slow)
    assert eventually(lambda: bool(slow.begun))
    assert database.share_read("another", quick) == 1
    slow.may_end.set()
    assert first.result(20) == 1


def test_the_first_thread_has_a_result_even_if_its_run_for_others_fails(pool: ThreadPoolExecutor) -> None:
    statement = SlowStatement()
    statement.fails = True
    first, others = crowd(pool, statement)
    statement.may_end.set()
    assert first.result(20) == 1
    assert {type(other.exception(20)) for other in others} == {OperationalError}
    assert not database._running
    assert not database._waiting


def test_a_thread_that_has_run_often_enough_for_others_lets_them_run_it(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "ROUNDS", 0)
    statement = SlowStatement()
    first, others = crowd(pool, statement)
    statement.may_end.set()
    assert first.result(20) == 1
    assert {other.result(20) for other in others} >= {2}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "1"),
        ("personal_auth_user", "'personal_auth_user'"),
        ("", ""),
        ("it's", ""),
        ("a%sb", ""),
        ("a b", ""),
        ("ä", ""),
        ("word\n", ""),
        (True, ""),
        (None, ""),
        (1.5, ""),
    ],
)
def test_only_numbers_and_plain_words_become_part_of_a_statement(value: object, expected: str) -> None:
    assert database.as_literal(value) == expected
