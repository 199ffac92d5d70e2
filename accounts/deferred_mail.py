"""Mails that could not be composed or sent: each attempt is counted, and the next one waits longer.

The outboxes of this app and of `integrations` find what is owed in their own rows, at each run. This table says which
of it is to wait, by the outbox's own name for it: a mail that always fails neither stops the others nor is tried each
time.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused

from django.db import models, transaction
from django.utils import timezone

from accounts.error_boundary import error_boundary

logger = logging.getLogger(__name__)

FIRST_DELAY, LONGEST_DELAY = timedelta(minutes=1), timedelta(hours=6)
KEPT = timedelta(days=7)  # after the next attempt was due: nobody is owed that mail any more
ABOUT_THIS_MAIL = (SMTPRecipientsRefused, SMTPDataError)  # the server works, and refuses this one for now


class DeferredMail(models.Model):
    """A mail that failed, and when to try it again."""

    key = models.CharField(primary_key=True, max_length=100)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "Deferred mail"

    def __str__(self) -> str:
        return self.key


def deferred() -> dict[str, datetime]:
    """When each of them may be tried again."""
    DeferredMail.objects.filter(next_attempt_at__lt=timezone.now() - KEPT).delete()
    return dict(DeferredMail.objects.values_list("key", "next_attempt_at"))


def is_waiting(key: str, known: Mapping[str, datetime]) -> bool:
    return key in known and known[key] > timezone.now()


@contextmanager
def attempt(key: str, known: Mapping[str, datetime]) -> Iterator[None]:
    """Compose and send one mail in the block. A mail server that is away is raised, anything else is counted here."""
    try:
        with error_boundary(f"Mail {key}", on_error=lambda _error: defer(key), expected=(SMTPException, OSError)):
            yield
            if key in known:
                DeferredMail.objects.filter(key=key).delete()
    except ABOUT_THIS_MAIL as error:
        logger.warning("The mail server refuses a mail for now (%s).", type(error).__name__)
        defer(key)


def defer(key: str) -> None:
    with transaction.atomic():
        row, _is_new = DeferredMail.objects.select_for_update().get_or_create(key=key)
        row.attempts += 1
        row.next_attempt_at = timezone.now() + min(FIRST_DELAY * 2 ** min(row.attempts - 1, 10), LONGEST_DELAY)
        row.save()
