"""Claimed revocations on their way to the threads, with a limit of parallel deliveries per provider.

Knows no database and no calls, only rows with a URL.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from threading import Condition, RLock

from integrations.models.tokens import Revocation, RevocationState

LOOK_AGAIN = 1.0  # seconds; a thread that died does not notify the others


class WorkQueue:
    """A queue with one feeder, which claims and settles rows, and many threads, which deliver them."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.waiting: deque[Revocation] = deque()
        self.in_progress: Counter[str] = Counter()  # by URL of the provider
        self.results: list[tuple[Revocation, RevocationState]] = []
        self.is_closed = False
        lock = RLock()
        self.for_threads, self.for_feeder = Condition(lock), Condition(lock)

    def put(self, rows: Iterable[Revocation]) -> None:
        with self.for_threads:
            self.waiting.extend(rows)
            self.for_threads.notify(len(self.waiting))

    def take(self) -> Revocation | None:
        """The next row whose provider has room; waits for it. None if the queue is closed."""
        with self.for_threads:
            while not (row := self.next_ready()) and not self.is_closed:
                self.for_threads.wait(LOOK_AGAIN)
            if row:
                self.waiting.remove(row)
                self.in_progress[row.revocation_url] += 1
            return row

    def next_ready(self) -> Revocation | None:
        return next((row for row in self.waiting if self.in_progress[row.revocation_url] < self.at_once), None)

    def done(self, row: Revocation, state: RevocationState | None = None) -> None:
        """Free the place of a row, and hand its new state to the feeder, if it has one."""
        with self.for_feeder:
            self.in_progress[row.revocation_url] -= 1
            if state:
                self.results.append((row, state))
            self.for_feeder.notify()

    def take_results(self) -> list[tuple[Revocation, RevocationState]]:
        """Rows that were delivered since the last call, with their new states, for the feeder to settle."""
        with self.for_feeder:
            results, self.results = self.results, []
            return results

    def close(self) -> list[Revocation]:
        """Let the threads end, and return the rows that were still waiting."""
        with self.for_threads:
            self.is_closed = True
            rows = list(self.waiting)
            self.waiting.clear()
            self.for_threads.notify_all()
            return rows

    def load(self) -> Counter[str]:
        """The number of rows here, by URL of the provider."""
        with self.for_feeder:
            return self.in_progress + Counter(row.revocation_url for row in self.waiting)

    def demand(self) -> int:
        """How many threads could be of use."""
        return sum(min(number, self.at_once) for number in self.load().values())

    def wait_for(self, change: Callable[[], bool], seconds: float) -> None:
        with self.for_feeder:
            self.for_feeder.wait_for(change, timeout=min(LOOK_AGAIN, max(seconds, 0)))
