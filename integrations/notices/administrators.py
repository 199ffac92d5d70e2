"""What an administrator must mend: one mail for each time that a registration of ours stopped working."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext

from integrations.models.registry import ApplicationRegistry
from integrations.notices.mail import Line, Mail, Owed, absolute

AT_MOST_EVERY = timedelta(hours=1)  # about one registry, however often it fails and works again
READ_AT_MOST = 50


def to_administrators(now: datetime) -> Iterator[Owed]:
    """Nothing is put down as told while there is nobody to tell it to."""
    to = [address for _name, address in settings.ADMINS]
    happened_since = Q(alerted_at__lt=F("misconfigured_at")) & Q(alerted_at__lt=now - AT_MOST_EVERY)
    rows = ApplicationRegistry.objects.filter(Q(alerted_at=None) | happened_since, active=True)
    for registry in rows.exclude(misconfigured_code="")[:READ_AT_MOST] if to else ():
        yield Owed(key=f"misconfigured:{registry.hex}", compose=partial(about_registry, registry, to, now))


def about_registry(registry: ApplicationRegistry, to: list[str], now: datetime) -> Mail:
    only_while = {"misconfigured_code": registry.misconfigured_code}
    words = registry_words(registry)
    line = Line(row=registry, memory="alerted_at", told=now, only_while=only_while, words=words)
    return Mail(to=to, template="misconfigured", subject=misconfigured, lines=[line])


def registry_words(registry: ApplicationRegistry) -> dict[str, Any]:
    url = absolute(reverse("admin:integrations_applicationregistry_change", args=[registry.pk]))
    return {
        "title": registry.name,
        "code": registry.misconfigured_code,
        "since": registry.misconfigured_at,
        "url": url,
    }


def misconfigured(_count: int, first: dict[str, Any]) -> str:
    return gettext("%(title)s does not accept Keyrack") % {"title": first["title"]}
