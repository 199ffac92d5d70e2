"""Models of scopes, and of profiles that request some of them."""

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from integrations.models.registry.base import SysIdModel
from integrations.models.registry.choices import GrantType
from integrations.models.registry.registrations import ApplicationRegistry


class OAuthEntityScope(SysIdModel):
    """One scope of an authorization server (RFC 6749 §3.3), with a name for people. [oauth_entity_scope]"""

    registry = models.ForeignKey(ApplicationRegistry, models.CASCADE, verbose_name=_("Registry"), related_name="scopes")
    name = models.CharField(
        _("Name"), max_length=100, help_text=_("What people read instead of the scope, for example “Read contacts”.")
    )
    scope = models.CharField(
        _("OAuth scope"),
        max_length=255,
        validators=[RegexValidator(r"^[\x21\x23-\x5b\x5d-\x7e]+\Z", _("One scope, without spaces (RFC 6749 §3.3)."))],
    )

    class Meta:
        verbose_name = _("OAuth Entity Scope")
        verbose_name_plural = _("OAuth Entity Scopes")
        constraints = [models.UniqueConstraint(fields=["registry", "scope"], name="one_row_per_scope")]

    def __str__(self) -> str:
        return f"{self.name} ({self.scope})"

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Refuse a separator that was copied with the scope: RFC 6749 allows commas in a scope, but no list is one."""
        super().clean_fields(exclude)
        if "scope" not in (exclude or ()) and self.scope != self.scope.strip(",;"):
            raise ValidationError({"scope": _("One scope, without a comma before or after it.")})


class OAuthEntityProfile(SysIdModel):
    """A grant type and the scopes requested with it. [oauth_entity_profile]"""

    registry = models.ForeignKey(
        ApplicationRegistry, models.CASCADE, verbose_name=_("Registry"), related_name="profiles"
    )
    name = models.CharField(_("Name"), max_length=100)
    grant_type = models.CharField(
        _("Grant type"), max_length=30, choices=GrantType, default=GrantType.AUTHORIZATION_CODE
    )
    is_default = models.BooleanField(_("Default"), default=False)
    scopes = models.ManyToManyField(OAuthEntityScope, blank=True, related_name="profiles", verbose_name=_("Scopes"))

    class Meta:
        verbose_name = _("OAuth Entity Profile")
        verbose_name_plural = _("OAuth Entity Profiles")
        constraints = [
            models.UniqueConstraint(fields=["registry", "name"], name="profile_name_unique_in_registry"),
            models.UniqueConstraint(
                fields=["registry"], condition=Q(is_default=True), name="one_default_profile_per_registry"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.registry}: {self.name}"

    def scope_values(self) -> list[str]:
        return sorted(scope.scope for scope in self.scopes.all())
