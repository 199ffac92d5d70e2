"""Logs: format, levels and filters; where metrics and traces go. No OAuth library logs at DEBUG: it would print tokens.

The filters shorten or downgrade records about an unreachable queue or third party. Beat logs a whole stack for each
task that it cannot send, every few seconds; one line is enough. Django logs our own 502 and 504 as errors and mails
each to administrators, although the third party is at fault.
"""

import logging
import os
from http import HTTPStatus

from django.db import DatabaseError
from kombu.exceptions import ChannelError, OperationalError

from config.environment import DATA_DIR, env, private_folder
from config.log_lines import FORMATS, TEXT

BROKER_CLIENTS = ("redis", "amqp")
OF_BEAT_AND_WORKERS = ("celery.beat", "celery.bootsteps", "celery.worker", "kombu")  # without celery.app: it runs tasks
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
METRICS_TOKEN = env.text("METRICS_TOKEN")
if METRICS_TOKEN:  # before prometheus_client is imported: processes count into files of one folder
    METRICS_DIR = private_folder("PROMETHEUS_MULTIPROC_DIR", str(DATA_DIR / "metrics"))
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(METRICS_DIR)
LOG_FORMAT = env.choice("LOG_FORMAT", FORMATS, default="text")
TRACES_ENDPOINT = env.endpoint("TRACES_ENDPOINT")
TRACES_AUTHORIZATION = env.text("TRACES_AUTHORIZATION")
TRACES_SAMPLE_RATIO = env.share("TRACES_SAMPLE_RATIO", default=1.0)
TRACES_TO_THIRD_PARTIES = env.flag("TRACES_TO_THIRD_PARTIES", default=False)


class QueueErrorsInOneLine(logging.Filter):
    """Shorten errors of beat and workers about an unreachable queue to one warning. Other errors stay as they are."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info and record.name.startswith(OF_BEAT_AND_WORKERS) else None
        if error is not None and (cause := queue_error(error)) is not None:
            record.msg, record.args = "The queue is unreachable (%s); it is tried again.", (type(cause).__name__,)
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.exc_info = record.exc_text = None
        return True


def queue_error(error: BaseException) -> BaseException | None:
    """Return the exception of the broker's client that led to this one, if there is one."""
    each: BaseException | None = error
    while each is not None:
        if isinstance(each, OperationalError | ChannelError | OSError) or is_of_broker_client(each):
            return each
        each = each.__cause__ or each.__context__
    return None


def is_of_broker_client(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in BROKER_CLIENTS


class WithoutAdviceOfCelery(logging.Filter):
    """Drop what Celery says to its developers each time that a connection to the broker is lost."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "CPendingDeprecationWarning" not in record.getMessage()


class OutagesAsWarnings(logging.Filter):
    """Log our own 502 and 504 as warnings, and a request that met an outage of the database as one line.

    Django would mail each to administrators with a traceback, while every request fails. The circuit breaker logs once
    that a server is down; metrics have alerts for both. A probe asks for `/readyz` every few seconds.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        is_probe = getattr(getattr(record, "request", None), "path", "") == "/readyz"
        is_gateway = getattr(record, "status_code", None) in (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)
        if is_gateway or (is_probe and record.exc_info is None):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        if reason := outage_of_database(record):
            record.msg, record.args = f"{record.getMessage()}: {reason}", ()
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.exc_info = record.exc_text = None
        return True


def outage_of_database(record: logging.LogRecord) -> str:
    """Return a sentence about the outage that made a request fail; "" if there was none."""
    error = record.exc_info[1] if record.exc_info else None
    if getattr(record, "status_code", None) != HTTPStatus.SERVICE_UNAVAILABLE or not isinstance(error, DatabaseError):
        return ""
    from config.failures import describe_for_operators  # imports models

    return describe_for_operators(error)


class RefusalsInOneLine(logging.Filter):
    """Drop the traceback of a request that was refused (4xx): the request is at fault, and anybody can cause it."""

    def filter(self, record: logging.LogRecord) -> bool:
        status = getattr(record, "status_code", None)
        if isinstance(status, int) and 400 <= status < 500:
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = min((record.levelno, record.levelname), (logging.WARNING, "WARNING"))
        return True


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {
            "()": "config.log_lines.TextLines",
            "format": TEXT,
        },
        "json": {"()": "config.log_lines.JsonLines"},
    },
    "filters": {
        "queue is away": {"()": "config.logging_settings.QueueErrorsInOneLine"},
        "advice": {"()": "config.logging_settings.WithoutAdviceOfCelery"},
        "they are away": {"()": "config.logging_settings.OutagesAsWarnings"},
        "refused": {"()": "config.logging_settings.RefusalsInOneLine"},
        "no debug": {"()": "django.utils.log.RequireDebugFalse"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["refused", "queue is away"]},
        "mail_admins": {"class": "config.reporting.MailToAdmins", "level": "ERROR", "filters": ["no debug"]},
    },
    "root": {"handlers": ["console"], "level": env.choice("LOG_LEVEL", LEVELS, default="INFO")},
    "loggers": {
        "django": {"handlers": ["mail_admins"], "level": "INFO"},
        "requests_oauthlib": {"level": "INFO"},
        "oauthlib": {"level": "INFO"},
        "urllib3": {"level": "INFO"},
        # Each task would be two lines, some hundred an hour on a site that does nothing
        "celery.beat": {"level": "WARNING"},
        "celery.worker.request": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "py.warnings": {"filters": ["advice"]},
        "django.request": {"filters": ["they are away"]},
    },
}
