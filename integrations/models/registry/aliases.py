"""Models of aliases, connections and credentials: the names that callers use, and what is behind them."""

import uuid
from collections.abc import Iterable
from typing import Self, cast

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from foundation.name_lists import isolate_name
from integrations.models.registry.base import SysIdModel
from integrations.models.registry.profiles import OAuthEntityProfile
from integrations.models.registry.registrations import ApplicationRegistry

SET_UP = "integrations.change_oauth2credential"  # may also sign in for the system


class IntegrationType(models.TextChoices):
    SYSTEM = "system", _("System")
    PERSONAL = "personal", _("Personal")


class OtherAccount(models.TextChoices):
    """What to do if a person renews with another account of the same provider."""

    ASK = "ask", _("Ask the person")
    REFUSE = "refuse", _("Refuse it")


class CredentialQuerySet(models.QuerySet["OAuth2Credential"]):
    def unused_without(self, *, aliases: Iterable["Alias"] = (), connections: Iterable["HttpConnection"] = ()) -> Self:
        """Credentials without any alias or connection once these are deleted, so that their tokens are on no card."""
        alias_ids = [alias.pk for alias in aliases]
        remaining = HttpConnection.objects.exclude(
            Q(pk__in=[connection.pk for connection in connections]) | Q(alias__in=alias_ids)
        )
        same_credential = {"credential": models.OuterRef("pk")}
        others = (
            models.Exists(remaining.filter(**same_credential)),
            models.Exists(Alias.objects.exclude(pk__in=alias_ids).filter(**same_credential)),
        )
        return self.exclude(others[0] | others[1])

    def named_by(self, *, aliases: Iterable["Alias"] = (), connections: Iterable["HttpConnection"] = ()) -> Self:
        """Credentials that these aliases and connections name, active or not."""
        rows = HttpConnection.objects.filter(
            Q(pk__in=[connection.pk for connection in connections]) | Q(alias__in=aliases)
        )
        return self.filter(Q(pk__in=rows.values("credential")) | Q(aliases__in=aliases)).distinct()


class OAuth2Credential(SysIdModel):
    """What a connection authenticates with: a profile, for the system or for each person. [oauth_2_0_credentials]"""

    name = models.CharField(_("Name"), max_length=100, unique=True)
    profile = models.ForeignKey(
        OAuthEntityProfile, models.PROTECT, related_name="credentials", verbose_name=_("OAuth Entity Profile")
    )
    integration_type = models.CharField(
        _("Integration Type"), max_length=10, choices=IntegrationType, default=IntegrationType.SYSTEM
    )
    other_account = models.CharField(
        _("Another account at renewal"), max_length=10, choices=OtherAccount, default=OtherAccount.ASK
    )
    active = models.BooleanField(_("Active"), default=True)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        verbose_name = _("OAuth 2.0 Credential")
        verbose_name_plural = _("OAuth 2.0 Credentials")

    def __str__(self) -> str:
        return self.name

    @property
    def is_personal(self) -> bool:
        return self.integration_type == IntegrationType.PERSONAL

    @property
    def registry(self) -> ApplicationRegistry:
        return self.profile.registry


class AliasType(models.TextChoices):
    CONNECTION_AND_CREDENTIAL = "connection_and_credential", _("Connection and Credential")
    CREDENTIAL = "credential", _("Credential")


# The id of the credential that an alias authenticates with, in a queryset of complete ones.
EFFECTIVE_CREDENTIAL = models.Case(
    models.When(type=AliasType.CREDENTIAL, then=models.F("credential")),
    default=models.F("active_connection__credential"),
)


def id_in(reference: str) -> uuid.UUID | None:
    """Parse a reference as an id: 32 hexadecimal digits or a UUID. None if it is neither."""
    try:
        return uuid.UUID(reference)
    except ValueError:
        return None


class AgentCalls(models.TextChoices):
    """Which calls of an alias agents may make by its tool."""

    NONE = "none", pgettext_lazy("calls", "None")
    READ = "read", _("Read only")
    WRITE = "write", _("Read and write")


class AliasQuerySet(models.QuerySet["Alias"]):
    def complete(self) -> Self:
        """Join the active connection, credential, profile and registry, in one statement."""
        active = models.FilteredRelation("connections", condition=Q(connections__active=True))
        return self.annotate(active_connection=active).select_related(
            "credential__profile__registry", "active_connection__credential__profile__registry"
        )

    def personal(self) -> Self:
        """Complete, and filtered by credentials with the Integration Type Personal."""
        by_connection = Q(
            type=AliasType.CONNECTION_AND_CREDENTIAL,
            active_connection__credential__integration_type=IntegrationType.PERSONAL,
        )
        by_credential = Q(type=AliasType.CREDENTIAL, credential__integration_type=IntegrationType.PERSONAL)
        return self.complete().filter(by_connection | by_credential)

    def as_scopes(self, most: int | None = None) -> dict[str, str]:
        """Scopes that a program needs to use the active aliases, with their descriptions: all, or the first by name."""
        words, active = str(_("Use %s as you")), self.filter(active=True).order_by("name")
        return {f"service:{alias.name}": words % isolate_name(alias.title) for alias in active[:most]}

    def named(self, reference: str) -> Self:
        """Filter by name, or by id as 32 hexadecimal digits or a UUID."""
        if alias_id := id_in(reference):
            return self.filter(Q(name=reference) | Q(pk=alias_id))
        return self.filter(name=reference) if reference.isprintable() else self.none()

    def naming(self, credential: "OAuth2Credential") -> Self:
        """Filter complete aliases by those that use this credential."""
        by_connection = Q(active_connection__credential=credential)
        return self.filter(by_connection | Q(type=AliasType.CREDENTIAL, credential=credential))

    def using_any(self, credentials: models.QuerySet["OAuth2Credential"]) -> Self:
        """Filter by complete aliases that use one of these credentials."""
        return (
            self.complete()
            .annotate(effective_id=EFFECTIVE_CREDENTIAL)
            .filter(effective_id__in=credentials.values("pk"))
        )

    def personal_using(self, credential: "OAuth2Credential") -> Self:
        """Filter by personal aliases that use this credential."""
        return self.personal().naming(credential)


