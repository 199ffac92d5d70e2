"""This thread's database connection: given back while strangers are asked, insisted on when they have answered."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

INSIST_SECONDS = 20.0  # while the database is away, nobody else can take the lease either
Written = TypeVar("Written")


def release_connection() -> None:
    """Nobody's database connection waits for a third party."""
    if not connection.in_atomic_block:
        connection.close()


def release_scarce_connection() -> None:
    """The same where that must not cost more than what it gives. SQLite has no connections to run out of, and opening
    one takes longer than most calls.
    """
    if connection.vendor != "sqlite":
        release_connection()


def refuse_inside_a_transaction() -> None:
    """What the server answers must be committed whatever becomes of the caller, and nobody may wait for it locked."""
    if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise RuntimeError("A token cannot be renewed inside a transaction: ask for it before the transaction begins.")


def insist(write: Callable[[], Written]) -> Written:
    """Commit what exists nowhere else, though the database be away for a while. `write` must be safe to repeat."""
    give_up_at, pause = time.monotonic() + INSIST_SECONDS, 0.1
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > give_up_at:
                logger.error("What a provider answered cannot be stored (%s).", type(error).__name__)
                raise
        release_connection()
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
        pause = min(pause * 2, 2.0)
