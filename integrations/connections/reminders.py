"""Reminders of an administrator, to people who must sign in again or confirm a new address.

Asking stores a promise for each person; the worker sends the mails. A person who has been mailed about a sign-in within
a week is not mailed again.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from accounts import preferences, recipients
from accounts.models import User
from foundation import mail_outbox
from foundation.mail_outbox import DueMail, Line, Mail
from integrations.connections import notices
from integrations.connections.notice_subjects import reminder_subject, subject_about
from integrations.models import admission
from integrations.models.addresses import absolute_url, initiator_url
from integrations.models.card import Integration
from integrations.models.events import log_reminders
from integrations.models.registry import ApplicationRegistry, HttpConnection
from integrations.models.tokens import Reminder, Token, TokenQuerySet, consent
from integrations.models.tokens.reminders import REMINDED_AT_MOST_EVERY
from integrations.models.tokens.token import usable_tokens

REMINDER = "reminder"  # the key of its mails


@dataclass(frozen=True, kw_only=True)
class ReminderCount:
    """People who get a mail, and the others who have something to do as well."""

    mailed: int
    others: int


@transaction.atomic
def remind_people(registry: ApplicationRegistry) -> ReminderCount:
    """Promise a mail to the people who must sign in again at this provider, or confirm its new address.

    Left out are those who were mailed about it within a week or are about to be, have no mail address, or may not use
    it any more.
    """
    ApplicationRegistry.objects.select_for_update(no_key=True).only("pk").get(pk=registry.pk)
    now, waiting = timezone.now(), waiting_tokens(registry)
    may_be_mailed = find_reachable(Token.objects.filter(pk__in=waiting), now)
    reminders = [
        Reminder(user_id=user_id, credential_id=credential_id, asked_at=now)
        for user_id, credential_id in may_be_mailed.values_list("user_id", "credential_id")
    ]
    Reminder.objects.bulk_create(
        reminders,
        update_conflicts=True,
        unique_fields=["user", "credential"],
        update_fields=["asked_at", "sent_at"],
    )
    mailed = len({reminder.user_id for reminder in reminders})
    everybody = Token.objects.filter(pk__in=waiting).values("user").distinct().count()
    if mailed:
        log_reminders(registry.name, registry.pk, people=mailed)
    return ReminderCount(mailed=mailed, others=everybody - mailed)


def waiting_tokens(registry: ApplicationRegistry) -> list[UUID]:
    """Ids of the tokens of active people who have to do something before they work again."""
    tokens = Token.objects.filter(credential__profile__registry=registry, user__is_active=True)
    usable = usable_tokens(timezone.now())
    waiting = list(tokens.exclude(usable).values_list("pk", flat=True))
    if registry.moved_at is None:
        return waiting
    urls: defaultdict[UUID, set[str]] = defaultdict(set)
    connections = HttpConnection.objects.filter(active=True, alias__active=True, credential__profile__registry=registry)
    for credential_id, url in connections.values_list("credential", "connection_url"):
        urls[credential_id].add(url)
    return waiting + [
        token_id
        for token_id, credential_id, agreed in tokens.filter(usable).values_list("pk", "credential", "agreed")
        if consent.blocking_changes(agreed, vars(registry), urls[credential_id])
    ]


def find_reachable(tokens: TokenQuerySet, now: datetime) -> TokenQuerySet:
    """Tokens of people who may use them, have a mail address and were not mailed about them lately."""
    since = now - REMINDED_AT_MOST_EVERY
    admitted = admission.filter_admitted(OuterRef("user_id")).filter(effective_id=OuterRef("credential_id"))  # type: ignore[misc]  # annotated
    reminded = Reminder.objects.filter(user=OuterRef("user"), credential=OuterRef("credential"), asked_at__gt=since)
    # The mail that is sent without an administrator goes out when a sign-in ends.
    ended = tokens.annotate(ended_at=Coalesce("failed_at", "expires_at"))
    mailed = ended.filter(Q(ended_at__gt=since) | Q(ended_at=None), notice=notices.SIGN_IN_AGAIN)
    rows = tokens.filter(Exists(admitted), ~Exists(reminded), user__in=recipients.reachable_users())
    return rows.exclude(Q(pk__in=mailed.values("pk")) | Q(pk__in=notices.refused_tokens(now).values("pk")))


def due_reminders() -> Iterator[DueMail]:
    """The reminders that were asked for, read lazily."""
    for user, reminders in notices.by_person(Reminder.objects.due(), REMINDER):
        yield DueMail(key=mail_outbox.key_of(REMINDER, user), compose=partial(mail_about, user, reminders))


def mail_about(user: User, reminders: list[Reminder]) -> Mail:
    """The mail about what is still to be done. Reminders of what was done meanwhile are deleted."""
    cards, now = notices.cards_of(user), timezone.now()
    needed = [row for row in reminders if is_needed(cards.get(row.credential_id))]
    Reminder.objects.filter(pk__in={row.pk for row in reminders} - {row.pk for row in needed}).delete()
    lines = [
        Line(row=row, column="sent_at", value=now, words=reminder_words(cards[row.credential_id])) for row in needed
    ]
    return Mail(
        to=recipients.find_addresses(user),
        template=f"integrations/mail/reminder{'_of_bot' if user.is_bot else ''}.txt",
        subject=subject_about(user, reminder_subject),
        lines=lines,
        context={**notices.dashboard_context(), "bot": user.get_username()},
        **preferences.mail_options(user),
    )


def is_needed(card: Integration | None) -> bool:
    return card is not None and card.row.may_be_reminded_of


def reminder_words(card: Integration) -> dict[str, object]:
    has_moved = card.row.is_held
    path = (
        reverse("integrations:confirm_address", args=[card.alias.hex]) if has_moved else initiator_url(card.credential)
    )
    return {
        "title": card.title,
        "account": card.account,
        "has_moved": has_moved,
        "url": absolute_url(path),
    }
