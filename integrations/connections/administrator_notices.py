"""Mails to administrators about providers that they must look at. Only these hold the provider's error code.

A person may ask about a new address that looks like the old one. The question is stored as a promise on the registry.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from foundation import mail_outbox
from foundation.mail_outbox import DueMail, Line, Mail
from integrations.connections.notice_subjects import (
    address_changed_subject,
    address_question_subject,
    misconfigured_subject,
)
from integrations.models.addresses import absolute_url
from integrations.models.card import Integration
from integrations.models.card.moved_addresses import LABELS, events_about, looks_like, name_of
from integrations.models.events import Event, EventKind, log_question
from integrations.models.registry import ApplicationRegistry, HttpConnection

ALERT_AT_MOST_EVERY = timedelta(hours=1)  # about one registry, however often it fails and works again
ASKED_AT_MOST_EVERY = timedelta(days=1)  # about one registry, whoever asks
REGISTRIES_AT_MOST = 50  # of one kind
MISCONFIGURED, MOVED, QUESTION = "misconfigured", "moved", "question"


def mails_to_administrators(now: datetime) -> Iterator[DueMail]:
    """A registration stopped working, addresses that receive people's tokens were changed, or a person asks about one.

    While ADMINS is empty, there are none, and nothing is recorded as sent.
    """
    recipients = [address for _name, address in settings.ADMINS]
    if not recipients:
        return
    is_new_problem = Q(alerted_at__lt=F("misconfigured_at")) & Q(alerted_at__lt=now - ALERT_AT_MOST_EVERY)
    broken = ApplicationRegistry.objects.filter(Q(alerted_at=None) | is_new_problem, active=True)
    for registry in without_deferred(broken.exclude(misconfigured_code=""), MISCONFIGURED):
        compose = partial(mail_about_registry, registry, recipients, now)
        yield DueMail(key=mail_outbox.key_of(MISCONFIGURED, registry), compose=compose)
    not_sent = Q(moved_told_at=None) | Q(moved_told_at__lt=F("moved_at"))
    for registry in without_deferred(ApplicationRegistry.objects.filter(not_sent, moved_at__isnull=False), MOVED):
        compose = partial(mail_about_moved_address, registry, recipients, now)
        yield DueMail(key=mail_outbox.key_of(MOVED, registry), compose=compose)
    not_sent = Q(questioned_told_at=None) | Q(questioned_told_at__lt=F("questioned_at"))
    for registry in without_deferred(
        ApplicationRegistry.objects.filter(not_sent, questioned_at__isnull=False), QUESTION
    ):
        compose = partial(mail_about_question, registry, recipients, now)
        yield DueMail(key=mail_outbox.key_of(QUESTION, registry), compose=compose)


def without_deferred(registries: QuerySet[ApplicationRegistry], kind: str) -> QuerySet[ApplicationRegistry]:
    return mail_outbox.exclude_deferred(registries, kind)[:REGISTRIES_AT_MOST]


def mail_about_registry(registry: ApplicationRegistry, to: list[str], now: datetime) -> Mail:
    only_while = {"misconfigured_code": registry.misconfigured_code}
    words = registry_words(registry)
    line = Line(row=registry, column="alerted_at", value=now, only_while=only_while, words=words)
    return Mail(to=to, template="integrations/mail/misconfigured.txt", subject=misconfigured_subject, lines=[line])


def mail_about_moved_address(registry: ApplicationRegistry, to: list[str], now: datetime) -> Mail:
    words, only_while = moved_words(registry), {"moved_at": registry.moved_at}
    line = Line(row=registry, column="moved_told_at", value=now, only_while=only_while, words=words)
    return Mail(to=to, template="integrations/mail/address_changed.txt", subject=address_changed_subject, lines=[line])


def mail_about_question(registry: ApplicationRegistry, to: list[str], now: datetime) -> Mail:
    words, only_while = question_words(registry), {"questioned_at": registry.questioned_at}
    line = Line(row=registry, column="questioned_told_at", value=now, only_while=only_while, words=words)
    template = "integrations/mail/address_question.txt"
    return Mail(to=to, template=template, subject=address_question_subject, lines=[line])


def registry_words(registry: ApplicationRegistry) -> dict[str, Any]:
    url = absolute_url(reverse("admin:integrations_applicationregistry_change", args=[registry.pk]))
    return {
        "title": registry.name,
        "code": registry.misconfigured_code,
        "explanation": registry.misconfigured_explanation,
        "reason": registry.misconfigured_reason,
        "is_held": registry.renewals_held_until is not None,
        "use": registry.misconfigured_use,
        "since": registry.misconfigured_at,
        "url": url,
    }


def moved_words(registry: ApplicationRegistry) -> dict[str, Any]:
    """Template context: each change since the last mail, and who made it."""
    moves = list_moves(events_about([registry.pk], since=registry.moved_told_at))
    url = absolute_url(reverse("admin:integrations_applicationregistry_change", args=[registry.pk]))
    return {"title": registry.name, "moves": moves, "url": url}


def list_moves(events: list[Event]) -> list[dict[str, Any]]:
    """Each changed address, the oldest first, and who changed it."""
    return [
        {"what": LABELS[each["name"]], "old": each["old"], "new": each["new"], "who": name_of(event), "at": event.at}
        for event in reversed(events)
        for each in event.changes
    ]


def question_words(registry: ApplicationRegistry) -> dict[str, Any] | None:
    """Template context: who asks, and the changed addresses that look alike; None if none of them is in use now."""
    connections = HttpConnection.objects.filter(active=True, credential__profile__registry=registry)
    in_use = {*connections.values_list("connection_url", flat=True)}
    in_use |= {str(getattr(registry, name)) for name in LABELS if hasattr(registry, name)}
    moves = [
        move
        for move in list_moves(events_about([registry.pk]))
        if move["new"] in in_use and looks_like(move["new"], move["old"])
    ]
    question = Event.objects.filter(kind=EventKind.ADDRESS_QUESTIONED, subject_id=registry.pk).order_by("-at").first()
    if question is None or not moves:
        return None
    return {**moved_words(registry), "moves": moves, "who": name_of(question)}


# Questions of people --------------------------------------------------------------------------------------------------


def can_ask() -> bool:
    """Whether administrators can be mailed."""
    return bool(settings.ADMINS) and mail_outbox.has_mail_server()


@transaction.atomic
def ask_administrators(user: User, integration: Integration) -> bool:
    """Promise a mail to the administrators about the new address. False if they were asked within a day."""
    now = timezone.now()
    is_due = Q(questioned_at=None) | Q(questioned_at__lte=now - ASKED_AT_MOST_EVERY)
    registry = integration.registry
    if not ApplicationRegistry.objects.filter(is_due, pk=registry.pk).update(questioned_at=now):
        return False
    log_question(user, registry.name, registry.pk)
    return True
