"""What happened: one line for each event, for the person whose account it concerns. Append-only, no secrets."""

from collections.abc import Iterable

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from integrations.models.registry import OAuth2Credential, SysIdModel


class EventKind(models.TextChoices):
    CONNECTED = "connected", _("Signed in")
    RENEWED = "renewed", _("Renewed by itself")
    REAUTH_NEEDED = "reauth_needed", _("The provider no longer accepts the sign-in")
    RENEWAL_INTERRUPTED = "renewal_interrupted", _("Keyrack was interrupted during a renewal; it takes a new sign-in")
    OTHER_ACCOUNT = "other_account", _("A renewal brought another account’s tokens; they were not kept")
    REVOKED = "revoked", _("Revoked here")
    REVOCATION_CONFIRMED = "revocation_confirmed", _("The provider confirmed the revocation")
    REVOCATION_VERIFIED = "revocation_verified", _("The provider’s own answer shows that the token is dead")
    REVOCATION_FAILED = "revocation_failed", _("The provider did not confirm the revocation")
    FORGOTTEN = "forgotten", _("Forgotten")
    SIGN_IN_FAILED = "sign_in_failed", _("A sign-in failed")
    KILL_SWITCH = "kill_switch", _("All sign-ins ended by an administrator")


class Event(SysIdModel):
    user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="events")
    username = models.CharField(max_length=150, blank=True)
    credential = models.ForeignKey(OAuth2Credential, models.SET_NULL, null=True, related_name="events")
    kind = models.CharField(max_length=30, choices=EventKind)
    detail = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("Event")
        verbose_name_plural = _("Events")
        indexes = [models.Index(fields=["user", "credential", "-at"], name="event_of_user")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.at:%Y-%m-%d %H:%M})"

    @property
    def words(self) -> str:
        label = str(EventKind(self.kind).label)
        return f"{label}: {self.detail}" if self.detail else label


def write(user: User | None, credential: OAuth2Credential | None, kind: EventKind, detail: str = "") -> None:
    line(user, credential, kind, detail).save()


def write_all(lines: Iterable[Event]) -> None:
    """Many lines in one statement."""
    Event.objects.bulk_create(lines)


def line(user: User | None, credential: OAuth2Credential | None, kind: EventKind, detail: str = "") -> Event:
    """Not written yet."""
    return Event(
        user=user,
        username=user.get_username() if user else "",
        credential=credential,
        kind=kind,
        detail=detail[:200],
    )
