"""Log format, levels and filters. OAuth libraries never log at DEBUG, where they print tokens.

The filters shorten or downgrade records about an unreachable queue or third party. Beat logs a whole stack for each
task that it cannot send, every few seconds; one line is enough. Django logs our own 502 and 504 as errors and mails
each to administrators, although the third party is at fault.
"""

import logging
from http import HTTPStatus

from celery.beat import SchedulingError
from kombu.exceptions import ChannelError, OperationalError

from config.environment import env


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


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {
        "queue is away": {"()": "config.logging_settings.QueueErrorsInOneLine"},
        "they are away": {"()": "config.logging_settings.ProviderErrorsAsWarnings"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "requests_oauthlib": {"level": "INFO"},
        "oauthlib": {"level": "INFO"},
        "urllib3": {"level": "INFO"},
        "celery.beat": {"filters": ["queue is away"]},
        "django.request": {"filters": ["they are away"]},
    },
}
