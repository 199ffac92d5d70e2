"""Required two-step sign-in, known devices, and counters of failed attempts."""

from django.contrib.auth.models import Group
from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class TwoStepRequirement(models.Model):
    """Members of the group must use two-step sign-in; without a group, everybody with staff status must."""

    group = models.OneToOneField(
        Group,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="two_step_requirement",
        verbose_name=_("Group"),
        help_text=_("Empty: everybody with staff status."),
    )

    class Meta:
        verbose_name = _("Required two-step sign-in")
        verbose_name_plural = _("Required two-step sign-in")
        constraints = [
            models.UniqueConstraint(
                Coalesce("group", 0),
                name="one_requirement_per_group_and_one_for_staff",
                violation_error_message=_("There is such a requirement already."),
            )
        ]

    def __str__(self) -> str:
        return str(self.group or _("Everybody with staff status"))


class KnownDevice(models.Model):
    """A browser that a user has signed in with (`accounts.sign_in.middleware`)."""

    user = models.ForeignKey(User, models.CASCADE, related_name="known_devices")
    device_id = models.CharField(max_length=64)
    last_used_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("Known device")
        verbose_name_plural = _("Known devices")
        constraints = [models.UniqueConstraint(fields=["user", "device_id"], name="one_row_per_user_and_device")]

    def __str__(self) -> str:
        return f"{self.user} ({self.last_used_at:%Y-%m-%d})"


class AttemptCounter(models.Model):
    """Failed and running attempts within a window. If a process dies, `running` is too high until the window ends."""

    counter = models.CharField(_("Counted for"), max_length=300, primary_key=True)
    failures = models.PositiveIntegerField(_("Failed attempts"), default=0)
    running = models.PositiveIntegerField(default=0, editable=False)
    ends_at = models.DateTimeField(_("Counted until"), db_index=True)

    class Meta:
        verbose_name = _("Failed sign-ins")
        verbose_name_plural = _("Failed sign-ins")

    def __str__(self) -> str:
        return self.counter
