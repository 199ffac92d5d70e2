"""Send what is owed: claim the rows, send, and release them if the mail could not be sent."""

import logging
import time
from collections.abc import Iterable
from itertools import islice
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused

from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from foundation.mail_outbox import deferral
from foundation.mail_outbox.mails import Mail, OwedMail

logger = logging.getLogger(__name__)

RUN_SECONDS = 25.0
MAILS_IN_A_RUN = 100


def send_due(owed: Iterable[OwedMail]) -> None:
    """Send the first hundred that are not deferred. Safe to repeat.

    A mail server that is away costs one attempt; everything is owed as before. A mail that fails by itself is deferred.
    """
    until, connection, deferred = time.monotonic() + RUN_SECONDS, get_connection(), deferral.next_attempts()
    ready = (each for each in owed if each.key not in deferred or deferred[each.key] <= timezone.now())
    try:
        for each in islice(ready, MAILS_IN_A_RUN):
            if time.monotonic() > until:
                return
            with deferral.attempt(each.key, deferred):
                connection.open()
                send(each.compose(), connection)
    except (SMTPException, OSError) as error:
        logger.warning("No mail can be sent now (%s). What is owed is sent later.", type(error).__name__)
    finally:
        connection.close()


def send(mail: Mail, connection: BaseEmailBackend) -> None:
    claimed = [line for line in mail.lines if line.claim()]
    words = [line.words for line in claimed if line.words is not None]
    if not words:
        return
    try:
        mail.message(words, connection).send()
    except BaseException as error:
        if is_final(error):
            logger.warning("The mail server refuses a mail for good (%s).", type(error).__name__)
            return
        for line in claimed:
            line.release()
        raise


def is_final(error: BaseException) -> bool:
    """The server will never take this mail to this address, but may well take the next one (RFC 5321 §4.2.1)."""
    if isinstance(error, SMTPRecipientsRefused):
        return all(code >= 500 for code, _answer in error.recipients.values())
    return isinstance(error, SMTPDataError) and error.smtp_code >= 500
