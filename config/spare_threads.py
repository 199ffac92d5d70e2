"""WSGI middleware that keeps threads free for /healthz, which must be answered even if all others hang.

A request that would take the last threads waits while other requests end, which takes a moment on a busy site. If none
has ended for a quarter of a second, and the process neither works nor waits for a processor, then all threads hang and
the request is answered with 503. The same happens after ten seconds in any case, because /healthz waits behind it.
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

PATIENCE = 0.25  # seconds in which no request has ended
LONGEST_WAIT = 10.0  # the same, while the process works or waits for a processor
BUSY_SHARE = 0.05  # of a processor: a process that uses less hangs or is starved
THREADS_OF_PROCESS = Path("/proc/self/task")  # on Linux
BUSY = b"The site is busy. Try again in a moment.\n"
BUSY_IN_JSON = {
    "/readyz": {"status": "failing", "threads": "failing"},
    "/api/": {"error": "server_error", "error_description": BUSY.decode().strip()},
    "/mcp": {"error": "server_error", "error_description": BUSY.decode().strip()},
    "/o/": {"error": "temporarily_unavailable", "error_description": BUSY.decode().strip()},
}


def server_threads() -> int:
    """Return the number of threads per process of Granian or gunicorn; 0 under another server."""
    words = [*sys.argv, *shlex.split(os.environ.get("GUNICORN_CMD_ARGS", ""))]
    option = re.search(r"(?:^|\s)--(?:blocking-threads|threads)[= ](\d+)", " ".join(words))
    return int(option[1] if option else os.environ.get("GRANIAN_BLOCKING_THREADS", 0))


def calls_at_once(threads: int) -> int:
    """Return how many threads of a process one program may take: half, but no fewer than 16. 0 if it is not known."""
    return max(threads // 2, 16) if threads else 0


def answer_busy(path: str, start_response: StartResponse) -> list[bytes]:
    """Answer 503, in JSON on addresses for programs and as text elsewhere."""
    content = next((content for prefix, content in BUSY_IN_JSON.items() if path.startswith(prefix)), None)
    body = json.dumps(content).encode() if content else BUSY
    content_type = "application/json" if content else "text/plain"
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    start_response("503 Service Unavailable", [*headers, ("Retry-After", "1"), ("Cache-Control", "no-store")])
    return [body]


def has_ready_thread(besides: set[int]) -> bool:
    """Tell whether a thread of this process is ready to run, but may be waiting for a processor.

    Always False on systems other than Linux.
    """
    with contextlib.suppress(OSError):
        return any(is_ready(thread) for thread in THREADS_OF_PROCESS.iterdir() if int(thread.name) not in besides)
    return False


def is_ready(thread: Path) -> bool:
    with contextlib.suppress(OSError):  # the thread has ended meanwhile
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
        self.processor_then = 0.0  # processor seconds used by then
        self.hangs = False
        self.ended = Condition()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not self.enter():
            return answer_busy(str(environ.get("PATH_INFO")), start_response)
        request = Request(self.leave)
        try:
            body = self.application(environ, start_response)
        except BaseException:
            request.close()
            raise
        is_file: bool = isinstance(body, environ.get("wsgi.file_wrapper", ()))
        if is_file or isinstance(body, list):  # the server sends it by itself
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
        """Tell whether the process makes progress, e.g. hashes passwords, or would if it got a processor."""
        used = time.process_time() - self.processor_then
        is_busy = used >= BUSY_SHARE * (time.monotonic() - self.measured_from)
        return is_busy or has_ready_thread(besides=self.waiting)

    def leave(self) -> None:
        with self.ended:
            self.running -= 1
            self.start_clock()
            self.ended.notify()


class Request:
    """The body of one response. The request counts as running until the server closes it.

    Granian and gunicorn close it even if the caller hangs up or the body raises. No `__del__`: it makes Granian's
    process crash with a segmentation fault on one of its first pages, about every second time.
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
