"""One mail, the rows that it tells of, and what becomes of their memory when it cannot be sent."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from smtplib import SMTPDataError, SMTPRecipientsRefused
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string
from django.urls import reverse

from integrations.models.registry import ApplicationRegistry
from integrations.models.tokens import Revocation, Token

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row that is told of. `words` are for the template; None where there is nothing that its person could do."""

    row: Token | Revocation | ApplicationRegistry
    memory: str  # the column that remembers the mail
    told: object
    only_while: Mapping[str, object]
    words: dict[str, Any] | None

    def claim(self) -> bool:
        return self.swap(getattr(self.row, self.memory), self.told)

    def put_back(self) -> None:
        self.swap(self.told, getattr(self.row, self.memory))

    def swap(self, old: object, new: object) -> bool:
        rows = type(self.row)._default_manager.filter(pk=self.row.pk, **self.only_while, **{self.memory: old})
        return bool(rows.update(**{self.memory: new}))


@dataclass(frozen=True, kw_only=True)
class Mail:
    to: list[str]
    template: str
    subject: Callable[[int, dict[str, Any]], str]  # of how many, and the words of the first
    lines: list[Line]

    def message(self, told: list[dict[str, Any]], post: BaseEmailBackend) -> EmailMessage:
        subject = " ".join(f"{settings.EMAIL_SUBJECT_PREFIX}{self.subject(len(told), told[0])}".split())
        context = {"lines": told, "dashboard_url": absolute(reverse("integrations:dashboard"))}
        body = render_to_string(f"integrations/mail/{self.template}.txt", context)
        return EmailMessage(subject, body, to=self.to, connection=post)


@dataclass(frozen=True, kw_only=True)
class Owed:
    """A mail that is still to be composed. `key` names it among all mails, without a word of it."""

    key: str
    compose: Callable[[], Mail]


def absolute(path: str) -> str:
    return f"{settings.SITE_URL}{path}"


def send(mail: Mail, post: BaseEmailBackend) -> None:
    claimed = [line for line in mail.lines if line.claim()]
    told = [line.words for line in claimed if line.words]
    if not told:
        return
    try:
        mail.message(told, post).send()
    except BaseException as error:
        if is_final(error):
            logger.warning("The mail server refuses a mail for good (%s).", type(error).__name__)
            return
        for line in claimed:
            line.put_back()
        raise


def is_final(error: BaseException) -> bool:
    """The server will never take this mail to this address, but may well take the next one (RFC 5321 §4.2.1)."""
    if isinstance(error, SMTPRecipientsRefused):
        return all(code >= 500 for code, _answer in error.recipients.values())
    return isinstance(error, SMTPDataError) and error.smtp_code >= 500
