"""The last threads of a WSGI server are not taken by requests that hang."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse

import pytest
from django.core.signals import request_finished
from django.test import RequestFactory

from config import spare_threads
from config.health import answer_healthz_first
from config.middleware import WSGIApplication
from config.spare_threads import SpareThreads, server_threads

CHECKOUT = Path(__file__).resolve().parents[1]
THREADS = 8
IGNORED: Any = lambda status, headers: None  # noqa: E731  a start_response


def ask(application: Any, path: str = "/") -> str:
    """The status; the body is read and closed, as a server does."""
    statuses: list[str] = []
    body = application({"PATH_INFO": path, "REQUEST_METHOD": "GET"}, lambda status, headers: statuses.append(status))
    list(body)
    if close := getattr(body, "close", None):
        close()
    return statuses[0]


class Waits:
    """An application whose requests hang until they are let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        self.go.wait(30)
        start_response("200 OK", [])
        return [b"done"]


@pytest.mark.parametrize("threads", [2, THREADS])
@pytest.mark.slow
def test_health_is_answered_and_further_requests_are_refused_while_all_others_hang(threads: int) -> None:
    pages = Waits()
    application = answer_healthz_first(SpareThreads(pages, threads))
    with ThreadPoolExecutor(threads) as server:  # as many threads as the server has
        hanging = [server.submit(ask, application) for _request in range(2 * threads)]
        began = time.monotonic()
        assert server.submit(ask, application, "/healthz").result(10) == "200 OK"
        assert time.monotonic() - began < 5
        pages.go.set()
        statuses = {request.result(10) for request in hanging}
    assert statuses == {"200 OK", "503 Service Unavailable"}


@pytest.mark.parametrize(
    ("path", "name"),
    [("/readyz", "status"), ("/api/v1/integrations/", "error"), ("/o/token/", "error"), ("/mcp", "error"), ("/", "")],
)
@pytest.mark.slow
def test_programs_are_refused_in_json(path: str, name: str) -> None:
    application = SpareThreads(lambda environ, start: iter([b"hangs"]), 2)
    hanging = application({"PATH_INFO": "/"}, IGNORED)
    told: dict[str, str] = {}
    start: Any = lambda status, headers: told.update(headers)  # noqa: E731  a start_response
    body = b"".join(application({"PATH_INFO": path}, start))
    assert told["Content-Type"] == ("application/json" if name else "text/plain")
    assert not name or json.loads(body)[name]
    del hanging


@pytest.mark.slow
def test_a_crowd_on_a_site_that_works_is_served_without_a_refusal() -> None:
    def quick(environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        time.sleep(0.002)
        start_response("200 OK", [])
        return [b"done"]

    application = SpareThreads(quick, THREADS)
    with ThreadPoolExecutor(THREADS) as server:
        assert set(server.map(ask, [application] * 300)) == {"200 OK"}


# Three requests need a hundredth of a second each and get nearly no processor. The fourth finds all threads taken.
CROWDED = """
import os, sys, time
from concurrent.futures import ThreadPoolExecutor
from config.spare_threads import SpareThreads
os.sched_setaffinity(0, {int(sys.argv[1])})
os.nice(19)
def work(environ, start_response):
    until = time.thread_time() + 0.01
    while time.thread_time() < until:
        pass
    start_response("200 OK", [])
    return [b"done"]
application = SpareThreads(work, 4)
def ask(_number):
    statuses = []
    body = application({"PATH_INFO": "/"}, lambda status, headers: statuses.append(status))
    getattr(body, "close", list)()
    return statuses
with ThreadPoolExecutor(4) as server:
    print(*server.map(ask, range(4)))
"""
OTHER = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who waits for a processor")
def test_nobody_is_refused_because_other_processes_take_the_processor() -> None:
    processor = str(min(os.sched_getaffinity(0)))
    with subprocess.Popen([sys.executable, "-c", OTHER, processor]) as other:
        try:
            command = [sys.executable, "-c", CROWDED, processor]
            answers = subprocess.run(command, check=True, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, timeout=100)
        finally:
            other.kill()
    assert answers.stdout.strip() == " ".join(["['200 OK']"] * 4)


@pytest.mark.slow
def test_a_process_that_works_lets_requests_wait_and_gives_up_for_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in its turn would keep /healthz waiting for as long again."""
    monkeypatch.setattr(spare_threads, "LONGEST_WAIT", 1.0)
    monkeypatch.setattr(spare_threads, "BUSY_SHARE", 0.0)  # it always works
    pages = Waits()
    application = SpareThreads(pages, THREADS)
    with ThreadPoolExecutor(THREADS) as server:
        hanging = [server.submit(ask, application) for _request in range(THREADS - 1)]
        began = time.monotonic()
        refused = {server.submit(ask, application).result(10) for _request in range(10)}
        seconds = time.monotonic() - began
        pages.go.set()
        assert {request.result(10) for request in hanging} == {"200 OK"}
    assert refused == {"503 Service Unavailable"}
    assert 0.9 < seconds < 5


def test_a_request_counts_until_its_body_is_closed_and_once() -> None:
    application = SpareThreads(lambda environ, start: iter([b"a"]), THREADS)
    body: Any = application({}, IGNORED)
    assert application.running == 1
    body.close()
    body.close()
    assert application.running == 0


@pytest.mark.django_db
def test_a_complete_body_reaches_the_server_as_a_list_after_the_request_has_ended() -> None:
    """Granian sends a list in one piece with the headers, so that a killed process leaves no half answer."""
    ended: list[object] = []
    note = lambda **_signal: ended.append(1)  # noqa: E731
    request_finished.connect(note)
    environ = RequestFactory().get("/.well-known/security.txt").environ
    application = SpareThreads(WSGIApplication(), THREADS)
    try:
        body = application(environ, IGNORED)
        assert isinstance(body, list)
        assert application.running == 0
        assert ended == [1], "connections of the database are given back before the answer is sent"
    finally:
        request_finished.disconnect(note)


def test_nothing_of_ours_runs_where_a_server_lets_go_of_a_body() -> None:
    """Granian does so in the middle of its own work, and crashed."""
    body = SpareThreads(lambda environ, start: iter([b"a"]), THREADS)({}, IGNORED)
    assert not hasattr(body, "__del__")


def test_a_request_that_raises_gives_its_thread_back() -> None:
    def broken(environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        raise ValueError

    application = SpareThreads(broken, THREADS)
    with pytest.raises(ValueError):  # noqa: PT011  our own
        application({}, IGNORED)
    assert application.running == 0


@pytest.mark.parametrize(
    ("command", "threads"),
    [
        ("granian --interface wsgi --workers 2 --blocking-threads 64 config.wsgi:application", 64),
        ("gunicorn --workers 2 --threads=16 config.wsgi", 16),
        ("manage.py runserver", 0),
    ],
)
def test_the_servers_own_command_says_how_many_threads_it_has(
    monkeypatch: pytest.MonkeyPatch, command: str, threads: int
) -> None:
    for name in ("GRANIAN_BLOCKING_THREADS", "GUNICORN_CMD_ARGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", command.split())
    assert server_threads() == threads
