"""Mails about permanent tokens and application passwords: created for you by another user, expiring soon, leaked."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import DateTimeField, ExpressionWrapper, F, Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import preferences, recipients
from accounts.access_tokens.models import ApplicationPassword, LongLivedModel, PermanentToken
from accounts.models import User
from foundation import mail_outbox
from foundation.mail_outbox import DueMail, Line, Mail

MADE, ENDING, LEAKED = "made", "ending", "leaked"
# Time before the end. No notice in the first half of a token's life: its owner has just created it.
LEADS = (timedelta(days=7), timedelta(days=1))
READ_AT_MOST = 100  # rows for each kind of notice


def send_due() -> None:
    """Send the notices that are due. Safe to repeat."""
    mail_outbox.send_due(due_mails(timezone.now()))


def due_mails(now: datetime) -> Iterator[DueMail]:
    """Yield the mails that are due. Rows are read lazily, so one that an earlier mail covers is not found again."""
    yield from mails_about(MADE, PermanentToken.objects.alive().filter(told="").exclude(created_by=F("user")))
    for lead in LEADS:
        yield from mails_about(ENDING, expiring_tokens(now, lead))
    for kind in (PermanentToken, ApplicationPassword):
        leaked = kind.objects.filter(ended_because=LongLivedModel.Ending.LEAKED)
        yield from mails_about(LEAKED, leaked.exclude(told=LEAKED))


def expiring_tokens(now: datetime, lead: timedelta) -> Any:
    """Tokens that expire within `lead` and whose owner has had no notice."""
    twice = ExpressionWrapper(F("created_at") + lead * 2, output_field=DateTimeField())
    soon = PermanentToken.objects.alive().filter(expires_at__lte=now + lead, expires_at__gte=twice)
    return soon.exclude(told=ENDING)


def mails_about(notice: str, rows: Any) -> Iterator[DueMail]:
    is_reachable = Q(user__in=recipients.reachable_users())
    if rows.model is PermanentToken:
        makers = User.objects.filter(is_active=True, is_bot=False).exclude(email="")
        is_reachable |= Q(created_by__in=makers, user__is_bot=True, user__is_active=True)
    kind = f"{notice}:{rows.model._meta.model_name}"
    due = mail_outbox.exclude_deferred(rows.filter(is_reachable), kind)
    for row in due.select_related("user").order_by("pk")[:READ_AT_MOST]:
        yield DueMail(key=mail_outbox.key_of(kind, row), compose=partial(build_mail, row, notice))


def build_mail(row: PermanentToken | ApplicationPassword, notice: str) -> Mail:
    owner = row.user
    maker = row.created_by if isinstance(row, PermanentToken) else None
    return Mail(
        to=recipients.find_addresses(owner, maker),
        template=f"accounts/mail/{notice}{'_of_bot' if owner.is_bot else ''}.txt",
        subject=lambda _count, words: subject_of(
            notice, words["row"].name, bot=owner.get_username() if owner.is_bot else ""
        ),
        lines=[Line(row=row, column="told", value=notice, words={"row": row})],
        context={"row": row, "is_token": isinstance(row, PermanentToken), "security_url": security_url(owner)},
        **preferences.mail_options(row.user),
    )


def subject_of(notice: str, name: str, *, bot: str = "") -> str:
    if bot:
        text = {
            MADE: _("A permanent token was created for the bot %(bot)s"),
            ENDING: _("The permanent token “%(name)s” of the bot %(bot)s expires soon"),
            LEAKED: _("“%(name)s” of the bot %(bot)s was reported as leaked and revoked"),
        }[notice]
        return text % {"name": name, "bot": bot}
    text = {
        MADE: _("A permanent token was created for you"),
        ENDING: _("Your permanent token “%(name)s” expires soon"),
        LEAKED: _("“%(name)s” was reported as leaked and revoked"),
    }[notice]
    return text % {"name": name}


def security_url(owner: User) -> str:
    """The page where the reader finds the token: their own, or the bot's."""
    path = reverse("accounts:security-of", args=[owner.pk]) if owner.is_bot else reverse("accounts:security")
    return f"{settings.SITE_URL}{path}"


def send_leaked_grant(user: User, application: str) -> None:
    """Mail the user whose tokens of an application were reported. Sent without the outbox: their rows are deleted."""
    with preferences.with_preferences(user):
        subject_line = _("A token of “%(name)s” was reported as leaked and revoked") % {"name": application}
        context = {"application": application, "security_url": security_url(user)}
        body = render_to_string("accounts/mail/leaked_grant.txt", context)
    EmailMessage(f"{settings.EMAIL_SUBJECT_PREFIX}{' '.join(subject_line.split())}", body, to=[user.email]).send()
