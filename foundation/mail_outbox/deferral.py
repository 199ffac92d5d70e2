"""Failed mails: count the attempts, and delay the next one longer each time.

A mail that always fails neither stops the others nor is tried in each run.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused

from django.db import transaction
from django.utils import timezone

from foundation.error_boundary import error_boundary
from foundation.mail_outbox.models import DeferredMail

logger = logging.getLogger(__name__)

FIRST_DELAY, LONGEST_DELAY = timedelta(minutes=1), timedelta(hours=6)
FORGOTTEN_AFTER = timedelta(days=7)  # after the next attempt was due: that mail is no longer due
ABOUT_THIS_MAIL = (SMTPRecipientsRefused, SMTPDataError)  # the server works, and refuses this mail for now


def next_attempts() -> dict[str, datetime]:
    """When each deferred mail may be tried again, by key. Deletes outdated rows."""
    DeferredMail.objects.filter(next_attempt_at__lt=timezone.now() - FORGOTTEN_AFTER).delete()
    return dict(DeferredMail.objects.values_list("key", "next_attempt_at"))


@contextmanager
def attempt(key: str, deferred: Mapping[str, datetime]) -> Iterator[None]:
    """Compose and send one mail in the block. Raises if the mail server is down; any other failure defers the mail."""
    try:
        with error_boundary(f"Mail {key}", on_error=lambda _error: defer(key), expected=(SMTPException, OSError)):
            yield
            if key in deferred:
                DeferredMail.objects.filter(key=key).delete()
    except ABOUT_THIS_MAIL as error:
        logger.warning("The mail server refused a mail for now (%s).", type(error).__name__)
        defer(key)


def defer(key: str) -> None:
    with transaction.atomic():
        row, _is_new = DeferredMail.objects.select_for_update().get_or_create(key=key)
        row.attempts += 1
        row.next_attempt_at = timezone.now() + min(FIRST_DELAY * 2 ** min(row.attempts - 1, 10), LONGEST_DELAY)
        row.save()
