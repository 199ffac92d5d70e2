"""Mails about permanent tokens and application passwords: somebody made one for you, one ends soon, one had leaked.

Nothing is queued: the rows say what is owed, and remember what was told. The memory is set before the mail is sent, by
compare-and-swap, and put back when it cannot be sent. No mail holds a secret.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import DateTimeField, ExpressionWrapper, F
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import deferred_mail
from accounts.models import ApplicationPassword, LongLivedModel, PermanentToken, User

logger = logging.getLogger(__name__)

MADE, ENDING, LEAKED = "made", "ending", "leaked"
# So long before the end, and never in the first half of a token's life: that was just now.
LEADS = (timedelta(days=7), timedelta(days=1))
MAILS_IN_A_RUN = 100


@dataclass(frozen=True, kw_only=True)
class Mail:
    row: PermanentToken | ApplicationPassword
    told: str

    @property
    def key(self) -> str:
        return f"{self.told}:{self.row._meta.model_name}:{self.row.pk}"

    def claim(self) -> bool:
        return self.swap(self.row.told, self.told)

    def put_back(self) -> None:
        self.swap(self.told, self.row.told)

    def swap(self, old: str, new: str) -> bool:
        return bool(type(self.row).objects.filter(pk=self.row.pk, told=old).update(told=new))


def send_due() -> None:
    """Safe to repeat. A mail server that is away costs one attempt; everything is owed as before."""
    post, known = get_connection(), deferred_mail.deferred()
    ready = (mail for mail in owed(timezone.now()) if not deferred_mail.is_waiting(mail.key, known))
    try:
        for mail in islice(ready, MAILS_IN_A_RUN):
            with deferred_mail.attempt(mail.key, known):
                if mail.claim():
                    send(mail, post)
    except (SMTPException, OSError) as error:
        logger.warning("No mail can be sent now (%s). What is owed is sent later.", type(error).__name__)
    finally:
        post.close()


def owed(now: datetime) -> Iterator[Mail]:
    """Read as it is needed: what an earlier mail has told is not found again."""
    yield from mails(MADE, PermanentToken.objects.alive().filter(told="").exclude(created_by=F("user")))
    for lead in LEADS:
        yield from mails(ENDING, ending(now, lead))
    for kind in (PermanentToken, ApplicationPassword):
        leaked = kind.objects.filter(ended_because=LongLivedModel.Ending.LEAKED)
        yield from mails(LEAKED, leaked.exclude(told=LEAKED))


def ending(now: datetime, lead: timedelta) -> Any:
    twice = ExpressionWrapper(F("created_at") + lead * 2, output_field=DateTimeField())
    soon = PermanentToken.objects.alive().filter(expires_at__lte=now + lead, expires_at__gte=twice)
    return soon.exclude(told=ENDING)


def mails(told: str, rows: Any) -> Iterator[Mail]:
    reachable = rows.filter(user__is_active=True).exclude(user__email="").select_related("user").order_by("pk")
    yield from (Mail(row=row, told=told) for row in reachable[:MAILS_IN_A_RUN])


def send(mail: Mail, post: BaseEmailBackend) -> None:
    try:
        message(mail, post).send()
    except BaseException as error:
        if is_final(error):
            logger.warning("The mail server refuses a mail for good (%s).", type(error).__name__)
            return
        mail.put_back()
        raise


def is_final(error: BaseException) -> bool:
    """The server will never take this mail to this address (RFC 5321 §4.2.1)."""
    if isinstance(error, SMTPRecipientsRefused):
        return all(code >= 500 for code, _answer in error.recipients.values())
    return isinstance(error, SMTPDataError) and error.smtp_code >= 500


def message(mail: Mail, post: BaseEmailBackend) -> EmailMessage:
    is_token = isinstance(mail.row, PermanentToken)
    context = {"row": mail.row, "is_token": is_token, "security_url": security_url()}
    body = render_to_string(f"accounts/mail/{mail.told}.txt", context)
    return EmailMessage(subject(mail), body, to=[mail.row.user.email], connection=post)


def subject(mail: Mail) -> str:
    words = {
        MADE: _("A permanent token was made for you"),
        ENDING: _("Your permanent token “%(name)s” expires soon"),
        LEAKED: _("“%(name)s” was found where it should not be, and revoked"),
    }[mail.told]
    return f"{settings.EMAIL_SUBJECT_PREFIX}{' '.join((words % {'name': mail.row.name}).split())}"


def security_url() -> str:
    return f"{settings.SITE_URL}{reverse('accounts:security')}"


def send_leaked_grant(user: User, application: str) -> None:
    """Its rows are gone already."""
    told = _("The access of “%(name)s” was found where it should not be, and revoked") % {"name": application}
    context = {"application": application, "security_url": security_url()}
    body = render_to_string("accounts/mail/leaked_grant.txt", context)
    EmailMessage(f"{settings.EMAIL_SUBJECT_PREFIX}{' '.join(told.split())}", body, to=[user.email]).send()
