"""A process in which many threads want one token at the same moment: `-m benchmarks.callers CONTESTANT VERB`.

    prepare REFRESH     an empty database becomes one with one expired token
    call THREADS        says "ready", waits for a line, prints what each caller met
    stored              prints the refresh token that is left in the end

The contestant is a module with `prepare`, `caller` and `stored`; runs in Keyrack's Python and in that of the peers.
"""

import importlib
import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
from django.core.management import call_command
from django.db import connection

PATIENCE = 60.0  # seconds until all are connected


class Start:
    """Barrier: all callers connect to the database first, start at once, and stay until the end."""

    def __init__(self, threads: int) -> None:
        self.arrived = threading.Barrier(threads + 1)
        self.event = threading.Event()
        self.over = threading.Event()
        self.at = 0.0

    def arrive(self) -> None:
        self.arrived.wait()
        self.event.wait()

    def give(self) -> None:
        self.at = time.perf_counter()
        self.event.set()


class Caller:
    """A thread as in a web server: its database connection is open before the call and stays open."""

    def __init__(self, contestant: Any, start: Start) -> None:
        self.contestant, self.start = contestant, start
        self.token, self.seconds, self.error = "", 0.0, ""
        self.is_done = threading.Event()

    def run(self) -> None:
        try:
            self.call(self.contestant.caller())
        except Exception as error:
            self.error = type(error).__name__
        self.is_done.set()
        self.start.over.wait()
        connection.close()

    def call(self, ask: Callable[[], str]) -> None:
        self.start.arrive()
        try:
            self.token = ask()
        finally:
            self.seconds = time.perf_counter() - self.start.at


def call(contestant: Any, threads: str) -> None:
    start = Start(int(threads))
    callers = [Caller(contestant, start) for _ in range(int(threads))]
    with ThreadPoolExecutor(len(callers)) as pool:
        for caller in callers:
            pool.submit(caller.run)
        start.arrived.wait(PATIENCE)
        print(json.dumps("ready"), flush=True)
        sys.stdin.readline()
        start.give()
        for caller in callers:
            caller.is_done.wait()
        print(json.dumps([(caller.seconds, caller.token, caller.error) for caller in callers]), flush=True)
        sys.stdin.read()  # until the last caller of the last process has its answer
        start.over.set()


def prepare(contestant: Any, refresh_token: str) -> None:
    call_command("migrate", verbosity=0)
    contestant.prepare(refresh_token)
    print(json.dumps("prepared"))


def stored(contestant: Any) -> None:
    print(json.dumps(contestant.stored()))


if __name__ == "__main__":
    django.setup()
    verbs: dict[str, Callable[..., None]] = {"prepare": prepare, "call": call, "stored": stored}
    verbs[sys.argv[2]](importlib.import_module(sys.argv[1]), *sys.argv[3:])
