"""Drafts of providers: begun from a template or by hand, checked without a sign-in, and turned into an integration."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Field
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from foundation.oauth_client import transport
from foundation.oauth_client.registration import origin
from integrations.models import definitions
from integrations.models.card import Integration
from integrations.models.card.scopes import ScopeBook
from integrations.models.configuration_templates import ConfigurationTemplate
from integrations.models.provider_drafts import ProviderDraft, Step
from integrations.models.registry import (
    Alias,
    ApplicationRegistry,
    HttpConnection,
    OAuth2Credential,
    OAuthEntityProfile,
    validation,
)
from integrations.provider_setup import doctor, from_template
from integrations.provider_setup.doctor import Finding, endpoints
from integrations.provider_setup.from_template import Answers

CHECK_SECONDS = 20.0  # a browser is waiting
ASKED = "asked"  # in `entered`: where people will sign in, and what they will be asked for, in words
STORED_FOR = "stored_for"  # in `entered`: client ID, answers and corrections that the secret was entered with
DESCRIPTION = "description"  # in `entered`: the form By hand as typed, until the draft has a definition
READ_FROM = "read_from"  # in `entered`: the issuer whose metadata filled that form
LONGEST_NAME = 95  # characters, so that a number fits behind it


def begin_draft(name: str, definition: Mapping[str, Any], user: User, *, key: str = "") -> ProviderDraft:
    """Begin a draft with a name that is free. The same person's draft without entries is used again."""
    untouched = ProviderDraft.objects.filter(begun_by=user, definition=definition, key=key, entered={})
    draft = untouched.filter(step=Step.REGISTER).first()
    return draft or ProviderDraft.objects.create(
        name=free_name(name), definition=dict(definition), key=key, begun_by=user
    )


def begin_from_template(template: ConfigurationTemplate, user: User) -> ProviderDraft:
    """Begin a draft with a copy of the template. Raises `BadDefinition` if the row was changed by other means."""
    definitions.parse_definition(template.definition)
    return begin_draft(template.name, template.definition, user, key=template.key)


def begin_description(fields: Mapping[str, Any], user: User, *, read_from: str = "") -> ProviderDraft:
    """Begin a draft with what a server publishes, or with its address.

    The same person's draft with the same is used again.
    """
    entered = {DESCRIPTION: dict(fields), READ_FROM: read_from}
    untouched = ProviderDraft.objects.filter(begun_by=user, definition={}, entered=entered)
    name = name_in(fields)
    return untouched.first() or ProviderDraft.objects.create(name=name, definition={}, entered=entered, begun_by=user)


def save_description(draft: ProviderDraft, fields: Mapping[str, Any], user: User) -> ProviderDraft:
    """Save what was typed By hand so far, valid or not; the first of it begins the draft. Return it as it is then.

    A concurrent request may have described it: then nothing is saved.
    """
    values = {"name": name_in(fields), "entered": {**draft.entered, DESCRIPTION: dict(fields)}}
    draft, is_new = ProviderDraft.objects.get_or_create(
        pk=draft.pk, defaults={**values, "definition": {}, "begun_by": user}
    )
    if not is_new:
        ProviderDraft.objects.filter(pk=draft.pk, definition={}).update(**values, changed_at=timezone.now())
        draft.refresh_from_db()
    return draft


def name_in(fields: Mapping[str, Any]) -> str:
    return str(fields.get("name") or "").strip()[:LONGEST_NAME]


def complete_description(draft: ProviderDraft, name: str, definition: Mapping[str, Any]) -> None:
    """Complete what was typed By hand, so that step 1 begins. Safe to repeat: a described draft stays as it is."""
    values = {"name": free_name(name), "definition": dict(definition), "entered": {}, "changed_at": timezone.now()}
    ProviderDraft.objects.filter(pk=draft.pk, definition={}).update(**values)


def free_name(name: str) -> str:
    """Return the name, or the first one with a number behind it that no registry and no credential has."""
    return next(
        candidate
        for candidate in with_numbers(name[:LONGEST_NAME], " ")
        if not ApplicationRegistry.objects.filter(name=candidate).exists()
        and not OAuth2Credential.objects.filter(name=candidate).exists()
    )


def free_alias(name: str) -> str:
    """Return a free name of an alias, made from the name of a provider."""
    letters = "".join(char if char.isascii() and char.isalnum() else " " for char in name).lower().split()
    base = "_".join(letters)[:70] or "provider"
    return next(name for name in with_numbers(base, "_") if not Alias.objects.filter(name=name).exists())


