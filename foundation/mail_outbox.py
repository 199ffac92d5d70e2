"""Mail outbox: mails that are due according to an app's own rows.

There is no queue. A column of each row records that its mail was sent: it is set by compare-and-swap before sending,
and reset if the mail cannot be sent. A mail that fails is tried again after growing delays, and never stops the others.
A mail never holds a secret.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any, TypeGuard
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import models, transaction
from django.db.models import CharField, Exists, OuterRef, QuerySet, Value
from django.db.models.functions import Cast, Concat, Replace
from django.template.loader import render_to_string
from django.utils import timezone

from foundation import installation
from foundation.error_boundary import error_boundary
from foundation.reader_time import as_read_by

logger = logging.getLogger(__name__)
Words = dict[str, Any]  # template context for one row


class DeferredMail(models.Model):
    """A mail that failed, and when to try it again. `accounts` has the migrations of its table."""

    key = models.CharField(primary_key=True, max_length=100)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)

    class Meta:
        app_label = "accounts"
        verbose_name = "Deferred mail"

    def __str__(self) -> str:
        return self.key


# Mails ----------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Line:
    """One row that a mail is about. `words`: None if there is nothing that the reader could do."""

    row: models.Model
    column: str  # that records the mail
    value: object  # its value once the mail is sent
    words: Words | None
    only_while: Mapping[str, object] = field(default_factory=dict)  # columns that must not have changed meanwhile

    def claim(self) -> bool:
        """Record the mail as sent. False if another process has, or if the row has changed."""
        return self._swap(getattr(self.row, self.column), self.value)

    def release(self) -> None:
        self._swap(self.value, getattr(self.row, self.column))

    def _swap(self, old: object, new: object) -> bool:
        rows = type(self.row)._default_manager.filter(pk=self.row.pk, **self.only_while, **{self.column: old})
        return bool(rows.update(**{self.column: new}))


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One mail with a line for each row. `subject` gets the number of lines and the words of the first one.

    `time_zone` and `language`: as the recipient reads it; "" for the site's.
    """

    to: list[str]
    template: str
    subject: Callable[[int, Words], str]
    lines: list[Line]
    context: Words = field(default_factory=dict)
    time_zone: str = ""
    language: str = ""

    def message(self, lines: list[Words], connection: BaseEmailBackend) -> EmailMessage:
        with as_read_by(time_zone=self.time_zone, language=self.language or settings.LANGUAGE_CODE):
            subject = " ".join(f"{settings.EMAIL_SUBJECT_PREFIX}{self.subject(len(lines), lines[0])}".split())
            body = render_to_string(self.template, {"lines": lines, **self.context})
        return EmailMessage(subject, body, to=self.to, connection=connection)


@dataclass(frozen=True, kw_only=True)
class DueMail:
    """A mail that is due and not composed yet. `key` identifies it and holds none of its text."""

    key: str
    compose: Callable[[], Mail]


# Failed mails ---------------------------------------------------------------------------------------------------------
FIRST_DELAY, LONGEST_DELAY = timedelta(minutes=1), timedelta(hours=6)
FORGOTTEN_AFTER = timedelta(days=7)  # after the next attempt was due: that mail is no longer due
ABOUT_THIS_MAIL = (SMTPRecipientsRefused, SMTPDataError)  # the server works, and refuses this mail for now
CLOSES_CONNECTION = 421  # RFC 5321 §3.8: may answer any command, and smtplib closes its end too
ENHANCED_STATUS = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}\b")  # RFC 3463


def key_of(kind: str, row: models.Model) -> str:
    """The key of a mail about this row, or to this person."""
    return f"{kind}:{row.pk.hex if isinstance(row.pk, UUID) else row.pk}"


def exclude_deferred(rows: QuerySet[Any], kind: str, column: str = "pk") -> QuerySet[Any]:
    """Leave out rows whose mail is deferred: enough of them would keep all others from being read."""
    row_id = Replace(Cast(OuterRef(column), CharField()), Value("-"))  # PostgreSQL writes a UUID with hyphens
    key = Concat(Value(f"{kind}:"), row_id, output_field=CharField())
    return rows.filter(~Exists(DeferredMail.objects.filter(key=key, next_attempt_at__gt=timezone.now())))


def next_attempts() -> dict[str, datetime]:
    """When each deferred mail may be tried again, by key. Deletes outdated rows."""
    DeferredMail.objects.filter(next_attempt_at__lt=timezone.now() - FORGOTTEN_AFTER).delete()
    return dict(DeferredMail.objects.values_list("key", "next_attempt_at"))


