"""Logs: format, levels and filters; where metrics and traces go. No OAuth library logs at DEBUG: it would print tokens.

The filters shorten or downgrade records about an unreachable queue or third party. Beat logs a whole stack for each
task that it cannot send, every few seconds; one line is enough. Django logs our own 502 and 504 as errors and mails
each to administrators, although the third party is at fault.

Some addresses have a secret in their path. No line and no mail shows it.
"""

import json
import logging
import os
import re
from datetime import UTC, datetime
from http import HTTPStatus

from celery.beat import SchedulingError
from kombu.exceptions import ChannelError, OperationalError

from config.environment import DATA_DIR, env, private_folder
from foundation.request_ids import current_request_id

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
METRICS_TOKEN = env.text("METRICS_TOKEN")
if METRICS_TOKEN:  # before prometheus_client is imported: processes count into files of one folder
    METRICS_DIR = private_folder("PROMETHEUS_MULTIPROC_DIR", str(DATA_DIR / "metrics"))
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(METRICS_DIR)
LOG_FORMAT = env.choice("LOG_FORMAT", ("text", "json"), default="text")
TRACES_ENDPOINT = env.endpoint("TRACES_ENDPOINT")
TRACES_AUTHORIZATION = env.text("TRACES_AUTHORIZATION")
TRACES_SAMPLE_RATIO = env.share("TRACES_SAMPLE_RATIO", default=1.0)
TRACES_TO_THIRD_PARTIES = env.flag("TRACES_TO_THIRD_PARTIES", default=False)


SECRET_PATH = re.compile(r"(/integrations/(?:calendar|connect)/)(?!revoke/)[^/\s\"'<>?#]+")


def mask_secret_paths(text: str) -> str:
    """The text without the secrets of connect links and calendar addresses."""
    return SECRET_PATH.sub(r"\1***", text)


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


class RefusalsInOneLine(logging.Filter):
    """Drop the traceback of a request that was refused (4xx): the request is at fault, and anybody can cause it."""

    def filter(self, record: logging.LogRecord) -> bool:
        status = getattr(record, "status_code", None)
        if isinstance(status, int) and 400 <= status < 500:
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = min((record.levelno, record.levelname), (logging.WARNING, "WARNING"))
        return True


class TextLines(logging.Formatter):
    """Django's usual text, without secrets in paths."""

    def format(self, record: logging.LogRecord) -> str:
        return mask_secret_paths(super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object for each record, on one line. Of what records carry besides the message, only these fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": current_request_id(),
            "process": record.process,
        }
        if isinstance(status := getattr(record, "status_code", None), int):
            line["status"] = status
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        text = json.dumps({name: value for name, value in line.items() if value}, ensure_ascii=True)
        return mask_secret_paths(text)


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {
            "()": "config.logging_settings.TextLines",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
        "json": {"()": "config.logging_settings.JsonLines"},
    },
    "filters": {
        "queue is away": {"()": "config.logging_settings.QueueErrorsInOneLine"},
        "they are away": {"()": "config.logging_settings.ProviderErrorsAsWarnings"},
        "refused": {"()": "config.logging_settings.RefusalsInOneLine"},
        "no debug": {"()": "django.utils.log.RequireDebugFalse"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["refused"]},
        "mail_admins": {"class": "config.reporting.MailToAdmins", "level": "ERROR", "filters": ["no debug"]},
    },
    "root": {"handlers": ["console"], "level": env.choice("LOG_LEVEL", LEVELS, default="INFO")},
    "loggers": {
        "django": {"handlers": ["mail_admins"], "level": "INFO"},
        "requests_oauthlib": {"level": "INFO"},
        "oauthlib": {"level": "INFO"},
        "urllib3": {"level": "INFO"},
        "celery.beat": {"filters": ["queue is away"]},
        "django.request": {"filters": ["they are away"]},
    },
}
