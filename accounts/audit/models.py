"""Events of the audit log, which is append-only, and their kinds. Other apps add kinds with `add_kinds`."""

from typing import Any, NoReturn
from uuid import uuid4

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.audit import details
from accounts.models import User
from foundation.exceptions import Explained

# Kinds ----------------------------------------------------------------------------------------------------------------


class Kind(models.TextChoices):
    SIGNED_IN = "signed_in", _("Signed in to Keyrack")
    SIGNED_OUT = "signed_out", _("Signed out of Keyrack")
    SIGN_IN_REFUSED = "sign_in_refused", _("A sign-in to Keyrack failed")
    LOCKED_OUT = "locked_out", _("Locked out after too many wrong passwords")
    PASSWORD_CHANGED = "password_changed", _("Changed the password")
    SECOND_FACTOR_ADDED = "second_factor_added", _("Added a second step to signing in")
    SECOND_FACTOR_REMOVED = "second_factor_removed", _("Removed a second step from signing in")
    TOKEN_CREATED = "token_created", _("Created a permanent token")
    TOKEN_FIRST_USED = "token_first_used", _("A permanent token was used for the first time")
    TOKEN_DELETED = "token_deleted", _("Deleted a permanent token")
    TOKEN_LEAKED = "token_leaked", _("A permanent token was reported as leaked and revoked")
    APPLICATION_PASSWORD_CREATED = "app_password_created", _("Created an application password")
    APPLICATION_PASSWORD_USED = "app_password_first_used", _("An application password was used for the first time")
    APPLICATION_PASSWORD_DELETED = "app_password_deleted", _("Deleted an application password")
    APPLICATION_ASKED_FOR = "application_asked_for", _("Asked administrators for an application")
    APPROVED = "approved", _("Allowed an application")
    APPROVAL_ENDED = "approval_ended", _("Withdrew the approval of an application")
    GRANTED = "granted", _("An application was given access")
    GRANT_ENDED = "grant_ended", _("Ended the access of an application")
    REFRESH_REUSED = "refresh_reused", _("A refresh token was used twice; the application lost its access")
    CODE_REPLAYED = "code_replayed", _("An authorization code was used twice; the application lost its access")
    SET_UP_ADDED = "set_up_added", _("Added to the set-up")
    SET_UP_CHANGED = "set_up_changed", _("Changed the set-up")
    SET_UP_DELETED = "set_up_deleted", _("Deleted from the set-up")
    RESTORED = "restored", _("The site was restored from a backup, or copied")
    LOOKED_AT = "looked_at", _("An administrator opened the Account Security page")


_kinds: list[type[models.TextChoices]] = [Kind]


def add_kinds(kinds: type[models.TextChoices]) -> None:
    """Register the kinds of another app, which this one must not know."""
    if kinds not in _kinds:
        _kinds.append(kinds)


def all_kinds() -> list[tuple[str, Any]]:
    return [choice for kinds in _kinds for choice in kinds.choices]


# Events ---------------------------------------------------------------------------------------------------------------


class AppendOnly(Explained):
    """An event was to be changed or deleted. `log.delete_before` and `accounts.retention` delete old ones."""

    message = "Events of the audit log are neither changed nor deleted."


class EventQuerySet(models.QuerySet["Event"]):
    def update(self, **_values: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly


class Event(models.Model):
    """One event of the audit log (`accounts.audit.log`)."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    at = models.DateTimeField(_("When"), default=timezone.now, db_index=True)
    kind = models.CharField(_("What"), max_length=30, choices=all_kinds)
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
        return f"{label}: {details.in_words(self.detail)}" if self.detail else label

    @property
    def is_by_another(self) -> bool:
        """Whether someone other than the account's owner caused it, such as an administrator."""
        return bool(self.who_name and self.who_name != self.whose_name)
