"""The database connection of this thread: release it during calls to third parties, and retry writes after them."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

INSIST_SECONDS = 20.0  # while the database is down, no other process can take the lease either
Result = TypeVar("Result")


def release_connection() -> None:
    """Close the database connection before a call to a third party, unless a transaction is open."""
    if not connection.in_atomic_block:
        connection.close()


def release_scarce_connection() -> None:
    """The same, but not for SQLite, which has no connections to run out of.

    Opening one takes longer than most calls.
    """
    if connection.vendor != "sqlite":
        release_connection()


def refuse_inside_a_transaction() -> None:
    """Raise RuntimeError in a transaction: responses must be committed whatever the caller does, and without locks."""
    if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise RuntimeError("A token cannot be renewed inside a transaction: ask for it before the transaction begins.")


def insist(write: Callable[[], Result]) -> Result:
    """Retry a write of data that exists nowhere else while the database is down. `write` must be safe to repeat."""
    ends_at, pause = time.monotonic() + INSIST_SECONDS, 0.1
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > ends_at:
                logger.error("The response of a provider cannot be stored (%s).", type(error).__name__)
                raise
        release_connection()
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
        pause = min(pause * 2, 2.0)
