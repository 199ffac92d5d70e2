"""Metrics that processes count while they work, for Prometheus. Those of the database are in `monitoring`.

Labels have few values, and none names a person. With several processes, each writes its numbers into files of one
folder (`PROMETHEUS_MULTIPROC_DIR`), which the page that is asked adds up.
"""

import logging
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram, values
from prometheus_client.mmap_dict import MmapedDict

from foundation.oauth_client.transport import waited_seconds

logger = logging.getLogger(__name__)

# Files ----------------------------------------------------------------------------------------------------------------

FIRST_SIZE = 1 << 16  # bytes of a new file
ENTRY_SIZE = 32  # bytes that an entry takes besides its key, at most


def reserve_space(path: Path, size: int) -> None:
    """Make the file this long at least, with disk space for all of it. Raises `OSError` if there is none."""
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("ab") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, max(size, os.fstat(file.fileno()).st_size))
        except OSError:
            if not os.fstat(file.fileno()).st_size:
                path.unlink(missing_ok=True)  # an empty file cannot be read
            raise


class MetricFile(MmapedDict):
    """The metrics of one process, in a file whose space is reserved before it is written to as memory.

    Such a write on a full disk would end the process (SIGBUS). A process that finds no space counts in its own memory:
    Prometheus does not see what it counts from then on until it is restarted.
    """

    def __init__(self, filename: str) -> None:
        try:
            reserve_space(Path(filename), FIRST_SIZE)
        except OSError as error:
            filename = f"/proc/self/fd/{self._make_memory(error)}"
        super().__init__(filename)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        size = self._capacity
        while self._used + len(key.encode()) + ENTRY_SIZE > size:
            size *= 2
        if size > self._capacity:
            try:
                reserve_space(Path(self._fname), size)
            except OSError as error:
                self._move_to_memory(error)
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _move_to_memory(self, error: OSError) -> None:
        file = os.fdopen(self._make_memory(error), "r+b")
        file.write(self._m[:])
        file.flush()
        self._f.close()
        self._f, self._fname = file, f"/proc/self/fd/{file.fileno()}"
        self._m = mmap.mmap(file.fileno(), self._capacity)

    @staticmethod
    def _make_memory(error: OSError) -> int:
        logger.warning("Metrics cannot be written (%s); Prometheus does not see those of this process.", error.strerror)
        return os.memfd_create("metrics")


values.MmapedDict = MetricFile  # type: ignore[attr-defined,assignment]  # by which it makes its files

# Metrics --------------------------------------------------------------------------------------------------------------

# Seconds. Ours are milliseconds, those of third parties up to the deadline of a call.
OUR_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
THEIR_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
TASK_BUCKETS = (0.01, 0.05, 0.25, 1, 5, 15, 30, 60, 300)

CALLS = Counter(
    "keyrack_calls",
    "Calls to third-party APIs, by alias, class of the status, and whose fault a failure is.",
    ["alias", "status", "fault"],
)
REFUSALS = Counter(
    "keyrack_refusals", "Answers of third-party APIs that refuse a call, by what they mean for the token.", ["reason"]
)
TOO_MANY_AT_ONCE = Counter(
    "keyrack_too_many_at_once", "Calls that were refused because their program had as many under way as it may."
)
RENEWALS = Counter(
    "keyrack_renewals", "Refresh requests, by their result and the class of the error.", ["outcome", "error"]
)
REQUESTS = Histogram(
    "keyrack_request_seconds",
    "Time until the response to a request begins.",
    ["kind", "status"],
    buckets=THEIR_BUCKETS,
)
ADDED = Histogram(
    "keyrack_added_seconds",
    "Added latency: the same without the time in which the request waited for other servers.",
    ["kind"],
    buckets=OUR_BUCKETS,
)
THIRD_PARTY = Histogram(
    "keyrack_third_party_seconds",
    "Time in which one piece of work waited for other servers.",
    ["kind"],
    buckets=THEIR_BUCKETS,
)
TASKS = Histogram("keyrack_task_seconds", "Runs of tasks.", ["task", "result"], buckets=TASK_BUCKETS)
QUEUE = Histogram(
    "keyrack_queue_seconds", "Time between sending a task and its start on a worker.", ["task"], buckets=TASK_BUCKETS
)
POOL = Gauge(
    "keyrack_database_pool_connections",
    "Connections of the pools of this host's web processes, and requests that wait for one.",
    ["state"],
    multiprocess_mode="livesum",
)
POOL_STATES = {"size": "pool_size", "available": "pool_available", "waiting": "requests_waiting", "limit": "pool_max"}


THIRD_PARTY_FAILED = (502, 504)  # what Keyrack answers while another server is down, is slow or answers nonsense


def count_call(alias: str, status: int | None, *, fault: str, reason: str = "") -> None:
    """Count one call to a third party. `status`: None if there was no answer."""
    CALLS.labels(alias, f"{status // 100}xx" if status else "none", fault or "none").inc()
    if reason:
        REFUSALS.labels(reason).inc()


def count_refusal_at_once() -> None:
    TOO_MANY_AT_ONCE.inc()


def count_renewal(outcome: str, error: str) -> None:
    RENEWALS.labels(outcome, error or "none").inc()


def count_request(kind: str, status: int, *, seconds: float, third_party_seconds: float) -> None:
    REQUESTS.labels(kind, str(status) if status in THIRD_PARTY_FAILED else f"{status // 100}xx").observe(seconds)
    ADDED.labels(kind).observe(max(seconds - third_party_seconds, 0.0))
    observe_third_party(kind, third_party_seconds)


def observe_third_party(kind: str, seconds: float) -> None:
    """Record a wait for other servers; nothing if there was none."""
    if seconds:
        THIRD_PARTY.labels(kind).observe(seconds)


@contextmanager
def third_party(kind: str) -> Iterator[None]:
    """A context whose waits for other servers are recorded, within or without a request."""
    before = waited_seconds()
    try:
        yield
    finally:
        observe_third_party(kind, waited_seconds() - before)


def count_task(name: str, *, failed: bool, seconds: float, waited_seconds: float) -> None:
    TASKS.labels(name, "failed" if failed else "ok").observe(seconds)
    QUEUE.labels(name).observe(waited_seconds)


def note_pool(statistics: dict[str, int]) -> None:
    """Record the state of this process's pool, as psycopg tells it."""
    for state, key in POOL_STATES.items():
        POOL.labels(state).set(statistics.get(key, 0))
