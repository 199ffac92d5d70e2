"""How long each thread has waited for other servers, so that callers can tell their own time from that of others.

Counted from the beginning of a request to the headers of its response, and for each piece of a body that is read.
Passing on a caller's request body counts too.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic


class _OfThread(threading.local):
    seconds = 0.0
    is_counted = False


_of_thread = _OfThread()


def waited_seconds() -> float:
    """Seconds that this thread has waited so far. The difference of two readings belongs to the work between them."""
    return _of_thread.seconds


@contextmanager
def count_waiting() -> Iterator[None]:
    """A context in which this thread waits for another server. Within another such context, it counts once."""
    if _of_thread.is_counted:
        yield
        return
    started_at, _of_thread.is_counted = monotonic(), True
    try:
        yield
    finally:
        _of_thread.seconds += monotonic() - started_at
        _of_thread.is_counted = False
