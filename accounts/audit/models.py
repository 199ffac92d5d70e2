"""Events of the audit log. Append-only."""

from typing import Any, NoReturn
from uuid import uuid4

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.audit import event_kinds
from accounts.models import User


class AppendOnly(Exception):
    """An event was to be changed or deleted. Only `log.prune` deletes events, old ones."""


class EventQuerySet(models.QuerySet["Event"]):
    def update(self, **_values: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly


class Event(models.Model):
    """One event of the audit log (`accounts.audit.log`)."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    at = models.DateTimeField(_("When"), default=timezone.now, db_index=True)
    kind = models.CharField(_("What"), max_length=30, choices=event_kinds.all_kinds)
    detail = models.CharField(_("Detail"), max_length=200, blank=True)
    changes = models.JSONField(default=list, blank=True)  # of a set-up change: old and new value of each field
    # The names outlive the accounts.
    whose = models.ForeignKey(
        User,
        models.SET_NULL,
        null=True,
        db_index=False,
        related_name="events",
        verbose_name=_("Whose"),
    )
    whose_name = models.CharField(_("Whose"), max_length=150, blank=True)
    who = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+", verbose_name=_("By whom"))
    who_name = models.CharField(_("By whom"), max_length=150, blank=True)
    address = models.CharField(_("From"), max_length=45, blank=True)
    # The object concerned, if any: its name at the time, and its id. No foreign key: the event outlives the row.
    subject = models.CharField(_("Of"), max_length=200, blank=True)
    subject_id = models.UUIDField(null=True, blank=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        verbose_name = _("Event")
        verbose_name_plural = _("Events")
        indexes = [
            models.Index(fields=["whose", "-at"], name="event_of_person"),
            models.Index(fields=["whose", "subject_id", "-at"], name="event_of_person_and_subject"),
            models.Index(fields=["subject_id", "kind", "-at"], name="event_of_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.at:%Y-%m-%d %H:%M})"

    def save(self, *arguments: Any, **options: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*arguments, **options)

    def delete(self, *_arguments: Any, **_options: Any) -> NoReturn:
        raise AppendOnly

    @property
    def words(self) -> str:
        """Label and detail."""
        label = str(self.get_kind_display())
        return f"{label}: {self.detail}" if self.detail else label

    @property
    def is_by_another(self) -> bool:
        """Whether someone other than the account's owner caused it, such as an administrator."""
        return bool(self.who_name and self.who_name != self.whose_name)
