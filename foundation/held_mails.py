"""Mail backend that sends by `DELIVERY_BACKEND`, and nothing at all while the site is held or is a copy."""

import logging
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from foundation import installation

logger = logging.getLogger(__name__)


class EmailBackend(BaseEmailBackend):
    def __init__(self, fail_silently: bool = False, **options: Any) -> None:
        super().__init__(fail_silently=fail_silently)
        self.delivery = get_connection(settings.DELIVERY_BACKEND, fail_silently=fail_silently, **options)

    def open(self) -> bool | None:
        return self.delivery.open() if installation.sends_mails() else False

    def close(self) -> None:
        self.delivery.close()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        if installation.sends_mails():
            return self.delivery.send_messages(email_messages) or 0
        logger.warning("%s mails were not sent: this site is held after a restore, or is a copy.", len(email_messages))
        return 0
