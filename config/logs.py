"""What is said shorter than whoever says it would: a queue that is away is a line in the log, not a hundred.

Knows the logger of beat, which prints its whole stack for each task that it could not send, every few seconds.
"""

import logging

from celery.beat import SchedulingError
from kombu.exceptions import ChannelError, OperationalError


class QueueIsAway(logging.Filter):
    """One line, and only for what becomes well by itself; anything else beat may say at length."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        cause = error.__context__ if isinstance(error, SchedulingError) else None
        if isinstance(cause, OperationalError | ChannelError | OSError):
            record.msg, record.args = "The queue is away (%s); beat tries again.", (type(cause).__name__,)
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.exc_info = record.exc_text = None
        return True
