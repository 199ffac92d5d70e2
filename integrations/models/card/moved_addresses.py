"""Changed addresses of an integration, in words for the person who must agree to them.

A host name may only look like the earlier one: one letter exchanged, or letters of another script (UTS 39).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from foundation.name_lists import join_names
from integrations.models.events import Event, EventKind
from integrations.models.tokens.consent import CONNECTION, Change

LABELS: dict[str, Any] = {
    CONNECTION: _("Where calls go"),
    "token_url": _("Where your sign-in is renewed"),
    "refresh_url": _("Where your sign-in is renewed"),
    "token_revocation_url": _("Where your token is cancelled"),
    "token_introspection_url": _("Where your token is checked"),
    "userinfo_url": _("Where your account’s name is read"),
    "account_settings_url": _("Your settings page at the provider"),
    "base_url_hosts": _("Servers that your calls may be forwarded to"),
    "call_headers": _("What is sent along with each call"),
}
EVENTS_READ = 50
ALIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "3": "e", "5": "s", "_": "-"})
PAIRS_ALIKE = {"rn": "m", "vv": "w", "cl": "d"}
PUNYCODE = "xn--"
DELIMITERS = re.compile(r"([./:]+)")
# Below the domain of a country, names are registered one level further down
COUNTRY_SUFFIXES = frozenset(
    {"ac", "co", "com", "edu", "go", "gob", "gov", "gouv", "ltd", "me", "ne", "net", "nom", "or", "org", "plc", "sch"}
)


@dataclass(frozen=True, kw_only=True)
class Move:
    """One or more addresses that were changed from one server to another."""

    labels: tuple[str, ...]
    old: str
    new: str
    who: str  # name of the person who made the change, or ""
    at: datetime | None

    @property
    def label(self) -> str:
        return join_names(self.labels)

    @property
    def old_parts(self) -> tuple[str, str, str]:
        """The old address with what differs in the middle."""
        return differing_parts(self.old, self.new)

    @property
    def new_parts(self) -> tuple[str, str, str]:
        return differing_parts(self.new, self.old)

    @property
    def looks_alike(self) -> bool:
        """The new address could be taken for the old one."""
        return looks_like(self.new, self.old)


def moves_of(changes: Iterable[Change], events: Iterable[Event]) -> list[Move]:
    """Group the changes by old and new server. `events`: newest first."""
    changes_by_servers: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        changes_by_servers.setdefault((server_of(change.old), server_of(change.new)), []).append(change)
    return [move_of(old, new, moved, list(events)) for (old, new), moved in changes_by_servers.items()]


def move_of(old: str, new: str, moved: list[Change], events: list[Event]) -> Move:
    event = next((each for each in events if any(is_about(each, change) for change in moved)), None)
    labels = tuple(dict.fromkeys(str(LABELS[change.name]) for change in moved))
    return Move(labels=labels, old=old, new=new, who=name_of(event), at=event.at if event else None)


def is_about(event: Event, change: Change) -> bool:
    return any(each.get("name") == change.name and each.get("new") == change.new for each in event.changes)


def name_of(event: Event | None) -> str:
    """Name of the person who made the change; "" if it is unknown, as for a command on the server."""
    if event is None:
        return ""
    return (event.who.get_full_name() if event.who else "") or event.who_name


def server_of(url: str) -> str:
    """Return scheme and host of a URL, for people; anything else as it is."""
    if "://" not in url or "," in url:
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def events_about(registry_ids: Iterable[UUID], *, since: datetime | None = None) -> list[Event]:
    """Return the latest address changes of these registries, newest first. One query."""
    events = Event.objects.filter(kind=EventKind.ADDRESS_CHANGED, subject_id__in=list(registry_ids))
    events = events.filter(at__gt=since) if since else events
    return list(events.select_related("who").order_by("-at")[:EVENTS_READ])


def differing_parts(one: str, other: str) -> tuple[str, str, str]:
    """Split an address around the labels of its host that differ from the other's; ("", all, "") if all do."""
    labels, others = (DELIMITERS.split(text) for text in (one, other))
    before = count_equal(labels, others)
    after = count_equal(labels[before:][::-1], others[before:][::-1])
    end = len(labels) - after
    return "".join(labels[:before]), "".join(labels[before:end]), "".join(labels[end:])


def count_equal(one: list[str], other: list[str]) -> int:
    """How many items two lists begin with that are equal."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def looks_like(new_url: str, old_url: str) -> bool:
    """Whether a person could take the new address for the old one. Names below the same domain don't count."""
    new, old = host_of(new_url), host_of(old_url)
    if not new or not old or new == old or domain_of(new) == domain_of(old):
        return False
    has_other_script = not new.isascii() or any(label.startswith(PUNYCODE) for label in new.split("."))
    return has_other_script or replace_lookalikes(new) == replace_lookalikes(old) or is_one_edit_away(new, old)


def host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def domain_of(host: str) -> list[str]:
    """Labels of the domain that somebody has registered: the last two, three below a suffix such as co.uk.

    Enough to compare two names. What counts as one domain too few is a warning too many, and no more.
    """
    labels = host.split(".")
    is_below_country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in COUNTRY_SUFFIXES
    return labels[-3:] if is_below_country else labels[-2:]


def replace_lookalikes(host: str) -> str:
    for pair, letter in PAIRS_ALIKE.items():
        host = host.replace(pair, letter)
    return host.translate(ALIKE)


def is_one_edit_away(one: str, other: str) -> bool:
    """One letter replaced, inserted or left out, or two neighbours exchanged."""
    start = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if start is None:
        return abs(len(one) - len(other)) == 1
    rest, other_rest = one[start:], other[start:]
    is_exchanged = rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:]
    return rest[1:] == other_rest[1:] or rest[1:] == other_rest or rest == other_rest[1:] or is_exchanged
