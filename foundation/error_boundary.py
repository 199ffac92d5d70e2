"""The one place that catches every exception, for work that is claimed in the database (decision 33).

Whatever goes wrong, a worker that claims work must count the attempt, give back the claim and continue with the rest of
the batch. Logs the type of an exception and where it was raised, never its message, which may hold a secret.
"""

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from celery.exceptions import SoftTimeLimitExceeded

logger = logging.getLogger(__name__)

FRAMES = 3


def only_log(_error: Exception) -> None:
    """The default `on_error`, for work that is not claimed or whose claim expires by itself."""


@contextmanager
def error_boundary(
    work: str, *, on_error: Callable[[Exception], object] = only_log, expected: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Run the block. Log an exception that is not `expected`, pass it to `on_error`, and swallow it.

    `work` is for the log: a kind and an id. `on_error` counts the attempt and schedules the next one. The soft time
    limit of a task is counted as well, and still ends the task.
    """
    try:
        yield
    except expected:
        raise
    except Exception as error:
        logger.error("%s failed unexpectedly: %s at %s", work, type(error).__name__, place_of(error))
        on_error(error)
        if isinstance(error, SoftTimeLimitExceeded):
            raise


def place_of(error: Exception) -> str:
    """The innermost frames of the traceback, such as "framing.py:31 < sessions.py:80"."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
