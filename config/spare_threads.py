"""Threads of a WSGI server that are kept for /healthz, which must be answered when all others wait for something.

A request that would take the last threads waits as long as other requests end, which is a moment on a busy site. Where
none has ended for a quarter of a second, all threads hang, and it is answered with 503.
"""

import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from threading import Condition
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PATIENCE = 0.25  # seconds without the end of any request
LONGEST_WAIT = 10.0  # seconds, while the process works
BUSY_SHARE = 0.05  # of a processor: a process that uses less waits for something else
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


class SpareThreads:
    """WSGI middleware that lets at most `threads` less a few requests into the application at once."""

    def __init__(self, application: WSGIApplication, threads: int) -> None:
        self.application = application
        self.limit = threads - max(1, threads // 32) if threads > 1 else sys.maxsize
        self.running = 0
        self.unchanged_since = 0.0  # since when all threads are taken and no request has ended
        self.processor_then = 0.0  # seconds that the process had used by then
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
        with self.ended:
            give_up_at = time.monotonic() + LONGEST_WAIT
            while self.running >= self.limit:
                remaining = self.unchanged_since + PATIENCE - time.monotonic()
                if remaining > 0:
                    self.ended.wait(remaining)
                elif self.hangs() or time.monotonic() > give_up_at:
                    return False
                else:
                    self.start_clock()
            self.running += 1
            if self.running == self.limit:
                self.start_clock()
            return True

    def start_clock(self) -> None:
        self.unchanged_since, self.processor_then = time.monotonic(), time.process_time()

    def hangs(self) -> bool:
        """No request has ended, and the process does not work on them either, as it does when many hash passwords."""
        used = time.process_time() - self.processor_then
        return used < BUSY_SHARE * (time.monotonic() - self.unchanged_since)

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
