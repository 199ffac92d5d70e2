"""Who the user is, and which programs may act as them. Knows nothing of what the user has connected."""

from typing import Any, NoReturn
from uuid import uuid4

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from oauth2_provider.models import AbstractApplication

from accounts import kinds
from accounts.attempts import AttemptCounter
from accounts.long_lived import ApplicationPassword, LongLivedModel, PermanentToken
from foundation.mail_outbox.models import DeferredMail

__all__ = [
    "AppendOnly", "Application", "ApplicationPassword", "Approval", "AttemptCounter", "DeferredMail", "Event",
    "KnownDevice", "LongLivedModel", "PermanentToken", "RedeemedCode", "RefreshReplay", "User",
]  # fmt: skip


class User(AbstractUser):
    """A person, or a bot with an account of its own."""

    class Meta(AbstractUser.Meta):
        swappable = "AUTH_USER_MODEL"


class KnownDevice(models.Model):
    """A browser that this user has signed in with (`accounts.known_devices`)."""

    user = models.ForeignKey(User, models.CASCADE, related_name="known_devices")
    device_id = models.CharField(max_length=64)
    last_used_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("Known device")
        verbose_name_plural = _("Known devices")
        constraints = [models.UniqueConstraint(fields=["user", "device_id"], name="one_row_per_user_and_device")]

    def __str__(self) -> str:
        return f"{self.user} ({self.last_used_at:%Y-%m-%d})"


class Application(AbstractApplication):  # type: ignore[misc]  # django-oauth-toolkit has no types
    """A program that signs its users in here and acts as them (a client, RFC 6749 §2)."""

    # Deleting the administrator who registered it ends nobody's tokens.
    user = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("Registered by")
    )
    allowed_scopes = models.TextField(_("Scopes it may ask for"), blank=True)  # separated by spaces
    first_party = models.BooleanField(
        _("First-party"), default=False, help_text=_("Ours. Only such a one may be given people's passwords.")
    )
    may_introspect = models.BooleanField(
        _("May introspect"), default=False, help_text=_("It may ask whether its own tokens are alive (RFC 7662).")
    )
    asked_again = 0  # people whose approval the last save ended

    class Meta:
        verbose_name = _("OAuth Application")
        verbose_name_plural = _("OAuth Applications")

    def save(self, **options: Any) -> None:
        """In one transaction with what follows from a change (`accounts.application_changes`)."""
        with transaction.atomic():
            super().save(**options)

    @property
    def scope_values(self) -> list[str]:
        return self.allowed_scopes.split()

    def clean(self) -> None:
        super().clean()
        if self.authorization_grant_type == self.GRANT_PASSWORD and not self.may_take_passwords:
            told = _("Only a confidential first-party application may use passwords (RFC 9700 §2.4).")
            raise ValidationError({"authorization_grant_type": told})

    def get_absolute_url(self) -> str:
        """Where administrators see it. The toolkit's own pages about applications have no addresses here."""
        return reverse("admin:accounts_application_change", args=[self.pk])

    def redirect_uri_allowed(self, uri: str) -> bool:
        try:
            return bool(super().redirect_uri_allowed(uri))
        except ValueError:  # "http://[" is no address at all
            return False

    @property
    def may_take_passwords(self) -> bool:
        return self.first_party and self.client_type == self.CLIENT_CONFIDENTIAL


class Approval(models.Model):
    """A person's yes to one application: it is not asked again for these scopes while this row is there."""

    user = models.ForeignKey(User, models.CASCADE, related_name="approvals")
    application = models.ForeignKey(Application, models.CASCADE, related_name="approvals")
    scopes = models.JSONField(default=list)
    since = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("Approved scopes")
        verbose_name_plural = _("Approved scopes")
        constraints = [
            models.UniqueConstraint(fields=["user", "application"], name="one_approval_per_user_and_application")
        ]

    def __str__(self) -> str:
        return f"{self.application} / {self.user}"

    def covers(self, scopes: list[str]) -> bool:
        return set(scopes) <= set(self.scopes)


class RedeemedCode(models.Model):
    """An authorization code that was exchanged, by its hash: a second use tells that somebody else had it too."""

    code_hash = models.CharField(max_length=64, unique=True)
    application = models.ForeignKey(Application, models.CASCADE, related_name="redeemed_codes")
    token_family = models.UUIDField(null=True, blank=True)
    access_token_checksum = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("Redeemed code")
        verbose_name_plural = _("Redeemed codes")

    def __str__(self) -> str:
        return f"{self.application} ({self.at:%Y-%m-%d %H:%M})"


class RefreshReplay(models.Model):
    """What a refresh token was just replaced by, sealed, for `REFRESH_REPLAY_SECONDS` (`accounts.refresh_replays`)."""

    token_checksum = models.CharField(max_length=64, unique=True)  # of the refresh token that was replaced
    application = models.ForeignKey(Application, models.CASCADE, related_name="+")
    token_family = models.UUIDField(db_index=True)
    sealed_tokens = models.TextField()
    at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("Refresh replay")
        verbose_name_plural = _("Refresh replays")

    def __str__(self) -> str:
        return f"{self.application} ({self.at:%Y-%m-%d %H:%M})"


class AppendOnly(Exception):
    """What happened is not changed afterwards. `prune` lets go of what is old."""


class EventQuerySet(models.QuerySet["Event"]):
    def update(self, **_values: Any) -> NoReturn:
        raise AppendOnly

    def delete(self) -> NoReturn:
        raise AppendOnly


class TokenFamily(models.Model):
    """What one application got at one sign-in (`accounts.families`); the id is that of its refresh tokens' family."""

    id = models.UUIDField(primary_key=True)
    began = models.DateTimeField(default=timezone.now)
    made_with = models.UUIDField(null=True, blank=True, db_index=True)  # an application password

    class Meta:
        verbose_name = _("Token family")
        verbose_name_plural = _("Token families")

    def __str__(self) -> str:
        return f"{self.id.hex} ({self.began:%Y-%m-%d %H:%M})"


class Event(models.Model):
    """One line of the diary (`accounts.diary`)."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    at = models.DateTimeField(_("When"), default=timezone.now, db_index=True)
    kind = models.CharField(_("What"), max_length=30, choices=kinds.all_kinds)
    detail = models.CharField(_("Detail"), max_length=200, blank=True)
    changes = models.JSONField(default=list, blank=True)  # of a change of the set-up: each field with old and new
    # Names stay when the accounts go.
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
    # What it was done to, if that is a thing: its name then, and its id, whether it still exists or not.
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
        label = str(self.get_kind_display())
        return f"{label}: {self.detail}" if self.detail else label

    @property
    def is_by_another(self) -> bool:
        """An administrator did it, for example; not the person whose account it is."""
        return bool(self.who_name and self.who_name != self.whose_name)
