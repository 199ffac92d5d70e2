"""Addresses of an integration that were changed, in words for the person who must agree to them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from integrations.models.card.look_alikes import looks_like
from integrations.models.events import Event, EventKind
from integrations.models.tokens.consent import CONNECTION, Change

LABELS: dict[str, Any] = {
    CONNECTION: _("Where calls go"),
    "token_url": _("Where your sign-in is renewed"),
    "refresh_url": _("Where your sign-in is renewed"),
    "token_revocation_url": _("Where your token is cancelled"),
    "token_introspection_url": _("Where your token is checked"),
    "userinfo_url": _("Where your account’s name is read"),
    "account_settings_url": _("The page of your settings there"),
    "base_url_hosts": _("Which servers your calls may be sent on to"),
    "call_headers": _("What is sent along with each call"),
}
EVENTS_READ = 50


@dataclass(frozen=True, kw_only=True)
class Move:
    """One or more addresses that went from one server to another."""

    labels: tuple[str, ...]
    old: str
    new: str
    who: str
    at: datetime | None

    @property
    def label(self) -> str:
        return ", ".join(self.labels)

    @property
    def looks_alike(self) -> bool:
        """The new address could be taken for the old one."""
        return looks_like(self.new, self.old)


def moves_of(changes: Iterable[Change], events: Iterable[Event]) -> list[Move]:
    """What moved to the same place at once is told once. `events`: the newest first."""
    told: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        told.setdefault((server_of(change.old), server_of(change.new)), []).append(change)
    return [move_of(old, new, moved, list(events)) for (old, new), moved in told.items()]


def move_of(old: str, new: str, moved: list[Change], events: list[Event]) -> Move:
    event = next((each for each in events if any(is_about(each, change) for change in moved)), None)
    labels = tuple(dict.fromkeys(str(LABELS[change.name]) for change in moved))
    return Move(labels=labels, old=old, new=new, who=name_of(event), at=event.at if event else None)


def is_about(event: Event, change: Change) -> bool:
    return any(each.get("name") == change.name and each.get("new") == change.new for each in event.changes)


def name_of(event: Event | None) -> str:
    """Who changed it; "" where nobody is known, such as for a command on the server."""
    if event is None:
        return ""
    return (event.who.get_full_name() if event.who else "") or event.who_name


def server_of(url: str) -> str:
    """Scheme and host as people read them; anything else as it is."""
    if "://" not in url or "," in url:
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def events_about(registry_ids: Iterable[UUID], *, since: datetime | None = None) -> list[Event]:
    """The last changes of addresses at these registries, the newest first. One query."""
    found = Event.objects.filter(kind=EventKind.ADDRESS_CHANGED, subject_id__in=list(registry_ids))
    found = found.filter(at__gt=since) if since else found
    return list(found.select_related("who").order_by("-at")[:EVENTS_READ])