@contextmanager
def attempt_mail(key: str, deferred: Mapping[str, datetime]) -> Iterator[None]:
    """Compose and send one mail in the block. Any failure defers the mail.

    Raises if the connection to the mail server cannot be used any more: the mail may be the cause, or the server.
    """
    try:
        with error_boundary(f"Mail {key}", on_error=lambda _error: defer_mail(key), expected=(SMTPException, OSError)):
            yield
            if key in deferred:
                DeferredMail.objects.filter(key=key).delete()
    except (SMTPException, OSError) as error:
        logger.warning("The mail server did not take mail %s (%s). It will be sent again later.", key, answer_in(error))
        defer_mail(key)
        if not isinstance(error, ABOUT_THIS_MAIL) or CLOSES_CONNECTION in dict(answers_in(error)):
            raise


def answers_in(error: Exception) -> list[tuple[int, bytes]]:
    """Code and text of the mail server's answers, one for each recipient that it refused."""
    if isinstance(error, SMTPRecipientsRefused):
        return list(error.recipients.values())
    if isinstance(error, SMTPResponseException):
        text = error.smtp_error
        return [(error.smtp_code, text if isinstance(text, bytes) else str(text).encode())]
    return []


def answer_in(error: Exception) -> str:
    """What the log says of it: the error and the server's codes, without its words, which name people's addresses."""
    codes = {
        f"{code} {status[0].decode()}" if (status := ENHANCED_STATUS.match(text)) else str(code)
        for code, text in answers_in(error)
    }
    return " ".join([type(error).__name__, ", ".join(sorted(codes))]).strip()


def defer_mail(key: str) -> None:
    with transaction.atomic():
        row, _is_new = DeferredMail.objects.select_for_update().get_or_create(key=key)
        row.attempts += 1
        row.next_attempt_at = timezone.now() + min(FIRST_DELAY * 2 ** min(row.attempts - 1, 10), LONGEST_DELAY)
        row.save()


# Sending --------------------------------------------------------------------------------------------------------------
RUN_SECONDS = 25.0
MAILS_IN_A_RUN = 100
MOST_FAILURES = 2  # in a row, each on a new connection: a second mail shows whether the first one was the cause


def send_due(owed: Iterable[DueMail]) -> None:
    """Send the first hundred mails that are not deferred. Safe to repeat.

    If the mail server cannot be reached, the run ends after one attempt and everything stays due. A mail that fails is
    deferred, also if the server hangs or hangs up meanwhile, and the next one gets a new connection; the run ends if
    that fails too. While the site is held, nothing is sent and everything stays due.
    """
    if not installation.sends_mails():
        return
    ends_at, connection, deferred = time.monotonic() + RUN_SECONDS, get_connection(), next_attempts()
    ready = (mail for mail in owed if mail.key not in deferred or deferred[mail.key] <= timezone.now())
    failures = 0
    try:
        for mail in islice(ready, MAILS_IN_A_RUN):
            if time.monotonic() > ends_at or not installation.sends_mails():
                return
            connection.open()
            try:
                with attempt_mail(mail.key, deferred):
                    claim_and_send(mail.key, mail.compose(), connection)
                failures = 0
            except (SMTPException, OSError):
                failures += 1
                if failures == MOST_FAILURES:
                    raise
                connection.close()
    except (SMTPException, OSError) as error:
        logger.warning("The mail server is unavailable (%s). Due mails will be sent later.", answer_in(error))
    finally:
        with suppress(SMTPException, OSError):
            connection.close()


def claim_and_send(key: str, mail: Mail, connection: BaseEmailBackend) -> None:
    """Claim the lines of the mail and send those that were claimed. Releases them and re-raises if sending fails.

    Releases them too if the site is held by then, so that the backend has sent nothing.
    """
    claimed = [line for line in mail.lines if line.claim()]
    words = [line.words for line in claimed if line.words is not None]
    if not words:
        return
    try:
        if not mail.message(words, connection).send() and not installation.sends_mails():
            release_lines(claimed)
    except BaseException as error:
        if is_final(error):
            logger.warning("The mail server refused mail %s permanently (%s).", key, answer_in(error))
            return
        release_lines(claimed)
        raise


def release_lines(claimed: Iterable[Line]) -> None:
    for line in claimed:
        line.release()


def is_final(error: BaseException) -> TypeGuard[Exception]:
    """Whether the server permanently rejects this mail or address, but not necessarily the next (RFC 5321 §4.2.1)."""
    return isinstance(error, ABOUT_THIS_MAIL) and all(code >= 500 for code, _text in answers_in(error))


HELD_MAILS = "foundation.held_mails.EmailBackend"
UNSENT = ("console", "dummy")  # backends that send nothing


def has_mail_server() -> bool:
    """Whether EMAIL_URL names a mail server. Else mails end in a log, where no link with a secret may be."""
    name: str = settings.EMAIL_BACKEND
    backend = settings.DELIVERY_BACKEND if name == HELD_MAILS else name
    return backend.rsplit(".", 2)[-2] not in UNSENT
