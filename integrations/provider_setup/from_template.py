"""Creating an integration from a configuration template, and keeping the shipped templates up to date.

Knows no forms and makes no calls.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from django.db import connections, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.definitions import Definition
from integrations.models.registry import (
    Alias,
    ApplicationRegistry,
    HttpConnection,
    IntegrationType,
    OAuth2Credential,
    OAuthEntityProfile,
)

PROVIDERS = Path(__file__).parent / "providers"
PROFILE = "Default"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """An administrator's answers. `scopes`: pairs of scope and label; `registry_id`: the reserved id.

    `corrections`: values in place of the template's, by field of the registry or "connection_url".
    """

    name: str
    alias: str
    client_id: str
    client_secret: str = field(repr=False)
    answers: Mapping[str, str]
    scopes: tuple[tuple[str, str], ...]
    registry_id: UUID
    integration_type: str = IntegrationType.PERSONAL
    corrections: Mapping[str, str] = field(default_factory=dict)
    secret_expires_on: date | None = None


@cache
def shipped_templates() -> tuple[Mapping[str, Any], ...]:
    """Return the shipped templates, each with `key`, `name` and the members of a definition."""
    files = sorted(PROVIDERS.glob("*.yaml"))
    return tuple(row for file in files for row in rows_in(file))


@cache
def keys_with_answers() -> frozenset[str]:
    """Keys of the shipped templates whose provider's answers are recorded, and played by the tests."""
    return frozenset(file.stem for file in (PROVIDERS / "answers").glob("*.yaml"))


CATEGORIES: dict[str, Any] = {
    "commerce": gettext_lazy("Commerce"),
    "development": gettext_lazy("Development"),
    "devices": gettext_lazy("Devices"),
    "documents": gettext_lazy("Documents"),
    "finance": gettext_lazy("Finance"),
    "identity": gettext_lazy("Identity"),
    "staff": gettext_lazy("People and hiring"),
    "platforms": gettext_lazy("Platforms"),
    "sales": gettext_lazy("Sales and support"),
    "social": gettext_lazy("Social networks"),
    "work": gettext_lazy("Work"),
    "own": gettext_lazy("Your own"),  # made by an administrator
}
# Files whose templates belong to the category of another name
FILES = {
    "accounting": "finance", "money": "finance", "identity_servers": "identity", "people": "social",
    "workplace": "work", "demo": "development",
}  # fmt: skip


@cache
def shipped_categories() -> Mapping[str, str]:
    """Category of each shipped template, by its key. Templates come in one file for each kind of service."""
    return {row["key"]: FILES.get(file.stem, file.stem) for file in PROVIDERS.glob("*.yaml") for row in rows_in(file)}


def rows_in(file: Path) -> list[dict[str, Any]]:
    """Parse a file of templates; with the parser in C, where PyYAML has it, in a tenth of the time."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return list(yaml.load(file.read_text(encoding="utf-8"), Loader=loader))  # noqa: S506  both are safe


def category_of(template: ConfigurationTemplate) -> str:
    return shipped_categories().get(template.key, "own")


def update_shipped_templates(using: str, **_signal: Any) -> None:
    """Write the shipped templates to the database, after each migration. Safe to repeat.

    Leaves an administrator's own templates alone.
    """
    if ConfigurationTemplate._meta.db_table not in connections[using].introspection.table_names():
        return  # migrated back to before the table existed
    rows = ConfigurationTemplate.objects.using(using)
    stored = {row.key: row for row in rows.exclude(key="")}
    shipped_values = {
        row["key"]: {"name": row["name"], "definition": definition_of(row)} for row in shipped_templates()
    }
    for key in stored.keys() & shipped_values.keys():
        row = stored[key]
        if shipped_values[key] != {"name": row.name, "definition": row.definition}:
            rows.filter(pk=row.pk).update(**shipped_values[key])
    rows.filter(key__in=stored.keys() - shipped_values.keys()).delete()
    rows.bulk_create(
        ConfigurationTemplate(key=key, **shipped_values[key]) for key in shipped_values if key not in stored
    )


def definition_of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"key", "name"}}


def find_taken_names(name: str, alias: str) -> Iterator[tuple[str, str]]:
    """Yield field and message for each name that is taken."""
    if ApplicationRegistry.objects.filter(name=name).exists():
        yield "name", _("There’s already an application registry with this name.")
    elif OAuth2Credential.objects.filter(name=name).exists():
        yield "name", _("There’s already an OAuth 2.0 credential with this name.")
    if Alias.objects.filter(name=alias).exists():
        yield "alias", _("There’s already an alias with this name.")


def registry_of(definition: Definition, answers: Answers) -> ApplicationRegistry:
    """Return the unsaved registry, without its secret, as the preview shows it."""
    corrected = {name: value for name, value in answers.corrections.items() if name != "connection_url"}
    return ApplicationRegistry(
        id=answers.registry_id,
        name=answers.name,
        client_id=answers.client_id,
        client_secret_expires_on=answers.secret_expires_on,
        **{**definition.registry_fields(answers.answers), **corrected},
    )


def connection_url_of(definition: Definition, answers: Answers) -> str:
    return answers.corrections.get("connection_url") or definition.base(answers.answers)


@sensitive_variables("answers", "registry")
@transaction.atomic
def create_integration(definition: Definition, answers: Answers) -> Alias:
    """Create registry, scopes, profile, credential, alias and connection, all or none."""
    registry = registry_of(definition, answers)
    registry.client_secret = answers.client_secret
    registry.save(force_insert=True)
    profile = OAuthEntityProfile.objects.create(
        registry=registry, name=PROFILE, grant_type=registry.default_grant_type, is_default=True
    )
    profile.scopes.set([registry.scopes.create(scope=scope, name=name) for scope, name in answers.scopes])
    credential = OAuth2Credential.objects.create(
        name=answers.name, profile=profile, integration_type=answers.integration_type
    )
    alias = Alias.objects.create(name=answers.alias, label=answers.name, description=definition.description)
    url = connection_url_of(definition, answers)
    HttpConnection.objects.create(alias=alias, name=answers.name, credential=credential, connection_url=url)
    return alias
