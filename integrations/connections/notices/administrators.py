"""Mails to administrators: a registration stopped working, or addresses that receive people's tokens were changed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext

from foundation.mail_outbox import DueMail, Line, Mail
from integrations.connections.notices.addresses import absolute_url
from integrations.models.card.moved_addresses import LABELS, events_about, name_of
from integrations.models.registry import ApplicationRegistry

AT_MOST_EVERY = timedelta(hours=1)  # about one registry, however often it fails and works again
READ_AT_MOST = 50


def mails_to_administrators(now: datetime) -> Iterator[DueMail]:
    """Mails that are due. None, and nothing is recorded as sent, while ADMINS is empty."""
    recipients = [address for _name, address in settings.ADMINS]
    if not recipients:
        return
    is_new_problem = Q(alerted_at__lt=F("misconfigured_at")) & Q(alerted_at__lt=now - AT_MOST_EVERY)
    broken = ApplicationRegistry.objects.filter(Q(alerted_at=None) | is_new_problem, active=True)
    for registry in broken.exclude(misconfigured_code="")[:READ_AT_MOST]:
        compose = partial(mail_about_registry, registry, recipients, now)
        yield DueMail(key=f"misconfigured:{registry.hex}", compose=compose)
    not_sent = Q(moved_told_at=None) | Q(moved_told_at__lt=F("moved_at"))
    for registry in ApplicationRegistry.objects.filter(not_sent, moved_at__isnull=False)[:READ_AT_MOST]:
        compose = partial(mail_about_moved_address, registry, recipients, now)
        yield DueMail(key=f"moved:{registry.hex}", compose=compose)


def mail_about_registry(registry: ApplicationRegistry, to: list[str], now: datetime) -> Mail:
    only_while = {"misconfigured_code": registry.misconfigured_code}
    words = registry_words(registry)
    line = Line(row=registry, memory="alerted_at", told=now, only_while=only_while, words=words)
    return Mail(to=to, template="integrations/mail/misconfigured.txt", subject=misconfigured_subject, lines=[line])


def mail_about_moved_address(registry: ApplicationRegistry, to: list[str], now: datetime) -> Mail:
    words, only_while = moved_words(registry), {"moved_at": registry.moved_at}
    line = Line(row=registry, memory="moved_told_at", told=now, only_while=only_while, words=words)
    return Mail(to=to, template="integrations/mail/address_changed.txt", subject=address_changed_subject, lines=[line])


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
    events = events_about([registry.pk], since=registry.moved_told_at)
    moves = [
        {"what": LABELS[each["name"]], "old": each["old"], "new": each["new"], "who": name_of(event), "at": event.at}
        for event in reversed(events)
        for each in event.changes
    ]
    url = absolute_url(reverse("admin:integrations_applicationregistry_change", args=[registry.pk]))
    return {"title": registry.name, "moves": moves, "url": url}


def address_changed_subject(_count: int, first: dict[str, Any]) -> str:
    return gettext("People’s tokens of %(title)s would be sent to another address") % {"title": first["title"]}


def misconfigured_subject(_count: int, first: dict[str, Any]) -> str:
    return gettext("%(title)s does not accept Keyrack") % {"title": first["title"]}
