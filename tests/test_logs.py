"""Lines of the log: what they leave out, and that each record is one."""

import logging

import pytest
from celery.beat import SchedulingError
from django.db import OperationalError as DatabaseError
from kombu.exceptions import OperationalError
from redis.exceptions import ResponseError

from config.log_lines import TEXT, TextLines
from config.logging_settings import QueueErrorsInOneLine, WithoutAdviceOfCelery


def record_of(name: str, message: str, error: BaseException | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord(name, logging.ERROR, __file__, 1, message, (), exc_info)


def raised(error: Exception, cause: Exception) -> Exception:
    try:
        try:
            raise cause
        except Exception:
            raise error  # noqa: B904  its __context__ is the cause
    except Exception as caught:
        return caught


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("celery.beat", raised(SchedulingError("not sent"), OperationalError("refused"))),
        ("celery.bootsteps", raised(AttributeError("'NoneType' object"), ConnectionResetError())),
        ("celery.worker.consumer.consumer", ResponseError("UNBLOCKED")),
        ("kombu.transport.redis", ResponseError("OOM")),
    ],
    ids=["beat", "a step that restarts", "worker", "transport"],
)
def test_a_queue_that_is_away_is_one_warning_without_a_traceback(name: str, error: Exception) -> None:
    record = record_of(name, "Error on restarting Gossip", error)
    assert QueueErrorsInOneLine().filter(record)
    line = TextLines(TEXT).format(record)
    assert "WARNING" in line
    assert "The queue is unreachable (" in line
    assert "Traceback" not in line


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("celery.app.trace", ConnectionRefusedError()),
        ("celery.beat", raised(SchedulingError("not sent"), DatabaseError("gone"))),
        ("django.request", OperationalError("refused")),
    ],
    ids=["a task that failed", "a database", "a page"],
)
def test_other_errors_keep_their_traceback(name: str, error: Exception) -> None:
    record = record_of(name, "It failed", error)
    assert QueueErrorsInOneLine().filter(record)
    assert record.exc_info
    assert record.levelname == "ERROR"


def test_a_message_of_several_lines_is_one_line() -> None:
    line = TextLines(TEXT).format(record_of("celery", "Cannot connect.\nTrying again in 2.00 seconds...\n"))
    assert line.endswith("Cannot connect. Trying again in 2.00 seconds...")
    assert "\n" not in line


def test_advice_for_developers_of_celery_is_left_out() -> None:
    assert not WithoutAdviceOfCelery().filter(
        record_of("py.warnings", "x.py:1: CPendingDeprecationWarning: In Celery 5.1")
    )
    assert WithoutAdviceOfCelery().filter(record_of("py.warnings", "x.py:1: RuntimeWarning: naive"))
