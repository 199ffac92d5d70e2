"""OAuth applications, approvals, waiting devices, and redeemed codes."""

import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from oauth2_provider.models import AbstractApplication, redirect_to_uri_allowed
from oauth2_provider.settings import oauth2_settings

from accounts.models import User
from accounts.scopes import allows_scope

OUTDATED = timedelta(days=7)  # after which a document that cannot be fetched again no longer counts
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(uri: str) -> bool:
    """Whether the redirect URI leads to a program on the person's own computer (RFC 8252 §7.3)."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.scheme == "http" and parts.hostname in LOOPBACK


def by_number(uri: str) -> str:
    """The redirect URI with 127.0.0.1 instead of localhost, to be compared with another."""
    return re.sub(r"^http://localhost(?=[:/?]|$)", "http://127.0.0.1", uri)


class Standing(models.TextChoices):
    """Whether an application can be used, which an administrator decides."""

    ALLOWED = "allowed", pgettext_lazy("state", "Allowed")
    WAITING = "waiting", _("Waiting for an administrator")
    BLOCKED = "blocked", _("Blocked")


def accepts_requests(standing: str, document_expires_at: datetime | None) -> bool:
    """Whether requests of an application with this standing, and with a document that expires then, are accepted."""
    is_outdated = document_expires_at is not None and document_expires_at < timezone.now() - OUTDATED
    return standing == Standing.ALLOWED and not is_outdated


class Application(AbstractApplication):  # type: ignore[misc]  # django-oauth-toolkit has no types
    """A program that signs its users in here and acts as them (a client, RFC 6749 §2)."""

    # Deleting the administrator who registered it must not delete the application and its tokens.
    user = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("Registered by")
    )
    allowed_scopes = models.TextField(_("Scopes it may ask for"), blank=True)  # separated by spaces
    first_party = models.BooleanField(
        _("First-party"),
        default=False,
        help_text=_("An application of your own organization. Only these may ask people for their password."),
    )
    may_introspect = models.BooleanField(
        _("May introspect"), default=False, help_text=_("It may ask whether its own tokens are valid (RFC 7662).")
    )
    standing = models.CharField(
        _("Standing"),
        max_length=10,
        choices=Standing,
        default=Standing.ALLOWED,
        db_default=Standing.ALLOWED,  # for processes of the version before, while a site is upgraded
        help_text=_("Only an allowed application can be used. Blocking it ends all its access at once."),
    )
    # The network address that an application registered itself from; "" if an administrator registered it.
    registered_from = models.CharField(_("Registered from"), max_length=45, blank=True, db_default="")
    last_used_at = models.DateTimeField(_("Last used"), null=True, blank=True)  # to within a minute
    people_asked_again = 0  # number of users whose approval the last save ended

    class Meta:
        verbose_name = _("OAuth Application")
        verbose_name_plural = _("OAuth Applications")

    def save(self, **options: Any) -> None:
        """Save in one transaction with what `application_changes` ends. Gives a new self-registered one its scopes."""
        if self._state.adding and self.is_self_registered and not self.allowed_scopes:
            self.allowed_scopes = " ".join(settings.SELF_REGISTERED_SCOPES)
        with transaction.atomic():
            super().save(**options)

    @property
    def scope_values(self) -> list[str]:
        return self.allowed_scopes.split()

    def clean(self) -> None:
        super().clean()
        if self.authorization_grant_type == self.GRANT_PASSWORD and not self.may_take_passwords:
            message = _("Only a confidential first-party application may use passwords (RFC 9700 §2.4).")
            raise ValidationError({"authorization_grant_type": message})
        is_public = self.client_type == self.CLIENT_PUBLIC
        if self.authorization_grant_type == self.GRANT_CLIENT_CREDENTIALS and is_public:
            message = _("Only a confidential application may use client credentials (RFC 6749 §4.4).")
            raise ValidationError({"authorization_grant_type": message})
        if not all(map(self.may_redirect_to, self.redirect_uris.split())):
            message = _("Plain http is only for this computer itself, such as http://127.0.0.1/.")
            if self.vouching_host:
                message = _("All addresses have to be on the host of the document, or on the computer itself.")
            raise ValidationError({"redirect_uris": message})

    def get_allowed_schemes(self) -> list[str]:
        """Plain http too, which `clean` leaves to programs on the person's own computer (RFC 8252 §7.3)."""
        return ["https", "http"]

    def may_redirect_to(self, uri: str) -> bool:
        """Whether people may be sent to this redirect URI at all."""
        try:
            parts = urlsplit(uri)
        except ValueError:
            return False
        if is_loopback(uri):
            return True
        if self.vouching_host:
            return parts.scheme == "https" and parts.netloc.lower() == self.vouching_host
        return parts.scheme == "https" or "http" in oauth2_settings.ALLOWED_REDIRECT_URI_SCHEMES

    def get_absolute_url(self) -> str:
        """The admin page. The toolkit's own pages for applications are not served."""
        return reverse("admin:accounts_application_change", args=[self.pk])

    def redirect_uri_allowed(self, uri: str) -> bool:
        """Whether the redirect URI is registered. Of 127.0.0.1 and [::1] the port may differ (RFC 8252 §7.3).

        Of localhost too, if the program registered itself: many listen at any port there, against §8.3.
        """
        try:
            if self.is_self_registered and by_number(uri) != uri:
                registered = [by_number(each) for each in self.redirect_uris.split() if by_number(each) != each]
                return bool(redirect_to_uri_allowed(by_number(uri), registered))
            return bool(super().redirect_uri_allowed(uri))
        except ValueError:  # "http://[" cannot be parsed
            return False

    @property
    def title(self) -> str:
        """Name in lists and in the audit log: with the vouching host, if there is one."""
        name = str(self.name or self.client_id)
        return f"{name} ({self.vouching_host})" if self.vouching_host and self.name else name

    @property
    def shown_name(self) -> str:
        """What people read on pages that ask them to allow it."""
        return str(self.vouching_host or self.name or self.client_id)

    @property
    def is_self_registered(self) -> bool:
        """Whether no administrator registered it, so that its name is only what it calls itself."""
        return bool(self.registration_source != self.RegistrationSource.MANUAL)

    @property
    def vouching_host(self) -> str:
        """The host whose document describes the program (Client ID Metadata Document); "" if there is none."""
        if self.registration_source != self.RegistrationSource.CIMD:
            return ""
        return urlsplit(self.client_id).netloc.lower()

    def is_usable(self, request: Any) -> bool:
        """Whether requests of this application and with its tokens are accepted. The toolkit calls it at each."""
        return accepts_requests(self.standing, self.cimd_expires_at)

    @property
    def may_be_used(self) -> bool:
        return self.standing == Standing.ALLOWED

    @property
    def may_take_passwords(self) -> bool:
        return self.first_party and self.client_type == self.CLIENT_CONFIDENTIAL


