"""Model of reminders: mails that administrators ask for, to people who have to do something about a sign-in."""

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from integrations.models.registry import OAuth2Credential, SysIdModel

REMINDED_AT_MOST_EVERY = timedelta(days=7)
KEPT = timedelta(days=30)


class ReminderQuerySet(models.QuerySet["Reminder"]):
    def due(self) -> Self:
        """Asked for, and not sent yet."""
        return self.filter(sent_at=None)

    def past(self) -> Self:
        return self.filter(asked_at__lt=timezone.now() - KEPT)


class Reminder(SysIdModel):
    """A mail about one sign-in of a person: promised by `asked_at`, and sent once. The next one replaces it."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    credential = models.ForeignKey(OAuth2Credential, models.CASCADE, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)

    objects = ReminderQuerySet.as_manager()

    class Meta:
        verbose_name = _("Reminder")
        verbose_name_plural = _("Reminders")
        constraints = [models.UniqueConstraint(fields=["user", "credential"], name="one_reminder_of_each_sign_in")]
        indexes = [models.Index(fields=["user"], name="reminder_due", condition=Q(sent_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.credential} / {self.user}"