def with_numbers(name: str, joiner: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}{joiner}{number}"
        number += 1


# The check ------------------------------------------------------------------------------------------------------------


@sensitive_variables("answers", "registry")
def check_answers(draft: ProviderDraft, answers: Answers) -> list[Finding]:
    """Check what was entered at the provider, with a made-up code. Nobody signs in, and nothing is saved there."""
    registry = from_template.registry_of(draft.read, answers)
    registry.client_secret = answers.client_secret
    scopes = [scope for scope, _words in answers.scopes]
    findings = list(doctor.examine_endpoints(registry, scopes=scopes, seconds=CHECK_SECONDS))
    with transport.deadline(CHECK_SECONDS / 4):
        findings += endpoints.probe_api(from_template.connection_url_of(draft.read, answers))
    return findings


@sensitive_variables("answers")
def new_receivers(draft: ProviderDraft, answers: Answers) -> list[str]:
    """Labels of changes since the secret was stored that decide who receives it, or people's tokens."""
    stored = draft.entered.get(STORED_FOR, {"client_id": "", "answers": {}})
    corrections = stored.get("corrections", {})
    before = replace(answers, client_id=stored["client_id"], answers=stored["answers"], corrections=corrections)
    registries = [vars(from_template.registry_of(draft.read, each)) for each in (before, answers)]
    changed = validation.changes_of_receivers(*registries)
    labels = [str(cast("Field[Any, Any]", ApplicationRegistry._meta.get_field(name)).verbose_name) for name in changed]
    urls = [from_template.connection_url_of(draft.read, each) for each in (before, answers)]
    if origin(urls[0]) != origin(urls[1]):
        labels.append(str(HttpConnection._meta.get_field("connection_url").verbose_name))
    return labels


def keep_entered(draft: ProviderDraft, fields: dict[str, Any]) -> None:
    """Save what was entered in step 2. What differs from what was checked has to be checked again."""
    if fields == draft.entered.get("fields"):
        return
    draft.findings, draft.checked_at = [], None
    draft.keep(Step.ENTER, fields=fields)


@sensitive_variables("answers")
def store_checked(draft: ProviderDraft, answers: Answers, findings: Sequence[Finding]) -> None:
    """Store the secret with the findings; without any, the check was skipped."""
    registry = from_template.registry_of(draft.read, answers)
    server = registry.issuer or registry.authorization_url or registry.token_url
    entered: dict[str, Any] = {ASKED: {"server": server, "scopes": [words for _scope, words in answers.scopes]}}
    if answers.client_secret:
        draft.client_secret = answers.client_secret
        entered[STORED_FOR] = {
            "client_id": answers.client_id,
            "answers": dict(answers.answers),
            "corrections": dict(answers.corrections),
        }
    draft.findings = [{"sentence": finding.sentence, "tone": finding.tone} for finding in findings]
    draft.checked_at = timezone.now() if findings else None
    draft.keep(Step.SHARE, **entered)


def preview_card(draft: ProviderDraft, *, alias: str, label: str, description: str) -> Integration:
    """Return the card as people will see it, made of rows that are not saved."""
    requested = draft.entered.get(ASKED, {"server": "", "scopes": []})
    registry = ApplicationRegistry(pk=draft.pk, name=draft.name, authorization_url=requested["server"])
    profile = OAuthEntityProfile(registry=registry)
    scopes = ScopeBook([])
    scopes.requested[profile.pk] = requested["scopes"]
    return Integration(
        alias=Alias(name=alias, label=label, description=description),
        credential=OAuth2Credential(profile=profile),
        token=None,
        attempt=None,
        revocation=None,
        settled=None,
        scopes=scopes,
        now=timezone.now(),
        is_on=True,
    )


# The end --------------------------------------------------------------------------------------------------------------


@sensitive_variables("answers")
@transaction.atomic
def finish_draft(
    draft: ProviderDraft, answers: Answers, user: User, *, label: str, description: str, groups: Sequence[Group]
) -> Alias:
    """Turn the draft into an integration that only `user` sees until it has worked. All or nothing.

    Raises `ProviderDraft.DoesNotExist` if a concurrent request has finished or discarded it.
    """
    draft.lock()
    alias = from_template.create_integration(draft.read, replace(answers, name=free_name(draft.name)))
    alias.label, alias.description = label, description
    alias.awaits_trial, alias.tester = True, user
    alias.save()
    alias.groups.set(groups)
    draft.delete()
    return alias
