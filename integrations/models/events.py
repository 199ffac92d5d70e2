"""Events of integrations in the audit log (`accounts.audit.log`)."""

from typing import Any
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts.audit import log
from accounts.audit.details import register_detail
from accounts.audit.log import Event, write_all
from accounts.models import User
from integrations.models.registry import OAuth2Credential

__all__ = [
    "Event",
    "EventKind",
    "build_event",
    "events_of",
    "log_event",
    "log_moved_addresses",
    "log_question",
    "log_reminders",
    "write_all",
]


class EventKind(models.TextChoices):
    CONNECTED = "connected", _("Signed in")
    RENEWED = "renewed", _("Renewed by itself")
    REAUTH_NEEDED = "reauth_needed", _("The provider no longer accepts the sign-in")
    RENEWAL_INTERRUPTED = "renewal_interrupted", _("Keyrack was interrupted during a renewal; it takes a new sign-in")
    RENEWAL_RESTORED = "renewal_restored", _("Keyrack was restored from a backup; it takes a new sign-in")
    OTHER_ACCOUNT = "other_account", _("A renewal brought another account’s tokens; they were not kept")
    REVOKED = "revoked", _("Revoked here")
    REVOCATION_CONFIRMED = "revocation_confirmed", _("The provider accepted the revocation")
    REVOCATION_VERIFIED = "revocation_verified", _("The provider’s own answer shows that the token is dead")
    REVOCATION_FAILED = "revocation_failed", _("The provider did not confirm the revocation")
    FORGOTTEN = "forgotten", _("Forgotten")
    SIGN_IN_FAILED = "sign_in_failed", _("A sign-in failed")
    ADDRESS_CHANGED = "address_changed", _("An address that people’s tokens go to was changed")
    ADDRESS_CONFIRMED = "address_confirmed", _("Confirmed the new address")
    ADDRESS_QUESTIONED = "address_questioned", _("Asked the administrators about a new address")
    CONNECT_LINK_CREATED = "connect_link_created", _("Created a connect link")
    CONNECT_LINK_DELETED = "connect_link_deleted", _("Deleted a connect link")
    REMINDED = "reminded", _("Asked people by email to sign in again or to confirm an address")
    KILL_SWITCH = "kill_switch", _("All sign-ins ended by an administrator")


log.add_kinds(EventKind)
PEOPLE = register_detail(gettext_noop("People: %(number)d"))
# Of a restore, whose modules the processes that show them don't import.
BACKUP_OF = register_detail(gettext_noop("A backup of %(moment)s UTC"))
COPY_OF = register_detail(gettext_noop("A copy of %(site)s: %(count)d sign-ins were deleted here."))
ENDED_BEFORE = register_detail(gettext_noop("ended before, and brought back by a restore"))


def log_event(user: User | None, credential: OAuth2Credential | None, kind: EventKind, detail: str = "") -> None:
    log.write(kind, whose=user, detail=detail, **subject_fields(credential))


def build_event(user: User | None, credential: OAuth2Credential | None, kind: EventKind, detail: str = "") -> Event:
    """Return an event without saving it."""
    return log.new_event(kind, whose=user, detail=detail, **subject_fields(credential))


def log_moved_addresses(registry: str, registry_id: UUID, moved: list[tuple[str, str, str]]) -> None:
    """Log a change of addresses that tokens are sent to. `moved`: name of the field, old and new value."""
    log.write(
        EventKind.ADDRESS_CHANGED,
        whose=None,
        detail="; ".join(f"{old or '–'} → {new}" for _name, old, new in moved),
        subject=registry,
        subject_id=registry_id,
        changes=[{"name": name, "old": old, "new": new} for name, old, new in moved],
    )


def log_question(user: User, registry: str, registry_id: UUID) -> None:
    log.write(EventKind.ADDRESS_QUESTIONED, whose=user, who=user, subject=registry, subject_id=registry_id)


def log_reminders(registry: str, registry_id: UUID, *, people: int) -> None:
    log.write(
        EventKind.REMINDED, whose=None, detail=PEOPLE % {"number": people}, subject=registry, subject_id=registry_id
    )


def subject_fields(credential: OAuth2Credential | None) -> dict[str, Any]:
    return {"subject": credential.name, "subject_id": credential.pk} if credential else {}


def events_of(credential: OAuth2Credential) -> "models.QuerySet[Event]":
    """Events of a credential and of all its people, newest first."""
    return Event.objects.filter(subject_id=credential.pk).order_by("-at")
