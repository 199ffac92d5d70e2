"""Threads of one process that ask the database the same question at the same moment share one answer.

Whoever comes while it is being asked waits until it is asked again: nobody is told what was true before they came. So
two hundred threads ask twice.
"""

from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from threading import Lock
from typing import Any, TypeVar

from django.db import connection

Answer = TypeVar("Answer")


class Round(Future[Any]):
    """One asking. Until it has begun, who wants to know the same may join."""

    def __init__(self, before: "Round | None") -> None:
        super().__init__()
        self.before, self.has_begun = before, before is None


_newest: dict[Hashable, Round] = {}
_guard = Lock()


def ask(question: Hashable, statement: Callable[[], Answer]) -> Answer:
    """What the statement says, executed by this thread or by one that asks the same. It must only read.

    In a transaction each asks alone, who sees what others don't.
    """
    if connection.in_atomic_block:
        return statement()
    with _guard:
        newest = _newest.get(question)
        has_joined = newest is not None and not newest.has_begun
        if newest is None or newest.has_begun:
            newest = _newest[question] = Round(newest)
    answer: Answer = newest.result() if has_joined else asked(newest, question, statement)
    return answer


def asked(turn: Round, question: Hashable, statement: Callable[[], Answer]) -> Answer:
    try:
        begin(turn)
        turn.set_result(answer := statement())
    except BaseException as error:
        turn.set_exception(error)
        raise
    finally:
        with _guard:
            if _newest.get(question) is turn:
                del _newest[question]
    return answer


def begin(turn: Round) -> None:
    """When the round before is over, however it went."""
    if turn.before:
        wait([turn.before])
        with _guard:
            turn.before, turn.has_begun = None, True
