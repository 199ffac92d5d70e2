"""Claimed promises on their way to the threads: so many at once towards one provider, the others wait.

Knows no database and no calls, only rows that have an address.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from threading import Condition, RLock

from integrations.models.tokens import Revocation, RevocationState

LOOK_AGAIN = 1.0  # seconds; a thread that died tells nobody that its place is free


class Board:
    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.waiting: deque[Revocation] = deque()
        self.flying: Counter[str] = Counter()
        self.unsettled: list[tuple[Revocation, RevocationState]] = []
        self.is_closed = False
        lock = RLock()
        self.for_threads, self.for_feeder = Condition(lock), Condition(lock)

    def put(self, rows: Iterable[Revocation]) -> None:
        with self.for_threads:
            self.waiting.extend(rows)
            self.for_threads.notify(len(self.waiting))

    def take(self) -> Revocation | None:
        """The next whose provider is not busy enough; waits for it. None when there will be no more."""
        with self.for_threads:
            while not (row := self.next_to_fly()) and not self.is_closed:
                self.for_threads.wait(LOOK_AGAIN)
            if row:
                self.waiting.remove(row)
                self.flying[row.revocation_url] += 1
            return row

    def next_to_fly(self) -> Revocation | None:
        return next((row for row in self.waiting if self.flying[row.revocation_url] < self.at_once), None)

    def done(self, row: Revocation, earned: RevocationState | None = None) -> None:
        """Its place is free. The thread that says so takes the next; only the feeder has to be woken."""
        with self.for_feeder:
            self.flying[row.revocation_url] -= 1
            if earned:
                self.unsettled.append((row, earned))
            self.for_feeder.notify()

    def earned(self) -> list[tuple[Revocation, RevocationState]]:
        """What has been delivered since this was last asked, for the feeder to settle."""
        with self.for_feeder:
            earned, self.unsettled = self.unsettled, []
            return earned

    def close(self) -> list[Revocation]:
        """No more is taken. What was still waiting is handed back."""
        with self.for_threads:
            self.is_closed = True
            left = list(self.waiting)
            self.waiting.clear()
            self.for_threads.notify_all()
            return left

    def load(self) -> Counter[str]:
        """How many each provider has here."""
        with self.for_feeder:
            return self.flying + Counter(row.revocation_url for row in self.waiting)

    def demand(self) -> int:
        """How many threads could be of use."""
        return sum(min(number, self.at_once) for number in self.load().values())

    def wait_for(self, change: Callable[[], bool], seconds: float) -> None:
        with self.for_feeder:
            self.for_feeder.wait_for(change, timeout=min(LOOK_AGAIN, max(seconds, 0)))
