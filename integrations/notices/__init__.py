"""Mails that somebody is owed: what a person must do, and what an administrator must mend.

Nothing is queued: the rows say what is owed, and remember what was told. The memory is set before a mail is sent, by
compare-and-swap, and put back when it cannot be sent. A mail names accounts and addresses of ours, never a secret; the
provider's code is for administrators alone. Knows nothing of why tokens fail or how promises are kept.

    mail      one mail and the rows that it tells of      people      what a person must do
    administrators    what is to be mended
"""

import logging
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from smtplib import SMTPException

from django.core.mail import get_connection
from django.utils import timezone

from accounts import deferred_mail
from integrations.notices.administrators import to_administrators
from integrations.notices.mail import Owed, send
from integrations.notices.people import to_people

__all__ = ["owed", "send_due"]

logger = logging.getLogger(__name__)

RUN_SECONDS = 25.0
MAILS_IN_A_RUN = 100


def send_due() -> None:
    """Safe to repeat. A mail server that is away costs one attempt; everything is owed as before."""
    until, post, known = time.monotonic() + RUN_SECONDS, get_connection(), deferred_mail.deferred()
    ready = (each for each in owed(timezone.now()) if not deferred_mail.is_waiting(each.key, known))
    try:
        for each in islice(ready, MAILS_IN_A_RUN):
            if time.monotonic() > until:
                return
            with deferred_mail.attempt(each.key, known):
                post.open()
                send(each.compose(), post)
    except (SMTPException, OSError) as error:
        logger.warning("No mail can be sent now (%s). What is owed is sent later.", type(error).__name__)
    finally:
        post.close()


def owed(now: datetime) -> Iterator[Owed]:
    """Read as it is needed: what an earlier mail has told is not found again."""
    yield from to_administrators(now)
    yield from to_people(now)
