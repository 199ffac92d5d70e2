"""What PostgreSQL says of a row that it refused is in no log line and in no mail: it would print the row."""

import json
import logging
import sys

import pytest
from django.core import mail
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from accounts.models import User
from config.log_lines import JsonLines, TextLines
from config.reporting import MailToAdmins
from foundation import installation

pytestmark = [pytest.mark.database, pytest.mark.django_db]


HASH = "scrypt$CANARY"


def refused_row() -> None:
    user = User.objects.create_user("robot", "robot@hub.example", "CANARY-password")
    User.objects.filter(pk=user.pk).update(password=HASH, is_bot=True)


@pytest.fixture
def record() -> logging.LogRecord:
    """The record of a request that the database refuses."""
    try:
        with transaction.atomic():
            refused_row()
    except IntegrityError:
        return logging.LogRecord("django.request", logging.ERROR, "x.py", 1, "Failed", None, sys.exc_info())
    raise AssertionError


@pytest.mark.parametrize("form", [TextLines, JsonLines])
def test_log_lines_name_the_constraint_and_no_value(record: logging.LogRecord, form: type[logging.Formatter]) -> None:
    line = form().format(record)
    assert "IntegrityError" in line
    assert "CANARY" not in line
    assert "constraint" in line
    assert "test_database_errors.py" in line
    if form is JsonLines:
        assert json.loads(line)["message"] == "Failed"


def test_mails_to_administrators_show_none_either(record: logging.LogRecord, settings: Settings) -> None:
    settings.ADMINS = [("Admin", "admin@hub.example")]
    record.request = RequestFactory().get("/")
    MailToAdmins().emit(record)
    [message] = mail.outbox
    texts = [message.subject, str(message.body), *(str(each) for each in getattr(message, "alternatives", []))]
    assert any("constraint" in text for text in texts)
    assert not any("CANARY" in text for text in texts)


def test_an_error_that_the_database_keeps_from_being_mailed_fails_nothing_else(
    record: logging.LogRecord, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The database says whether the site is held, and so whether it sends mails."""
    settings.ADMINS = [("Admin", "admin@hub.example")]
    settings.DELIVERY_BACKEND, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "foundation.held_mails.EmailBackend"
    monkeypatch.setattr(installation, "read_state", unreachable)
    installation.forget_state()
    MailToAdmins().emit(record)
    assert mail.outbox == []
    assert "An error was not mailed to administrators (OperationalError)." in caplog.text


def unreachable() -> installation.State:
    raise OperationalError("connection refused")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite takes any value")
def test_an_error_about_a_statement_shows_no_part_of_it() -> None:
    with pytest.raises(DataError) as error, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute('SELECT \'{"token": "CANARY", 1\'::json')
    assert str(error.value) == "invalid input syntax for type json"
