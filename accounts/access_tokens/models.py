"""Permanent tokens and application passwords. The secrets themselves are not stored."""

import uuid
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts.audit.details import register_detail
from accounts.models import User

ENDED_SHOWN = timedelta(days=30)  # ended ones stay listed, so that a user can create the same again

SOON = timedelta(days=7)
IDLE = timedelta(days=180)
USE_WRITTEN_EVERY = timedelta(minutes=1)


class LongLivedQuerySet(models.QuerySet[Any]):
    """Permanent tokens or application passwords."""

    def alive(self) -> Self:
        return self.filter(ended_at=None)

    def held(self) -> Self:
        """Those that an administrator may release after a restore."""
        return self.filter(ended_because=LongLivedModel.Ending.HELD)

    def endable(self) -> Self:
        """Those alive, and those held, which would work again once they are released."""
        return self.alive() | self.held()

    def listed(self) -> Self:
        """Those alive, and those that ended within `ENDED_SHOWN`."""
        return self.filter(models.Q(ended_at=None) | models.Q(ended_at__gt=timezone.now() - ENDED_SHOWN))

    def long_ended(self) -> Self:
        return self.filter(ended_at__lte=timezone.now() - ENDED_SHOWN)


class LongLivedModel(models.Model):
    """A long-lived secret with which a program acts as its owner, within scopes. Only a keyed hash is stored."""

    class Ending(models.TextChoices):
        DELETED = "deleted", _("Deleted")
        LEAKED = "leaked", _("Reported as leaked")
        SECOND_FACTOR = "second_factor", _("Two-step sign-in was turned off")
        HELD = "held", _("Held after a restore, until an administrator decides")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("Name"), max_length=100)
    scopes = models.JSONField(_("Scopes"), default=list)
    pepper_id = models.CharField(max_length=255, editable=False)  # key of the hash, of TOKEN_ENCRYPTION_KEYS
    keyed_hash = models.CharField(max_length=64, editable=False, db_index=True)  # wiped when it ends
    created_at = models.DateTimeField(_("Created"), default=timezone.now)
    last_used_at = models.DateTimeField(_("Last used"), null=True, blank=True)
    last_used_from = models.CharField(_("Last used from"), max_length=45, blank=True)
    ended_at = models.DateTimeField(_("Ended"), null=True, blank=True)
    ended_because = models.CharField(_("Why it ended"), max_length=20, choices=Ending, blank=True)
    told = models.CharField(max_length=20, blank=True, editable=False)  # the last notice that was mailed to the owner

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    @property
    def hex(self) -> str:
        return self.id.hex

    @property
    def is_held(self) -> bool:
        """Whether it was stopped by a restore, and can be released."""
        return self.ended_because == self.Ending.HELD

    def was_used_lately(self, now: datetime) -> bool:
        """Whether the stored use is so recent that another one is not stored."""
        return self.last_used_at is not None and self.last_used_at > now - USE_WRITTEN_EVERY


# What the audit log says of an ending: in English, where the labels are in the language of who causes it.
WHY_ENDED: dict[str, str] = {
    LongLivedModel.Ending.LEAKED: register_detail(gettext_noop("Reported as leaked")),
    LongLivedModel.Ending.SECOND_FACTOR: register_detail(gettext_noop("Two-step sign-in was turned off")),
    LongLivedModel.Ending.HELD: register_detail(gettext_noop("Held after a restore, until an administrator decides")),
}


class PermanentTokenQuerySet(LongLivedQuerySet):
    """Treats expired tokens as ended."""

    def alive(self) -> Self:
        return self.filter(ended_at=None).exclude(expires_at__lte=timezone.now())

    def listed(self) -> Self:
        return super().listed().exclude(expires_at__lte=timezone.now() - ENDED_SHOWN)

    def long_ended(self) -> Self:
        end = timezone.now() - ENDED_SHOWN
        return self.filter(models.Q(ended_at__lte=end) | models.Q(expires_at__lte=end))


class PermanentToken(LongLivedModel):
    """A bearer token for scripts, valid until it expires or is deleted."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="permanent_tokens", verbose_name=_("Whose")
    )
    public_id = models.CharField(_("Begins with"), max_length=8, unique=True, editable=False)
    expires_at = models.DateTimeField(_("Expires"), null=True, blank=True)
    # The name outlives the account; a token whose creator was deleted doesn't work.
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("Created by"),
    )
    created_by_name = models.CharField(_("Created by"), max_length=150, editable=False)

    objects = PermanentTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("Permanent Token")
        verbose_name_plural = _("Permanent Tokens")
        indexes = [models.Index(fields=["user", "-created_at"], name="permanent_tokens_of_user")]

    @property
    def beginning(self) -> str:
        """The public part, which pages and mails may show."""
        return f"krk_pt_{self.public_id}"

    @property
    def is_own(self) -> bool:
        """Whether the owner created it."""
        return self.created_by_id == self.user_id

    @property
    def maker_name(self) -> str:
        """Full name or username of the creator; of a deleted account, the stored username."""
        maker = self.created_by
        return (maker.get_full_name() or maker.get_username()) if maker else self.created_by_name

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def ends_soon(self) -> bool:
        """Whether it expires within `SOON`."""
        return self.is_alive and self.expires_at is not None and self.expires_at <= timezone.now() + SOON

    @property
    def is_idle(self) -> bool:
        """Whether it is alive but has not been used for `IDLE`."""
        return self.is_alive and (self.last_used_at or self.created_at) <= timezone.now() - IDLE

    @property
    def is_alive(self) -> bool:
        return self.ended_at is None and not self.is_expired


class ApplicationPassword(LongLivedModel):
    """A generated password for one program that cannot ask its user for a second factor."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="application_passwords", verbose_name=_("Whose")
    )

    objects = LongLivedQuerySet.as_manager()

    class Meta:
        verbose_name = _("Application Password")
        verbose_name_plural = _("Application Passwords")
        indexes = [models.Index(fields=["user", "-created_at"], name="app_passwords_of_user")]


def lock_owner(user: User) -> None:
    """Lock a person until the transaction ends, so that two requests don't both make a secret of one name."""
    User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
