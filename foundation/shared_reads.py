"""Single flight for identical reads within one process: threads that run the same query at once share the result.

A thread that arrives while the query runs waits for the next run, so it never gets a result from before its arrival.
The thread that ran the query runs it again for those who wait, on a database connection that has prepared the
statement. Two hundred threads run two queries.
"""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock
from typing import Any, TypeVar

from django.db import Error, connection

Result = TypeVar("Result")

ROUNDS = 3  # how often a thread runs the query for others: it has a request of its own to answer

_running: set[Hashable] = set()
_waiting: dict[Hashable, "Future[Any]"] = {}
_guard = Lock()


class NotRun(Exception):
    """The thread that was to run the query for others has stopped: try again."""


def ask(question: Hashable, statement: Callable[[], Result]) -> Result:
    """The result of the statement, run by this thread or by one with the same `question`. It must be read-only.

    In a transaction, which may see what others don't, each thread runs its own.
    """
    if connection.in_atomic_block:
        return statement()
    while True:
        with _guard:
            if question not in _running:
                _running.add(question)
                break
            future = _waiting.setdefault(question, Future())
        with suppress(NotRun):
            result: Result = future.result()
            return result
    try:
        return statement()
    finally:
        run_for_others(question, statement)


def run_for_others(question: Hashable, statement: Callable[[], Any]) -> None:
    """Run the statement for the threads that wait, and for those that arrive meanwhile."""
    future: Future[Any] = Future()
    try:
        for _ in range(ROUNDS):
            with _guard:
                if question not in _waiting:
                    return
                future = _waiting.pop(question)
            future.set_result(statement())
    except Error as error:
        future.set_exception(error)
    finally:
        stop_running(question, future)


def stop_running(question: Hashable, future: "Future[Any]") -> None:
    """Release every thread that still waits for this one. Runs after a success and after an error."""
    with _guard:
        _running.discard(question)
        waiting = _waiting.pop(question, None)
    for each in (future, waiting):
        if each and not each.done():
            each.set_exception(NotRun())
