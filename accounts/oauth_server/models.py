"""OAuth applications, approvals, and redeemed authorization codes."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from oauth2_provider.models import AbstractApplication

from accounts.models import User


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
        help_text=_("An application of your own. Only these may ask people for their password."),
    )
    may_introspect = models.BooleanField(
        _("May introspect"), default=False, help_text=_("It may ask whether its own tokens are alive (RFC 7662).")
    )
    people_asked_again = 0  # number of users whose approval the last save ended

    class Meta:
        verbose_name = _("OAuth Application")
        verbose_name_plural = _("OAuth Applications")

    def save(self, **options: Any) -> None:
        """Save in one transaction with what `application_changes` ends."""
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

    def get_absolute_url(self) -> str:
        """The admin page. The toolkit's own pages for applications are not served."""
        return reverse("admin:accounts_application_change", args=[self.pk])

    def redirect_uri_allowed(self, uri: str) -> bool:
        try:
            return bool(super().redirect_uri_allowed(uri))
        except ValueError:  # "http://[" cannot be parsed
            return False

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
        return set(scopes) <= set(self.scopes)


class RedeemedCode(models.Model):
    """The hash of an authorization code that was exchanged, to detect a second use (`oauth_server.replays`)."""

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
