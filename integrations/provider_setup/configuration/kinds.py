"""The kinds of rows that make up the set-up, their natural keys and their links. Used by export and import alike.

A kind's plain columns are the editable fields of its model, so that a new field is exported without a change here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from django.contrib.auth.models import Group, Permission
from django.db import models

from accounts.oauth_server.models import Application
from foundation.secrets_at_rest import EncryptedField
from integrations.models import flows
from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.registry import (
    Alias,
    ApplicationRegistry,
    HttpConnection,
    OAuth2Credential,
    OAuthEntityProfile,
    OAuthEntityScope,
)
from integrations.models.remote_tables import RemoteTable, RemoteTableColumn
from integrations.models.tool_sets import ToolSet

Column: TypeAlias = "models.Field[Any, Any]"


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link to another row by its natural key.

    `beside`: only to rows with the same parent. `separator`: several names are written as one text.
    """

    model: type[models.Model]
    by: tuple[str, ...] = ("name",)
    beside: str = ""
    separator: str = ""

    @property
    def names(self) -> list[str]:
        return [path.replace("__name", "") for path in self.by]

    def conditions(self, key: Any) -> dict[str, str] | None:
        """Return the query conditions of a natural key; None if it has another form."""
        if self.separator and isinstance(key, str):
            key = dict(zip(self.names, key.split(self.separator, len(self.names) - 1), strict=False))
        elif len(self.names) == 1:
            key = {self.names[0]: key}
        if not isinstance(key, dict) or set(key) != set(self.names):
            return None
        if not all(isinstance(value, str) and "\0" not in value for value in key.values()):
            return None
        return {path: key[name] for path, name in zip(self.by, self.names, strict=True)}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of rows.

    `mark`: a boolean that only one row of a parent may have. `only`: a filter of rows. `fields`: these columns instead
    of all. `word_lists`: columns that store a list as words. `hashed`: secrets that are stored as hashes. `switches`:
    booleans, each with the one-to-one relation to the row that exists while it is on.
    """

    name: str
    model: type[models.Model]
    key: str = "name"
    parent: str = ""
    links: Mapping[str, Link] = field(default_factory=dict)
    many: Mapping[str, Link] = field(default_factory=dict)
    children: tuple["Kind", ...] = ()
    pictures: tuple[str, ...] = ()
    mark: str = ""
    order: tuple[str, ...] = ("name",)
    only: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    word_lists: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    switches: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return str(self.model._meta.verbose_name)

    @property
    def secrets(self) -> tuple[str, ...]:
        columns = self.model._meta.concrete_fields
        return (*(column.name for column in columns if isinstance(column, EncryptedField)), *self.hashed)

    @property
    def columns(self) -> dict[str, Column]:
        other_names = {self.parent, *self.links, *self.secrets}
        plain = [column for column in self.model._meta.concrete_fields if column.editable and not column.primary_key]
        return {
            column.name: column
            for column in plain
            if column.name not in other_names and column.name in (self.fields or {column.name})
        }

    @property
    def members(self) -> tuple[str, ...]:
        """The names that a row of this kind may have in a file, the key first."""
        children = tuple(child.name for child in self.children)
        own = (*self.columns, *self.links, *self.switches, *self.secrets, *self.pictures)
        names = (self.key, *own, *self.many, *children)
        return tuple(dict.fromkeys(names))

    @property
    def prefetches(self) -> Iterator[str]:
        """The lookups to prefetch, so that the number of queries does not grow with the rows."""
        for name, link in {**self.links, **self.many}.items():
            relations = {path.rpartition("__")[0] for path in link.by}
            yield from ("__".join(filter(None, [name, relation])) for relation in sorted(relations))
        yield from self.switches.values()
        for child in self.children:
            yield from (child.name, *(f"{child.name}__{lookup}" for lookup in child.prefetches))


GROUPS = Link(model=Group)
ALIAS = Link(model=Alias)
CREDENTIAL = Link(model=OAuth2Credential)
ACTION = Link(model=flows.Action)
PERMISSIONS = Link(model=Permission, by=("content_type__app_label", "codename"), separator=".")

KINDS = (
    Kind(
        name="groups",
        model=Group,
        many={"permissions": PERMISSIONS},
        switches={"requires_two_steps": "two_step_requirement"},
    ),
    Kind(
        name="registries",
        model=ApplicationRegistry,
        pictures=("logo",),
        children=(
            Kind(name="scopes", model=OAuthEntityScope, key="scope", parent="registry", order=("scope",)),
            Kind(
                name="profiles",
                model=OAuthEntityProfile,
                parent="registry",
                many={"scopes": Link(model=OAuthEntityScope, by=("scope",), beside="registry")},
                mark="is_default",
            ),
        ),
    ),
    Kind(
        name="credentials",
        model=OAuth2Credential,
        links={"profile": Link(model=OAuthEntityProfile, by=("registry__name", "name"))},
    ),
    Kind(
        name="aliases",
        model=Alias,
        links={"credential": CREDENTIAL},
        many={"groups": GROUPS},
        children=(
            Kind(
                name="connections",
                model=HttpConnection,
                parent="alias",
                links={"credential": CREDENTIAL},
                mark="active",
            ),
        ),
    ),
    Kind(
        name="actions",
        model=flows.Action,
        children=(
            Kind(name="steps", model=flows.RestStep, parent="action", links={"alias": ALIAS}, order=("order", "name")),
        ),
    ),
    Kind(
        name="subflows",
        model=flows.Subflow,
        many={"groups": GROUPS},
        children=(
            Kind(
                name="actions",
                model=flows.SubflowAction,
                parent="subflow",
                links={"action": ACTION},
                order=("order", "name"),
            ),
        ),
    ),
    Kind(
        name="remote_tables",
        model=RemoteTable,
        links={"alias": ALIAS, "action": ACTION},
        many={"groups": GROUPS},
        children=(Kind(name="columns", model=RemoteTableColumn, parent="table", order=("order", "name")),),
    ),
    Kind(
        name="tool_sets",
        model=ToolSet,
        many={
            "subflows": Link(model=flows.Subflow),
            "remote_tables": Link(model=RemoteTable),
            "aliases": ALIAS,
            "groups": GROUPS,
        },
    ),
    Kind(name="templates", model=ConfigurationTemplate, only={"key": ""}),
    Kind(
        name="applications",
        model=Application,
        only={"registration_source": Application.RegistrationSource.MANUAL},  # what registered itself is no set-up
        fields=(
            "name",
            "client_id",
            "client_type",
            "authorization_grant_type",
            "redirect_uris",
            "allowed_scopes",
            "first_party",
            "may_introspect",
        ),
        word_lists=("redirect_uris", "allowed_scopes"),
        hashed=("client_secret",),
    ),
)

STAFF = "staff"  # in a file: what holds for everybody with staff status
STAFF_MEMBERS = ("requires_two_steps",)
