"""Seed rows of the demo, as an administrator would make them: users, registries, credentials, aliases, connections.

Writes no tokens. Rows are made once per folder; later starts only update the demo provider's port.
"""

import os
import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import F, Model, Value
from django.db.models.functions import Replace

from accounts.models import User
from demo import agreements, flows, itself, tables
from demo.catalogue import CATALOGUE, Offer
from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.registry import (
    Alias,
    ApplicationRegistry,
    GrantType,
    HttpConnection,
    IntegrationType,
    OAuth2Credential,
    OAuthEntityProfile,
    RevocationReach,
)
from integrations.models.tokens import Revocation
from integrations.provider_setup.roles import DASHBOARD

PEOPLE = (("amira", "Amira", "Haddad"), ("tomas", "Tomás", "Ferreira"))
SEEDED = "demo.seeded"
TEMPLATE = "oauth-authorization-code-demo"
LOCAL = "http://localhost:"
HOLD_ADDRESSES: dict[type[Model], tuple[str, ...]] = {
    ApplicationRegistry: (
        "authorization_url",
        "token_url",
        "token_revocation_url",
        "token_introspection_url",
        "userinfo_url",
        "account_settings_url",
        "issuer",
    ),
    HttpConnection: ("connection_url",),
    Revocation: ("revocation_url", "introspection_url", "userinfo_url", "token_url"),
}


def is_done() -> bool:
    """Tell whether this folder and database are fully seeded."""
    return (settings.DATA_DIR / SEEDED).exists() and User.objects.filter(username="amira").exists()


def note_done() -> None:
    (settings.DATA_DIR / SEEDED).touch()


@transaction.atomic
def rows(provider_url: str) -> None:
    """Create users and integrations. Safe to repeat."""
    group = Group.objects.get(name=DASHBOARD)
    for username, first_name, last_name in PEOPLE:
        person(username, group, os.environ["PEOPLE_PASSWORD"], first_name=first_name, last_name=last_name)
    administrator = {"is_staff": True, "is_superuser": True}
    person("admin", group, os.environ["ADMIN_PASSWORD"], first_name="Admin", **administrator)
    for offer in CATALOGUE:
        integration(offer, provider_url)
    itself.rows()
    flows.rows()
    tables.rows()


def person(username: str, group: Group, password: str, **fields: Any) -> None:
    user, is_new = User.objects.get_or_create(
        username=username, defaults={"email": f"{username}@northwind.example", **fields}
    )
    if is_new:
        user.set_password(password)
        user.save()
        user.groups.add(group)


def integration(offer: Offer, provider_url: str) -> None:
    if Alias.objects.filter(name=offer.name).exists():
        return
    alias = Alias.objects.create(
        name=offer.name, label=offer.label, description=offer.description, agent_calls=offer.agent_calls
    )
    HttpConnection.objects.create(
        alias=alias,
        name=offer.label,
        credential=credential(offer, provider_url),
        connection_url=provider_url + offer.path,
    )


def credential(offer: Offer, provider_url: str) -> OAuth2Credential:
    registry = registration(offer, provider_url)
    profile = OAuthEntityProfile.objects.create(
        registry=registry, name="Default", grant_type=offer.grant_type, is_default=True
    )
    profile.scopes.set([registry.scopes.create(scope=scope, name=words) for scope, words in offer.scopes.items()])
    return OAuth2Credential.objects.create(name=offer.label, profile=profile, integration_type=IntegrationType.PERSONAL)


def registration(offer: Offer, provider_url: str) -> ApplicationRegistry:
    by_browser = offer.grant_type == GrantType.AUTHORIZATION_CODE
    return ApplicationRegistry.objects.create(
        name=offer.label,
        client_id=offer.client_id,
        client_secret=secrets.token_urlsafe(32),
        default_grant_type=offer.grant_type,
        issuer=provider_url,
        names_issuer=True,
        authorization_url=f"{provider_url}/o/authorize/" if by_browser else "",
        token_url=f"{provider_url}/o/token/",
        token_revocation_url=f"{provider_url}/o/revoke_token/" if offer.is_revocable else "",
        token_introspection_url=f"{provider_url}/o/introspect/",
        userinfo_url=f"{provider_url}/o/userinfo/" if by_browser else f"{provider_url}/api/whoami/",
        account_settings_url=f"{provider_url}/#switches",
        account_label_path=f"{offer.account} /sub",
        revocation_reach=RevocationReach.TOKEN,
        comments="Made by the demo.",
    )


@transaction.atomic
def follow(provider_url: str) -> None:
    """Update all addresses of the provider if it has another port than at the last start."""
    itself.follow()
    preset_template(provider_url)
    registries = ApplicationRegistry.objects.filter(client_id__in=[offer.client_id for offer in CATALOGUE])
    old_urls = set(registries.filter(issuer__startswith=LOCAL).values_list("issuer", flat=True)) - {provider_url}
    for old_url in old_urls:
        for model, fields in HOLD_ADDRESSES.items():
            for field in fields:
                matching = model._default_manager.filter(**{f"{field}__startswith": old_url})
                matching.update(**{field: Replace(F(field), Value(old_url), Value(provider_url))})
        agreements.follow(old_url, provider_url)


def preset_template(provider_url: str) -> None:
    """Preset the provider's current address in the demo's configuration template."""
    template = ConfigurationTemplate.objects.get(key=TEMPLATE)
    for question in template.definition["questions"]:
        if question["name"] == "server":
            question["default"] = provider_url
    template.save(update_fields=["definition"])


def clients() -> list[dict[str, Any]]:
    """Return our clients for the provider's `provider_seed`, with the Redirect URLs of this start."""
    registries = {registry.client_id: registry for registry in ApplicationRegistry.objects.all()}
    return [client(offer, registries[offer.client_id]) for offer in CATALOGUE if offer.client_id in registries]


def client(offer: Offer, registry: ApplicationRegistry) -> dict[str, Any]:
    return {
        "client_id": registry.client_id,
        "client_secret": registry.client_secret,
        "name": f"Keyrack for {offer.label}",
        "grant": offer.grant_type,
        "scopes": list(offer.scopes),
        "scope_words": dict(offer.scopes),
        "redirect_uris": [registry.redirect_url] if registry.authorization_url else [],
        "access_token_seconds": offer.access_token_seconds,
        "issues_refresh_token": offer.issues_refresh_token,
        "revocations_fail": offer.revocations_fail,
    }
