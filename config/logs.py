"""Log filters that shorten or downgrade records about an unreachable queue or third party.

Beat logs a whole stack for each task that it cannot send, every few seconds; one line is enough. Django logs our own
502 and 504 as errors and mails each to administrators, although the third party is at fault.
"""

import logging
from http import HTTPStatus

from celery.beat import SchedulingError
from kombu.exceptions import ChannelError, OperationalError


class QueueErrorsInOneLine(logging.Filter):
    """Shorten beat's errors about an unreachable queue to one warning. Other errors stay as they are."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        cause = error.__context__ if isinstance(error, SchedulingError) else None
        if isinstance(cause, OperationalError | ChannelError | OSError):
            record.msg, record.args = "The queue is unreachable (%s); beat tries again.", (type(cause).__name__,)
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.exc_info = record.exc_text = None
        return True


class ProviderErrorsAsWarnings(logging.Filter):
    """Log our own 502 and 504 as warnings. The circuit breaker logs once that a server is down."""

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", None) in (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True
