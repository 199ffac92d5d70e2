"""From a configuration template to an integration: what would be made, and making it, all or nothing.

Also brings the templates that come with Keyrack into the database. Knows no forms and asks no server.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from django.db import connections, transaction
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.registry import (
    Alias,
    ApplicationRegistry,
    HttpConnection,
    IntegrationType,
    OAuth2Credential,
    OAuthEntityProfile,
)
from integrations.models.template_definitions import Definition

PROVIDERS = Path(__file__).parent / "providers"
PROFILE = "Default"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an administrator answered. `scopes` are pairs of scope and words; `registry_id` is the reserved one."""

    name: str
    alias: str
    client_id: str
    client_secret: str = field(repr=False)
    answers: Mapping[str, str]
    scopes: tuple[tuple[str, str], ...]
    registry_id: UUID
    integration_type: str = IntegrationType.PERSONAL


@cache
def shipped() -> tuple[Mapping[str, Any], ...]:
    """The reviewed files as they stand there, each with `key`, `name` and the members of a definition."""
    files = sorted(PROVIDERS.glob("*.yaml"))
    return tuple(row for file in files for row in yaml.safe_load(file.read_text(encoding="utf-8")))


def bring_up_to_date(using: str, **_signal: Any) -> None:
    """After each migration. Safe to repeat; an administrator's own templates stay as they are."""
    if ConfigurationTemplate._meta.db_table not in connections[using].introspection.table_names():
        return  # migrated backwards, to before there were any
    rows = ConfigurationTemplate.objects.using(using)
    stored = {row.key: row for row in rows.exclude(key="")}
    told = {row["key"]: {"name": row["name"], "definition": defined(row)} for row in shipped()}
    for key in stored.keys() & told.keys():
        row = stored[key]
        if told[key] != {"name": row.name, "definition": row.definition}:
            rows.filter(pk=row.pk).update(**told[key])
    rows.filter(key__in=stored.keys() - told.keys()).delete()
    rows.bulk_create(ConfigurationTemplate(key=key, **told[key]) for key in told if key not in stored)


def defined(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"key", "name"}}


def in_the_way(name: str, alias: str) -> Iterator[tuple[str, str]]:
    """Which names are taken, and by what: the field and a sentence."""
    if ApplicationRegistry.objects.filter(name=name).exists():
        yield "name", _("There is an application registry of this name.")
    elif OAuth2Credential.objects.filter(name=name).exists():
        yield "name", _("There is an OAuth 2.0 credential of this name.")
    if Alias.objects.filter(name=alias).exists():
        yield "alias", _("There is an alias of this name.")


def registry_of(definition: Definition, wanted: Wanted) -> ApplicationRegistry:
    """Not saved, and without the secret: what the preview shows."""
    fields = definition.registry_fields(wanted.answers)
    return ApplicationRegistry(id=wanted.registry_id, name=wanted.name, client_id=wanted.client_id, **fields)


@sensitive_variables("wanted", "registry")
@transaction.atomic
def create(definition: Definition, wanted: Wanted) -> Alias:
    """Registry, scopes, profile, credential, alias and connection; all of them or none."""
    registry = registry_of(definition, wanted)
    registry.client_secret = wanted.client_secret
    registry.save(force_insert=True)
    profile = OAuthEntityProfile.objects.create(
        registry=registry, name=PROFILE, grant_type=registry.default_grant_type, is_default=True
    )
    profile.scopes.set([registry.scopes.create(scope=scope, name=name) for scope, name in wanted.scopes])
    credential = OAuth2Credential.objects.create(
        name=wanted.name, profile=profile, integration_type=wanted.integration_type
    )
    alias = Alias.objects.create(name=wanted.alias, label=wanted.name, description=definition.description)
    base = definition.base(wanted.answers)
    HttpConnection.objects.create(alias=alias, name=wanted.name, credential=credential, connection_url=base)
    return alias
