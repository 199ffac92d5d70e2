"""Send due mails: claim the rows, send, and release them if the mail could not be sent."""

import logging
import time
from collections.abc import Iterable
from itertools import islice
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused

from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from foundation.mail_outbox import deferral
from foundation.mail_outbox.mails import DueMail, Mail

logger = logging.getLogger(__name__)

RUN_SECONDS = 25.0
MAILS_IN_A_RUN = 100


def send_due(owed: Iterable[DueMail]) -> None:
    """Send the first hundred mails that are not deferred. Safe to repeat.

    If the mail server is down, the run ends after one attempt and everything stays due. A mail that fails by itself is
    deferred.
    """
    ends_at, connection, deferred = time.monotonic() + RUN_SECONDS, get_connection(), deferral.next_attempts()
    ready = (mail for mail in owed if mail.key not in deferred or deferred[mail.key] <= timezone.now())
    try:
        for mail in islice(ready, MAILS_IN_A_RUN):
            if time.monotonic() > ends_at:
                return
            with deferral.attempt(mail.key, deferred):
                connection.open()
                send(mail.compose(), connection)
    except (SMTPException, OSError) as error:
        logger.warning("The mail server cannot be used now (%s). Due mails are sent later.", type(error).__name__)
    finally:
        connection.close()


def send(mail: Mail, connection: BaseEmailBackend) -> None:
    """Claim the lines of the mail and send those that were claimed. Releases them and re-raises if sending fails."""
    claimed = [line for line in mail.lines if line.claim()]
    words = [line.words for line in claimed if line.words is not None]
    if not words:
        return
    try:
        mail.message(words, connection).send()
    except BaseException as error:
        if is_final(error):
            logger.warning("The mail server refused a mail permanently (%s).", type(error).__name__)
            return
        for line in claimed:
            line.release()
        raise


def is_final(error: BaseException) -> bool:
    """Whether the server permanently rejects this mail or address, but not necessarily the next (RFC 5321 §4.2.1)."""
    if isinstance(error, SMTPRecipientsRefused):
        return all(code >= 500 for code, _answer in error.recipients.values())
    return isinstance(error, SMTPDataError) and error.smtp_code >= 500
