"""Deliver all due revocations: claimed in batches, delivered by threads, with a limit of parallel calls per provider.

A slow provider occupies at most half of the threads. Rows that do not fit into the time stay due; rows claimed by a
process that was killed are due again when the claim expires.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Condition, RLock
from time import monotonic
from uuid import UUID

from django.conf import settings
from django.db import connection

from foundation import installation
from foundation.error_boundary import error_boundary
from foundation.request_ids import for_threads
from integrations.connections.revocations import delivery, verification
from integrations.connections.revocations.results import settle
from integrations.models.tokens import Revocation, RevocationState

SECONDS = 45.0  # of one run with its last deliveries; the task is killed after 60
DELIVERY_SECONDS = verification.WITNESS_SECONDS + delivery.SECONDS + verification.SECONDS
LOOKED_AT = 200  # due rows, from which a batch is chosen
LOOK_AGAIN = 1.0  # seconds; a thread that died does not notify the others


class WorkQueue:
    """Claimed revocations on their way to the threads, with a limit of parallel deliveries per provider.

    One feeder claims and settles rows, many threads deliver them. Knows no database and no calls, only rows with a URL.
    """

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


def drain(*, seconds: float = SECONDS, threads: int = 0) -> int:
    """Deliver what is due until nothing is left or the time is up; return the number of attempts. Safe in parallel.

    `threads`: parallel calls per provider (REVOCATION_THREADS); all providers together get twice as many.
    Delivers nothing while the site is held.
    """
    if installation.is_held():
        return 0
    queue = WorkQueue(threads or settings.REVOCATION_THREADS)
    last_start_at = monotonic() + max(seconds - DELIVERY_SECONDS, seconds / 3)
    rows = claim_batch(queue)
    if not rows:
        return 0
    deliveries: list[Future[int]] = []
    with ThreadPoolExecutor(2 * queue.at_once, thread_name_prefix="revocations") as pool:
        try:
            while rows:
                queue.put(rows)
                needed = min(2 * queue.at_once, queue.demand())
                deliveries += [pool.submit(for_threads(deliver_rows), queue) for _ in range(needed - len(deliveries))]
                rows = claim_more(queue, last_start_at)
        finally:
            Revocation.objects.give_back(queue.close())
            settle_until_done(queue)
    return sum(each.result() for each in deliveries)


def settle_until_done(queue: WorkQueue) -> None:
    """Settle what the threads deliver, until no row is left here. Nothing may be put in any more."""
    while queue.load():
        settle(queue.take_results())
        queue.wait_for(lambda: not queue.load(), LOOK_AGAIN)
    settle(queue.take_results())


def claim_more(queue: WorkQueue, last_start_at: float) -> list[Revocation]:
    """Claim further rows. If all due rows are for busy providers, wait for these."""
    while (seconds_left := last_start_at - monotonic()) > 0:
        settle(queue.take_results())
        load = queue.load()
        if rows := claim_batch(queue):
            return rows
        if not load:
            break
        queue.wait_for(partial(has_room, queue, busy_providers(queue)), seconds_left)
    return []


def has_room(queue: WorkQueue, were_busy: set[str]) -> bool:
    """Whether all is done, or one of the providers that were busy has room again."""
    return not queue.load() or bool(were_busy - busy_providers(queue))


def busy_providers(queue: WorkQueue) -> set[str]:
    """URLs of providers with enough rows here: some of them wait, so that no thread has to wait for a claim."""
    return {url for url, number in queue.load().items() if number > queue.at_once + queue.at_once // 2}


def claim_batch(queue: WorkQueue) -> list[Revocation]:
    """Claim the rows that have been due longest, with a limit per provider."""
    due = Revocation.objects.due().exclude(revocation_url__in=busy_providers(queue)).order_by("next_attempt_at")
    chosen: list[UUID] = []
    load = queue.load()
    for row_id, url in due.values_list("pk", "revocation_url")[:LOOKED_AT]:
        if load[url] < 2 * queue.at_once and len(chosen) < 2 * queue.at_once:
            load[url] += 1
            chosen.append(row_id)
    return Revocation.objects.claim(chosen, delivery.LEASE) if chosen else []


def deliver_rows(queue: WorkQueue) -> int:
    """Deliver rows in one thread; return the number of attempts. A claim that is about to expire is left alone."""
    number = 0
    try:
        while row := queue.take():
            state = None
            try:
                # An attempt that fails here cannot be counted; its claim expires.
                with error_boundary(f"Delivering revocation {row.hex}"):
                    if row.is_claimed_for(DELIVERY_SECONDS):
                        state = delivery.attempt_claimed(row)
                        number += 1
            finally:
                queue.done(row, state)
    finally:
        connection.close()
    return number
