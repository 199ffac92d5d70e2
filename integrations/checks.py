"""What set-up must look like: `manage.py check` says in words what is half configured, and by whom it is mended."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from integrations.models.registry import Alias, ApplicationRegistry, ClientAuthentication, GrantType
from integrations.vault import NoKeys, keyring

PROCESS_WIDE = ("OAUTHLIB_INSECURE_TRANSPORT", "OAUTHLIB_RELAX_TOKEN_SCOPE")


@register(Tags.security, deploy=True)
def no_process_wide_relaxation(**_options: Any) -> list[CheckMessage]:
    """oauthlib's switches hold for the whole process and switch off what protects tokens."""
    return [
        Error(
            f"{name} is set.",
            hint="Remove it from the environment: it lets tokens travel unprotected.",
            id="keyrack.E001",
        )
        for name in PROCESS_WIDE
        if os.environ.get(name)
    ]


@register(Tags.security, deploy=True)
def keys_are_there(**_options: Any) -> list[CheckMessage]:
    try:
        keyring()
    except NoKeys as error:
        return [Error(str(error), hint="Nothing can be stored or sent without it.", id="keyrack.E002")]
    return []


@register(Tags.security, deploy=True)
def site_is_https(**_options: Any) -> list[CheckMessage]:
    if settings.SITE_IS_SECURE:
        return []
    return [Warning("SITE_URL is not https.", hint="Codes and cookies travel in the clear.", id="keyrack.W001")]


@register(Tags.database)
def half_configured_rows(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None, **_options: Any
) -> list[CheckMessage]:
    """Only where a database is asked for: `manage.py check --database default`."""
    try:
        return [*registry_messages(), *alias_messages()] if databases else []
    except DatabaseError:  # not migrated yet: there is nothing to look at
        return []


def registry_messages() -> Iterator[CheckMessage]:
    for registry in ApplicationRegistry.objects.filter(active=True).prefetch_related("profiles"):
        yield from (Warning(text, obj=registry, id=code) for text, code in shortcomings(registry))


def shortcomings(registry: ApplicationRegistry) -> Iterator[tuple[str, str]]:
    """What is missing in one registry, in words for its administrator."""
    grants = {profile.grant_type for profile in registry.profiles.all()}
    if not grants:
        yield "It has no OAuth Entity Profile, so no credential can use it.", "keyrack.W010"
    if GrantType.AUTHORIZATION_CODE in grants and not registry.authorization_url:
        yield "The Authorization URL is missing.", "keyrack.W011"
    if registry.send_credentials != ClientAuthentication.NONE and not registry.__dict__["client_secret"]:
        yield "The Client Secret is missing.", "keyrack.W012"
    if registry.send_credentials == ClientAuthentication.NONE and not registry.pkce_required:
        yield "A public client without PKCE: anybody who sees a code can redeem it.", "keyrack.W013"
    if not registry.token_revocation_url:
        yield "The Token Revocation URL is missing: revoking here will not reach the provider.", "keyrack.W014"


def alias_messages() -> Iterator[CheckMessage]:
    for alias in Alias.objects.complete().filter(active=True):
        credential = alias.effective_credential
        if credential is None:
            yield Warning("It has no active connection.", obj=alias, id="keyrack.W020")
        elif not credential.is_ready:
            yield Warning("Its credential or application registry is not active.", obj=alias, id="keyrack.W021")
