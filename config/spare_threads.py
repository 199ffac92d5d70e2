"""Threads of a WSGI server that are kept for /healthz, which must be answered when all others wait for something.

A request that would take the last threads waits as long as other requests end, which is a moment on a busy site. Where
none has ended for a quarter of a second and the process neither works nor waits for a processor, all threads hang, and
it is answered with 503. So it is in any case where none has ended for ten seconds: /healthz waits behind it.
"""

import contextlib
import json
import os
import re
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Condition
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PATIENCE = 0.25  # seconds without the end of any request
LONGEST_WAIT = 10.0  # seconds without the end of any request, while the process works or waits for a processor
BUSY_SHARE = 0.05  # of a processor: a process that uses less hangs, or gets no more
THREADS_OF_PROCESS = Path("/proc/self/task")  # on Linux
BUSY = b"The site is busy. Try again in a moment.\n"
BUSY_IN_JSON = {
    "/readyz": {"status": "failing", "threads": "failing"},
    "/api/": {"error": "server_error", "error_description": BUSY.decode().strip()},
    "/o/": {"error": "temporarily_unavailable", "error_description": BUSY.decode().strip()},
}


def server_threads() -> int:
    """How many threads Granian or gunicorn was told to use for one process; 0 if this is neither."""
    words = [*sys.argv, *shlex.split(os.environ.get("GUNICORN_CMD_ARGS", ""))]
    option = re.search(r"(?:^|\s)--(?:blocking-threads|threads)[= ](\d+)", " ".join(words))
    return int(option[1] if option else os.environ.get("GRANIAN_BLOCKING_THREADS", 0))


def refuse(path: str, start_response: StartResponse) -> list[bytes]:
    """503: in JSON where programs ask, as text elsewhere."""
    told = next((told for begin, told in BUSY_IN_JSON.items() if path.startswith(begin)), None)
    body = json.dumps(told).encode() if told else BUSY
    content_type = "application/json" if told else "text/plain"
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    start_response("503 Service Unavailable", [*headers, ("Retry-After", "1"), ("Cache-Control", "no-store")])
    return [body]


def has_ready_thread(besides: set[int]) -> bool:
    """Whether a thread of this process could run now. On a busy machine it may not get a processor for long.

    Only Linux says so; elsewhere it is False.
    """
    with contextlib.suppress(OSError):
        return any(is_ready(thread) for thread in THREADS_OF_PROCESS.iterdir() if int(thread.name) not in besides)
    return False


def is_ready(thread: Path) -> bool:
    with contextlib.suppress(OSError):  # it has ended meanwhile
        return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "R"
    return False


class SpareThreads:
    """WSGI middleware that lets at most `threads` less a few requests into the application at once."""

    def __init__(self, application: WSGIApplication, threads: int) -> None:
        self.application = application
        self.limit = threads - max(1, threads // 32) if threads > 1 else sys.maxsize
        self.running = 0
        self.waiting: set[int] = set()  # threads whose requests wait here
        self.unchanged_since = 0.0  # since when all threads are taken and no request has ended
        self.measured_from = 0.0  # the same, or when the process was last seen to work
        self.processor_then = 0.0  # seconds that the process had used by then
        self.hangs = False  # since then
        self.ended = Condition()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not self.enter():
            return refuse(str(environ.get("PATH_INFO")), start_response)
        request = Request(self.leave)
        try:
            body = self.application(environ, start_response)
        except BaseException:
            request.close()
            raise
        is_file: bool = isinstance(body, environ.get("wsgi.file_wrapper", ()))
        if is_file:  # the server sends it by itself
            request.close()
            return body
        request.body = body
        return request

    def enter(self) -> bool:
        thread = threading.get_native_id()
        with self.ended:
            self.waiting.add(thread)
            has_place = self.wait_for_place()
            self.waiting.discard(thread)
            if has_place:
                self.running += 1
            if has_place and self.running == self.limit:
                self.start_clock()
            return has_place

    def wait_for_place(self) -> bool:
        while self.running >= self.limit:
            now = time.monotonic()
            remaining = self.measured_from + PATIENCE - now
            if remaining > 0:
                self.ended.wait(remaining)
            elif self.hangs or now - self.unchanged_since > LONGEST_WAIT or not self.works():
                self.hangs = True
                return False
            else:
                self.measure()
        return True

    def start_clock(self) -> None:
        self.measure()
        self.unchanged_since, self.hangs = self.measured_from, False

    def measure(self) -> None:
        self.measured_from, self.processor_then = time.monotonic(), time.process_time()

    def works(self) -> bool:
        """The process works on its requests, as when many hash passwords, or would if others left it a processor."""
        used = time.process_time() - self.processor_then
        is_busy = used >= BUSY_SHARE * (time.monotonic() - self.measured_from)
        return is_busy or has_ready_thread(besides=self.waiting)

    def leave(self) -> None:
        with self.ended:
            self.running -= 1
            self.start_clock()
            self.ended.notify()


class Request:
    """The body of one answer; counts as running until the server closes it.

    Granian and gunicorn do that also when the caller hangs up or the body raises. No `__del__`: with one, Granian's
    process ends with a segmentation fault at one of its first pages, about every second time.
    """

    def __init__(self, leave: Callable[[], None]) -> None:
        self.leave: Callable[[], None] | None = leave
        self.body: Iterable[bytes] = ()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        leave, self.leave = self.leave, None
        try:
            if close := getattr(self.body, "close", None):
                close()
        finally:
            if leave:
                leave()
