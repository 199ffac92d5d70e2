"""Email backend of the demo: writes each email to a file in var/mail/ and one line to the log."""

import logging
import secrets
from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

FOLDER = "mail"
logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)  # the demo shows warnings only, and these lines


class MailFolder(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder = settings.DATA_DIR / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        for message in email_messages:
            path = folder / f"{timezone.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}.eml"
            path.touch(mode=0o600)
            path.write_bytes(message.message().as_bytes())
            logger.info("Mail to %s: “%s”, in %s", ", ".join(message.recipients()), message.subject, path)
        return len(email_messages)