class Approval(models.Model):
    """A user's consent to one application. While it exists, the user is not asked again for these scopes."""

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
        return all(allows_scope(self.scopes, scope) for scope in scopes)


class DeviceAuthorization(models.Model):
    """A program without a browser that waits for a person's answer (RFC 8628). Holds hashes of its two codes.

    An approval belongs to this row alone: the row is deleted when the device fetches its tokens.
    """

    class Status(models.TextChoices):
        PENDING = "pending", pgettext_lazy("state", "Waiting")
        APPROVED = "approved", pgettext_lazy("state", "Allowed")
        DENIED = "denied", _("Refused")

    application = models.ForeignKey(Application, models.CASCADE, related_name="device_authorizations")
    device_code_hash = models.CharField(max_length=64, unique=True)
    user_code_hash = models.CharField(max_length=64, unique=True)  # keyed: the code is short
    scopes = models.JSONField(default=list)  # requested; after the answer, granted
    resources = models.JSONField(default=list)  # RFC 8707
    address = models.CharField(max_length=45, blank=True)  # of the device
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="device_authorizations")
    approved_version = models.CharField(max_length=64, blank=True)  # of the application, as the person saw it
    interval = models.PositiveIntegerField(default=5)  # seconds between two polls
    last_polled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("Waiting device")
        verbose_name_plural = _("Waiting devices")

    def __str__(self) -> str:
        return f"{self.application} ({self.created_at:%Y-%m-%d %H:%M})"


class RedeemedCode(models.Model):
    """The hash of an authorization or device code that was exchanged, to detect a second use (`replays`)."""

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
