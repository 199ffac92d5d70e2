"""Many promises at once: whatever is due, claimed in batches and delivered by threads, with no provider hammered.

A slow provider holds at most half of the threads, so that the others go on. What does not fit into the time stays due;
what a killed process had claimed is due again when its claim has run out.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from time import monotonic
from uuid import UUID

from django.conf import settings
from django.db import connection

from foundation.error_boundary import error_boundary
from integrations.connections.revocations import delivery, verification
from integrations.connections.revocations.settlement import settle
from integrations.connections.revocations.work_queue import LOOK_AGAIN, Board
from integrations.models.tokens import Revocation

SECONDS = 45.0  # of one run, its last deliveries included; its task is killed after 60
DELIVERY_SECONDS = verification.WITNESS_SECONDS + delivery.SECONDS + verification.SECONDS
LOOKED_AT = 200  # due rows, of which a batch is chosen


def drain(*, seconds: float = SECONDS, threads: int = 0) -> int:
    """Deliver what is due, until nothing is or the time is up; how many were attempted. Safe to run twice at once.

    `threads`: how many calls one provider gets at once (REVOCATION_THREADS). All together get twice as many.
    """
    board = Board(threads or settings.REVOCATION_THREADS)
    last_start_at = monotonic() + max(seconds - DELIVERY_SECONDS, seconds / 3)
    rows = claim(board)
    if not rows:
        return 0
    lanes: list[Future[int]] = []
    with ThreadPoolExecutor(2 * board.at_once, thread_name_prefix="revocations") as pool:
        try:
            while rows:
                board.put(rows)
                wanted = min(2 * board.at_once, board.demand())
                lanes += [pool.submit(work, board) for _ in range(wanted - len(lanes))]
                rows = more(board, last_start_at)
        finally:
            Revocation.objects.give_back(board.close())
            settle_the_rest(board)
    return sum(lane.result() for lane in lanes)


def settle_the_rest(board: Board) -> None:
    while board.load():
        settle(board.earned())
        board.wait_for(lambda: not board.load(), LOOK_AGAIN)
    settle(board.earned())


def more(board: Board, last_start_at: float) -> list[Revocation]:
    """Whatever else is due. Where all of it is for busy providers, that means waiting for these."""
    while (left := last_start_at - monotonic()) > 0:
        settle(board.earned())
        before = board.load()
        if rows := claim(board):
            return rows
        if not before:
            break
        board.wait_for(partial(is_eased, board, full(board)), left)
    return []


def is_eased(board: Board, before: set[str]) -> bool:
    """All is done, or one of those that were full has room again."""
    return not board.load() or bool(before - full(board))


def full(board: Board) -> set[str]:
    """Providers with enough to do. A few of theirs wait already, so that no thread has to wait for a claim."""
    return {url for url, number in board.load().items() if number > board.at_once + board.at_once // 2}


def claim(board: Board) -> list[Revocation]:
    """The longest due, fairly among providers."""
    due = Revocation.objects.due().exclude(revocation_url__in=full(board)).order_by("next_attempt_at")
    chosen: list[UUID] = []
    taken = board.load()
    for row_id, url in due.values_list("pk", "revocation_url")[:LOOKED_AT]:
        if taken[url] < 2 * board.at_once and len(chosen) < 2 * board.at_once:
            taken[url] += 1
            chosen.append(row_id)
    return Revocation.objects.claim(chosen, delivery.LEASE) if chosen else []


def work(board: Board) -> int:
    """One thread. A claim that waited too long to be safe is left to run out."""
    number = 0
    try:
        while row := board.take():
            state = None
            try:
                with error_boundary(
                    f"Delivering revocation {row.hex}"
                ):  # the attempt cannot be counted: its claim runs out
                    if row.is_claimed_for(DELIVERY_SECONDS):
                        state = delivery.pursue(row)
                        number += 1
            finally:
                board.done(row, state)
    finally:
        connection.close()
    return number
