"""The kinds of rows that the API administers, their addresses, and how a row is found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, QuerySet, UUIDField
from django.http import HttpRequest
from rest_framework import serializers

from accounts.api.strict_fields import Text, YesOrNo
from accounts.models import User
from accounts.sign_in import mfa
from integrations.admin_api.errors import Conflict
from integrations.models.registry import ApplicationRegistry, HttpConnection, OAuth2Credential
from integrations.models.registry.aliases import id_in
from integrations.provider_setup.configuration.kinds import GROUPS, KINDS, PERMISSIONS, Kind, Link

NUMBERED = "id:"  # before an id of digits
ME = "me"  # the caller, in addresses of people
USERS = Kind(
    name="users",
    model=User,
    key="username",
    fields=("username", "first_name", "last_name", "email", "is_active", "is_staff", "is_superuser", "is_bot"),
    many={"groups": GROUPS, "user_permissions": PERMISSIONS, "owners": Link(model=User, by=("username",))},
    order=("username",),
)
SAME_PROVIDER = "The new address belongs to the same provider. Needed if tokens would go to another host."
SECRET_AGAIN = "Client Secret of the registry, to prove that you may send its tokens to another host."  # noqa: S105
# Members that a form takes and no row stores. All are write-only.
FORM_MEMBERS: Mapping[type[Model], Mapping[str, tuple[type[serializers.Field[Any, Any, Any, Any]], str]]] = {
    ApplicationRegistry: {"same_provider": (YesOrNo, SAME_PROVIDER)},
    HttpConnection: {"same_provider": (YesOrNo, SAME_PROVIDER), "client_secret": (Text, SECRET_AGAIN)},
    OAuth2Credential: {
        "end_sign_ins": (YesOrNo, "Confirms that changing the Integration Type ends the sign-ins of the other type.")
    },
}


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind of rows. `singular`: its path parameter. `lookups`: other columns that an address may name.

    `named`: a filter of the rows that a natural key means. The others have their id.
    """

    kind: Kind
    singular: str
    address: str
    parent: "Resource | None" = None
    lookups: tuple[str, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)  # read-only members, with their description
    annotations: Callable[[], Mapping[str, Any]] = dict  # of the rows, for attributes

    @property
    def model(self) -> type[Model]:
        return self.kind.model

    @property
    def model_admin(self) -> Any:
        return admin.site.get_model_admin(self.model)

    @property
    def title(self) -> str:
        """Name of the component in the OpenAPI description."""
        return "".join(word.title() for word in self.singular.split("_"))

    def rows(self, request: HttpRequest, parent: Model | None) -> QuerySet[Any]:
        """Return the rows that the admin lists, by natural key."""
        conditions = {**self.kind.only, **({self.kind.parent: parent} if parent is not None else {})}
        visible = self.model_admin.get_queryset(request).filter(**conditions)
        named = self.model._default_manager.filter(pk__in=visible.order_by().values("pk"))
        rows: QuerySet[Any] = named.annotate(**self.annotations())
        return rows.order_by(*self.kind.order, "pk").prefetch_related(*self.kind.prefetches)

    def find(self, request: HttpRequest, reference: str, parent: Model | None) -> Any:
        """Return the row with this natural key or id; None if there is none. Raises `Conflict` for an ambiguous key."""
        if "\0" in reference:
            return None
        rows = self.rows(request, parent)
        if self.model is User and reference == ME:
            return rows.filter(pk=request.user.pk).first()
        key = {self.kind.key: reference, **self.named}
        for conditions in (key, *({lookup: reference} for lookup in self.lookups)):
            matches = list(rows.filter(**conditions)[:2])
            if len(matches) > 1:
                raise Conflict("Several rows have this name. Use the id.")
            if matches:
                return matches[0]
        row_id = self.id_in(reference)
        return rows.filter(pk=row_id).first() if row_id else None

    def id_in(self, reference: str) -> UUID | int | None:
        """Parse an id as addresses have it; None if the reference can only be a natural key."""
        return id_in(reference) if self.has_uuids else number_in(reference)

    def is_reserved(self, key: str) -> bool:
        """Tell whether an address with this natural key would mean another row."""
        return self.id_in(key) is not None or (self.model is User and key == ME)

    def is_ambiguous(self, reference: str) -> bool:
        """Tell whether the reference is a number without `id:`, which could be meant as an id."""
        return not self.has_uuids and reference.isdecimal()

    @property
    def has_uuids(self) -> bool:
        return isinstance(self.model._meta.pk, UUIDField)


def identity_of(row: Model) -> str:
    """Return the id of a row as documents and addresses have it. A mere number could be a name as well."""
    return row.pk.hex if isinstance(row.pk, UUID) else f"{NUMBERED}{row.pk}"


def number_in(reference: str) -> int | None:
    """Parse an id of digits, such as `id:17`. None if it is none."""
    digits = reference.removeprefix(NUMBERED)
    is_number = reference.startswith(NUMBERED) and digits.isascii() and digits.isdecimal() and len(digits) < 19
    return int(digits) if is_number else None


def resource_of(kind: Kind, singular: str, **options: Any) -> Resource:
    return Resource(kind=kind, singular=singular, address=options.pop("address", kind.name), **options)


BY_NAME = {kind.name: kind for kind in KINDS}
REGISTRIES = resource_of(
    BY_NAME["registries"], "registry", attributes={"redirect_url": "To be registered at the provider."}
)
ALIASES = resource_of(BY_NAME["aliases"], "alias")
CHILDREN = {child.name: child for kind in (REGISTRIES.kind, ALIASES.kind) for child in kind.children}
PEOPLE = resource_of(
    USERS,
    "user",
    attributes={"two_steps": "Two-step sign-in: `on`, `off`, or `missing` if it is required and not set up."},
    annotations=lambda: {"two_steps": mfa.two_steps()},
)
# Programs that registered themselves are listed too, but their names are what strangers call themselves.
APPLICATIONS = resource_of(
    replace(BY_NAME["applications"], only={}),
    "application",
    lookups=("client_id",),
    named=BY_NAME["applications"].only,
    attributes={
        "registration_source": "`manual`, or of a program that registered itself: `dcr`, or `cimd` with a document.",
        "standing": "`allowed`, `waiting` for an administrator, or `blocked`. Decided in the admin.",
    },
)
TEMPLATES = Resource(
    kind=Kind(name="templates", model=BY_NAME["templates"].model),
    singular="template",
    address="templates",
    lookups=("key",),
    attributes={"key": "Of a template that comes with Keyrack, and so can’t be changed. Empty for your own."},
)
RESOURCES = (
    PEOPLE,
    resource_of(BY_NAME["groups"], "group"),
    APPLICATIONS,
    REGISTRIES,
    resource_of(CHILDREN["scopes"], "scope", parent=REGISTRIES),
    resource_of(CHILDREN["profiles"], "profile", parent=REGISTRIES),
    resource_of(BY_NAME["credentials"], "credential"),
    ALIASES,
    resource_of(CHILDREN["connections"], "connection", parent=ALIASES),
    TEMPLATES,
    resource_of(BY_NAME["actions"], "action"),
    resource_of(BY_NAME["subflows"], "subflow"),
    resource_of(BY_NAME["remote_tables"], "remote_table", address="remote-tables"),
    resource_of(BY_NAME["tool_sets"], "tool_set", address="tool-sets"),
)
