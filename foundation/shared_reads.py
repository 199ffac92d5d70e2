"""Threads of one process that ask the database the same question at the same moment share one answer.

Whoever comes while it is being asked waits until it is asked again: nobody is told what was true before they came. The
thread that asked asks again for them, on the connection that knows the statement. So two hundred threads ask twice.
"""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock
from typing import Any, TypeVar

from django.db import Error, connection

Answer = TypeVar("Answer")

ROUNDS = 3  # that one thread asks for others; it has work of its own

_asking: set[Hashable] = set()
_waiting: dict[Hashable, "Future[Any]"] = {}
_guard = Lock()


class AskYourself(Exception):
    """Whoever asked has done enough for others."""


def ask(question: Hashable, statement: Callable[[], Answer]) -> Answer:
    """What the statement says, executed by this thread or by one that asks the same. It must only read.

    In a transaction each asks alone, who sees what others don't.
    """
    if connection.in_atomic_block:
        return statement()
    while True:
        with _guard:
            if question not in _asking:
                _asking.add(question)
                break
            turn = _waiting.setdefault(question, Future())
        with suppress(AskYourself):
            answer: Answer = turn.result()
            return answer
    try:
        return statement()
    finally:
        ask_for_others(question, statement)


def ask_for_others(question: Hashable, statement: Callable[[], Any]) -> None:
    """Those who have come meanwhile, and those who come meanwhile."""
    turn: Future[Any] = Future()
    try:
        for _ in range(ROUNDS):
            with _guard:
                if question not in _waiting:
                    return
                turn = _waiting.pop(question)
            turn.set_result(statement())
    except Error as error:
        turn.set_exception(error)
    finally:
        leave(question, turn)


def leave(question: Hashable, turn: "Future[Any]") -> None:
    """Whatever happened, nobody waits for this thread any more."""
    with _guard:
        _asking.discard(question)
        left = _waiting.pop(question, None)
    for each in (turn, left):
        if each and not each.done():
            each.set_exception(AskYourself())
