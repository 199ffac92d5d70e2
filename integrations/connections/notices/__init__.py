"""Mails about sign-ins, to people who must do something and to administrators who must fix something.

Mails name accounts and URLs of this site; only those to administrators hold the provider's error code. Does not know
why tokens fail or how revocations are delivered.

    people    mails to owners of sign-ins      administrators    mails about broken or moved registrations
"""

from collections.abc import Iterator
from datetime import datetime

from django.utils import timezone

from foundation import mail_outbox
from foundation.mail_outbox import DueMail
from integrations.connections.notices.administrators import mails_to_administrators
from integrations.connections.notices.people import mails_to_people

__all__ = ["due_mails", "send_due"]


def send_due() -> None:
    """Send the mails that are due. Safe to repeat."""
    mail_outbox.send_due(due_mails(timezone.now()))


def due_mails(now: datetime) -> Iterator[DueMail]:
    """Mails that are due, read lazily: rows that an earlier mail was about are not found again."""
    yield from mails_to_administrators(now)
    yield from mails_to_people(now)
