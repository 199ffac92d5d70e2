"""One run of keeping tokens alive: claim due tokens and renew them in threads, for a part of a minute.

Each provider has a lane: its claimed tokens, and as many threads as its limit allows, at most half of all. A lane stops
when the provider is in trouble. What is claimed and not tried is given back at the end.
"""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Condition
from uuid import UUID

from django.db import connection
from django.utils import timezone

from foundation import installation
from foundation.error_boundary import error_boundary
from foundation.oauth_client.errors import OAuthError
from foundation.request_ids import for_threads
from integrations.connections import renewal
from integrations.connections.keep_alive import queue
from integrations.connections.keep_alive.queue import Source
from integrations.connections.renewal import NoUsableToken, journal
from integrations.connections.renewal.refresh_request import INTERNAL_ERROR
from integrations.models.registry import ApplicationRegistry
from integrations.models.tokens import Token

THREADS = 16
BATCH_FACTOR = 4  # tokens of one claim, for each thread that the provider's limit allows
MOST_WAITING = 400  # claimed tokens that no thread has taken yet
BACKLOG_FROM = 50  # claimed tokens, from which on other workers are asked to help
HAND_OUT_SECONDS = 20.0  # a renewal that begins by then has ended when the run does
RUN_SECONDS = 45.0
LOOK_AGAIN = 0.5  # seconds, while all that is due waits for busy providers


@dataclass
class Lane:
    """The claimed tokens of one provider, shared by its threads."""

    registry_id: UUID
    at_once: int
    per_second: float
    tokens: deque[Token] = field(default_factory=deque)
    threads: int = 0  # that will look for another token
    is_trial: bool = False  # one token is tried
    is_full: bool = False  # nothing more is claimed in this run
    is_in_trouble: bool = False

    @property
    def is_short(self) -> bool:
        """Whether its threads will soon have nothing to do."""
        return len(self.tokens) < self.at_once

    @property
    def room(self) -> int:
        """How many tokens to claim."""
        if not self.is_short:
            return 0
        return 1 if self.is_trial else self.at_once * BATCH_FACTOR


class Run:
    """State of one run: its lanes, its threads, and the time that is left."""

    def __init__(self) -> None:
        self.started_at = time.monotonic()
        self.lanes: dict[UUID, Lane] = {}  # by registry
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="keep-alive")
        self.change = Condition()
        self.active = 0  # threads
        self.claimed = self.waiting = 0  # tokens: all, and those that no thread has taken yet
        self.faults: list[BaseException] = []

    def seconds_left(self, seconds: float) -> float:
        return self.started_at + seconds - time.monotonic()

    @property
    def may_begin(self) -> bool:
        return self.seconds_left(HAND_OUT_SECONDS) > 0

    def lane_of(self, source: Source) -> Lane:
        if source.registry_id not in self.lanes:
            registry = ApplicationRegistry.objects.only("provider_profile").get(pk=source.registry_id)
            limits = queue.limits_of(registry)
            at_once = min(limits.ahead_at_once, THREADS // 2)
            lane = Lane(source.registry_id, at_once, limits.ahead_per_second, is_trial=source.is_trial)
            self.lanes[source.registry_id] = lane
        return self.lanes[source.registry_id]

    def fill(self, lane: Lane, source: Source) -> bool:
        """Claim due tokens, and start threads for them. False if the provider's limits allow no more for a moment."""
        places = queue.reserve_places(lane.registry_id, lane.room, lane.per_second) if lane.room else 0
        if not places:
            return False
        now = timezone.now()
        claimed = queue.claim(source.credential_id, places, now)
        ready = queue.ready_tokens(claimed, now)
        lane.is_full = lane.is_trial and bool(ready)
        self.claimed += len(claimed)
        with self.change:
            lane.tokens.extend(ready)
            self.waiting += len(ready)
            new_threads = min(lane.at_once - lane.threads, len(lane.tokens))
            lane.threads += new_threads
            self.active += new_threads
        for _ in range(new_threads):
            self.pool.submit(for_threads(self.work), lane)
        return True

    def work(self, lane: Lane) -> None:
        """Renew tokens of one lane, until the time is over or the provider is in trouble."""
        try:
            while token := self.take(lane):
                if not renew_token(token):
                    lane.is_full = lane.is_in_trouble = True
                    queue.pause_provider(lane.registry_id)
        except BaseException as error:
            self.faults.append(error)
            with self.change:
                lane.threads -= 1
            raise
        finally:
            connection.close()
            with self.change:
                self.active -= 1
                self.change.notify()

    def take(self, lane: Lane) -> Token | None:
        """The next token for a thread. None ends the thread, which does not count any more: `fill` starts another."""
        with self.change:
            if not (lane.tokens and self.may_begin) or lane.is_in_trouble:
                lane.threads -= 1
                return None
            token = lane.tokens.popleft()
            self.waiting -= 1
            if lane.is_short:
                self.change.notify()
            return token

    def wait(self, seconds: float) -> None:
        """Wait until a lane has room, or for so long."""
        with self.change:
            if seconds > 0:
                self.change.wait(seconds)

    def end(self) -> None:
        """Give back what was not tried, and wait for what is under way."""
        for lane in self.lanes.values():
            with self.change:
                untried = list(lane.tokens)
                lane.tokens.clear()
            queue.give_back(untried)
        while self.active and self.seconds_left(RUN_SECONDS) > 0:
            self.wait(self.seconds_left(RUN_SECONDS))
        self.pool.shutdown(wait=False, cancel_futures=True)
        if self.faults:
            raise self.faults[0]


def renew_due_tokens(on_backlog: Callable[[], None] = lambda: None) -> bool:
    """Renew what is due. Safe to repeat, also in parallel. Returns whether the time was over before the work was.

    `on_backlog` is called once if there is so much that other workers should help.
    """
    if installation.is_held():
        return False
    this = Run()
    is_announced = False
    try:
        while this.may_begin:
            claimed_before, is_waiting = this.claimed, False
            for source in queue.due_sources(timezone.now()):
                if not this.may_begin or this.waiting >= MOST_WAITING:
                    break
                lane = this.lane_of(source)
                if not lane.is_full:
                    is_waiting |= not this.fill(lane, source)
            if this.claimed >= BACKLOG_FROM and not is_announced:
                is_announced = True
                on_backlog()
            if this.claimed == claimed_before:
                if not (this.active or is_waiting):
                    return False
                this.wait(min(LOOK_AGAIN, this.seconds_left(HAND_OUT_SECONDS)))
        return True
    finally:
        this.end()


def renew_token(token: Token) -> bool:
    """Renew one token. False if that failed for a reason that may also affect the next token of this provider."""
    try:
        with error_boundary(f"Keeping token {token.hex} alive", expected=(NoUsableToken, OAuthError)):
            return renewal.renew(token).version != token.version or journal.was_broken_off(token)
    except NoUsableToken:
        pass  # concerns this person alone, who must sign in again
    except OAuthError as error:
        return error.code == INTERNAL_ERROR  # concerns this token alone
    return True
