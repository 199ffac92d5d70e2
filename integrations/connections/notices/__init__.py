"""Mails about sign-ins: what a person must do, and what an administrator must mend.

A mail names accounts and addresses of ours; the provider's code is for administrators alone. Knows nothing of why
tokens fail or how revocations are pursued.

    people    what a person must do      administrators    what is to be mended
"""

from collections.abc import Iterator
from datetime import datetime

from django.utils import timezone

from foundation import mail_outbox
from foundation.mail_outbox import OwedMail
from integrations.connections.notices.administrators import to_administrators
from integrations.connections.notices.people import to_people

__all__ = ["owed", "send_due"]


def send_due() -> None:
    """Safe to repeat."""
    mail_outbox.send_due(owed(timezone.now()))


def owed(now: datetime) -> Iterator[OwedMail]:
    """Read as it is needed: what an earlier mail has told is not found again."""
    yield from to_administrators(now)
    yield from to_people(now)
