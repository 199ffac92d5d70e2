"""What happened: one line for each event, for the person whose account it concerns. Append-only, no secrets."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from integrations.models.registry import OAuth2Credential, SysIdModel


class EventKind(models.TextChoices):
    CONNECTED = "connected", _("Signed in")
    RENEWED = "renewed", _("Renewed by itself")
    REAUTH_NEEDED = "reauth_needed", _("The provider no longer accepts the sign-in")
    REVOKED = "revoked", _("Revoked here")
    REVOCATION_CONFIRMED = "revocation_confirmed", _("The provider confirmed the revocation")
    REVOCATION_FAILED = "revocation_failed", _("The provider did not confirm the revocation")
    FORGOTTEN = "forgotten", _("Forgotten")
    SIGN_IN_FAILED = "sign_in_failed", _("A sign-in failed")


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
    Event.objects.create(
        user=user,
        username=user.get_username() if user else "",
        credential=credential,
        kind=kind,
        detail=detail[:200],
    )