class Alias(SysIdModel):
    """The stable name that callers use for a connection and its credential. [sys_alias]"""

    name = models.CharField(
        _("Name"),
        max_length=80,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_]+\Z", _("Letters, digits and underscores only."))],
    )
    label = models.CharField(
        _("Label"), max_length=100, blank=True, help_text=_("The name that people read on the card.")
    )
    type = models.CharField(_("Type"), max_length=30, choices=AliasType, default=AliasType.CONNECTION_AND_CREDENTIAL)
    credential = models.ForeignKey(
        OAuth2Credential,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="aliases",
        verbose_name=_("Credential"),
        help_text=_("Only for the type Credential. With Connection and Credential, the connection names it."),
    )
    description = models.TextField(_("Description"), blank=True)
    groups = models.ManyToManyField(
        Group,
        blank=True,
        verbose_name=_("Groups that may use it"),
        help_text=_("Leave it empty for everybody who has the role."),
    )
    allow_token_export = models.BooleanField(
        _("Allow token export"),
        default=False,
        help_text=_("Programs may read a person's access token through the REST API."),
    )
    agent_calls = models.CharField(
        _("Calls by agents"),
        max_length=10,
        choices=AgentCalls,
        default=AgentCalls.NONE,
        help_text=_("Whether agents get a tool that calls this service as the person (Model Context Protocol)."),
    )
    active = models.BooleanField(_("Active"), default=True)
    inactive_reason = models.CharField(
        _("Reason when off"),
        max_length=200,
        blank=True,
        help_text=_("People read it on their card while the alias is turned off."),
    )
    deactivated_at = models.DateTimeField(null=True, blank=True, editable=False)
    awaits_trial = models.BooleanField(_("Hidden until it has worked once"), default=False, editable=False)
    tester = models.ForeignKey(
        User, models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("Tried by")
    )

    is_on: bool  # annotated by `admission.annotate_switches`

    objects = AliasQuerySet.as_manager()

    class Meta:
        verbose_name = _("Connection & Credential Alias")
        verbose_name_plural = _("Connection & Credential Aliases")
        constraints = [
            models.CheckConstraint(
                condition=Q(type=AliasType.CREDENTIAL) | Q(credential__isnull=True),
                name="only_a_credential_alias_names_its_credential",
                violation_error_message=_(
                    "With the type Connection and Credential, the connection names the credential."
                ),
            ),
        ]
        permissions = [("personal_auth_user", "Personal authentication: use the dashboard")]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        return self.label or self.name

    def show_to_people(self) -> None:
        """End the trial: from now on the alias is shown to everybody who may use it."""
        self.awaits_trial, self.tester = False, None
        self.save(update_fields=["awaits_trial", "tester"])

    def clean(self) -> None:
        if self.type == AliasType.CREDENTIAL and self.credential_id is None:
            raise ValidationError({"credential": _("An alias of the type Credential needs one.")})

    @property
    def connection(self) -> "HttpConnection | None":
        """The active connection. One query, or none if the queryset was `complete()`."""
        if self.type == AliasType.CREDENTIAL:
            return None
        if "active_connection" in self.__dict__:  # Django sets a filtered relation as a plain attribute
            return cast("HttpConnection", self.__dict__["active_connection"])
        return self.connections.filter(active=True).select_related("credential__profile__registry").first()

    @property
    def effective_credential(self) -> OAuth2Credential | None:
        if self.type == AliasType.CREDENTIAL:
            return self.credential
        connection = self.connection
        return connection.credential if connection else None


class HttpConnection(SysIdModel):
    """Base URL of a protected resource, and the credential for it. [http_connection]"""

    alias = models.ForeignKey(Alias, models.CASCADE, related_name="connections", verbose_name=_("Alias"))
    name = models.CharField(_("Name"), max_length=100)
    credential = models.ForeignKey(
        OAuth2Credential,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="connections",
        verbose_name=_("Credential"),
        help_text=_("You can add it later. Until then nobody can use the alias."),
    )
    connection_url = models.CharField(_("Connection URL"), max_length=500)
    active = models.BooleanField(_("Active"), default=True)

    class Meta:
        verbose_name = _("HTTP(s) Connection")
        verbose_name_plural = _("HTTP(s) Connections")
        constraints = [
            models.UniqueConstraint(
                fields=["alias"],
                condition=Q(active=True),
                name="one_active_connection_per_alias",
                violation_error_message=_("This alias has another active connection; only one can be active."),
            ),
        ]

    def __str__(self) -> str:
        return self.name
