"""What is said shorter, or less loudly, than whoever says it would.

A queue that is away is a line in the log, not a hundred: the logger of beat prints its whole stack for each task that
it could not send, every few seconds. A third party that is away is no error of ours: the logger of Django would mail
the administrators about each call that it leaves unanswered.
"""

import logging
from http import HTTPStatus

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


class TheyAreAway(logging.Filter):
    """Our own 502 and 504; `integrations.circuit_breaker` says once what is down."""

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", None) in (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True
