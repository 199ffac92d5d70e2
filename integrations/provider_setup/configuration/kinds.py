"""The kinds of rows that make up the set-up, their natural keys and their links. Used by export and import alike.

A kind's plain columns are the editable fields of its model, so that a new field is exported without a change here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from django.contrib.auth.models import Group
from django.db import models

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

Column: TypeAlias = "models.Field[Any, Any]"


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link to another row by its natural key. `beside`: only to rows with the same parent."""

    model: type[models.Model]
    by: tuple[str, ...] = ("name",)
    beside: str = ""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of rows. `mark`: a boolean that only one row of a parent may have; `only`: a filter of rows."""

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

    @property
    def label(self) -> str:
        return str(self.model._meta.verbose_name)

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.model._meta.concrete_fields if isinstance(column, EncryptedField))

    @property
    def columns(self) -> dict[str, Column]:
        other_names = {self.parent, *self.links, *self.secrets}
        plain = [column for column in self.model._meta.concrete_fields if column.editable and not column.primary_key]
        return {column.name: column for column in plain if column.name not in other_names}

    @property
    def members(self) -> tuple[str, ...]:
        """The names that a row of this kind may have in a file, the key first."""
        children = tuple(child.name for child in self.children)
        names = (self.key, *self.columns, *self.links, *self.secrets, *self.pictures, *self.many, *children)
        return tuple(dict.fromkeys(names))


GROUPS = Link(model=Group)
ALIAS = Link(model=Alias)
CREDENTIAL = Link(model=OAuth2Credential)
ACTION = Link(model=flows.Action)

KINDS = (
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
    Kind(name="templates", model=ConfigurationTemplate, only={"key": ""}),
)
