"""One question of many threads: how often it is asked, and that nobody is told what was true before they came."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from threading import Event

import pytest
from django.db import OperationalError

from foundation import shared_reads
from tests.servers.worker import eventually

CROWD = 20


class Asked:
    """A statement that takes as long as the test wants, and counts."""

    def __init__(self) -> None:
        self.number, self.may_end, self.fails = count(1), Event(), False
        self.begun: list[int] = []

    def __call__(self) -> int:
        mine = next(self.number)
        self.begun.append(mine)
        assert self.may_end.wait(20)
        if self.fails and mine > 1:
            raise OperationalError("away")
        return mine


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(CROWD + 1) as pool:
        yield pool


def crowd(pool: ThreadPoolExecutor, statement: Asked) -> tuple["Future[int]", list["Future[int]"]]:
    """One who asks, and many who come while it is being asked."""
    first = pool.submit(shared_reads.ask, "question", statement)
    assert eventually(lambda: bool(statement.begun))
    others = [pool.submit(shared_reads.ask, "question", statement) for _ in range(CROWD)]
    assert eventually(lambda: "question" in shared_reads._waiting)
    return first, others


def test_a_crowd_asks_twice_and_is_told_what_was_asked_after_it_came(pool: ThreadPoolExecutor) -> None:
    statement = Asked()
    first, others = crowd(pool, statement)
    statement.may_end.set()
    assert first.result(20) == 1
    told = {other.result(20) for other in others}
    assert 1 not in told
    assert max(told) <= 1 + shared_reads.ROUNDS
    assert not shared_reads._asking


def test_other_questions_do_not_wait(pool: ThreadPoolExecutor) -> None:
    slow, quick = Asked(), Asked()
    quick.may_end.set()
    first = pool.submit(shared_reads.ask, "question", slow)
    assert eventually(lambda: bool(slow.begun))
    assert shared_reads.ask("another", quick) == 1
    slow.may_end.set()
    assert first.result(20) == 1


def test_who_asked_has_an_answer_though_asking_for_others_failed(pool: ThreadPoolExecutor) -> None:
    statement = Asked()
    statement.fails = True
    first, others = crowd(pool, statement)
    statement.may_end.set()
    assert first.result(20) == 1
    assert {type(other.exception(20)) for other in others} == {OperationalError}
    assert not shared_reads._asking
    assert not shared_reads._waiting


def test_who_has_asked_enough_for_others_lets_them_ask(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_reads, "ROUNDS", 0)
    statement = Asked()
    first, others = crowd(pool, statement)
    statement.may_end.set()
    assert first.result(20) == 1
    assert {other.result(20) for other in others} >= {2}
