"""Reads all providers, or one, in a fixed number of queries, however many there are."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from uuid import UUID

from django.db.models import Count
from django.utils import timezone

from accounts.audit.log import Event, Kind
from integrations.models import admission
from integrations.models.card.moved_addresses import events_about
from integrations.models.provider_drafts import ProviderDraft
from integrations.models.registry import Alias, AliasQuerySet, ApplicationRegistry, OAuth2Credential
from integrations.models.tokens import Token, consent
from integrations.models.tokens.token import SignInCounts, usable_tokens
from integrations.provider_setup.overview.providers import Moved, Provider


def read_providers(*, shows_aliases: bool = True) -> list[Provider]:
    """Return every registry with what uses it, every alias without a registry, and every draft, by name.

    `shows_aliases`: whether the administrator may see aliases. States are the same without.
    """
    registries = list(ApplicationRegistry.objects.defer("logo").prefetch_related("profiles"))
    aliases, incomplete = aliases_by_registry(Alias.objects.all())
    counts, moved = Token.objects.count_by_registry(), read_moved(registries, aliases)
    added = added_to_set_up([*(row.pk for row in registries), *(alias.pk for alias in incomplete)])
    providers = [
        Provider(
            registry=registry,
            aliases=tuple(aliases[registry.pk]),
            people=counts.get(registry.pk, SignInCounts()),
            moved=moved.get(registry.pk, Moved()),
            added=added.get(registry.pk),
            shows_aliases=shows_aliases,
        )
        for registry in registries
    ]
    if shows_aliases:
        providers += [Provider(registry=None, aliases=(alias,), added=added.get(alias.pk)) for alias in incomplete]
    providers += [Provider(registry=None, draft=draft) for draft in ProviderDraft.objects.select_related("begun_by")]
    return sorted(providers, key=lambda row: row.name.casefold())


def read_provider(registry: ApplicationRegistry, *, shows_aliases: bool = True) -> Provider:
    """Return one registry with what uses it."""
    aliases, _incomplete = aliases_by_registry(
        Alias.objects.using_any(OAuth2Credential.objects.filter(profile__registry=registry))
    )
    counts = Token.objects.filter(credential__profile__registry=registry).count_by_registry()
    return Provider(
        registry=registry,
        aliases=tuple(aliases[registry.pk]),
        people=counts.get(registry.pk, SignInCounts()),
        moved=read_moved([registry], aliases).get(registry.pk, Moved()),
        added=added_to_set_up([registry.pk]).get(registry.pk),
        shows_aliases=shows_aliases,
    )


def aliases_by_registry(aliases: AliasQuerySet) -> tuple[dict[UUID, list[Alias]], list[Alias]]:
    """Return the aliases by the registry that they authenticate with, and those that authenticate with none."""
    complete: defaultdict[UUID, list[Alias]] = defaultdict(list)
    incomplete = []
    for alias in admission.annotate_switches(aliases.order_by("name")):
        credential = alias.effective_credential
        if credential:
            complete[credential.profile.registry_id].append(alias)
        else:
            incomplete.append(alias)
    return complete, incomplete


def read_moved(registries: Iterable[ApplicationRegistry], aliases: dict[UUID, list[Alias]]) -> dict[UUID, Moved]:
    """Count the people who have not agreed to the addresses of their registry. Two queries.

    If a credential has several connections, only those people count who cannot use any of them: who may use which is
    not read here.
    """
    candidates = {registry.pk: registry for registry in registries if registry.moved_at}
    if not candidates:
        return {}
    tokens = Token.objects.filter(usable_tokens(timezone.now()), credential__profile__registry__in=candidates)
    agreements = tokens.exclude(user=None).exclude(user__is_active=False)
    unconfirmed: defaultdict[UUID, int] = defaultdict(int)
    changes: dict[UUID, consent.Change] = {}
    urls = urls_by_credential(aliases[registry_id] for registry_id in candidates)
    columns = ("credential__profile__registry", "credential", "agreed")
    for registry_id, credential_id, agreed, count in agreements.values_list(*columns).annotate(count=Count("pk")):
        registry = vars(candidates[registry_id])
        if unagreed := consent.blocking_changes(agreed, registry, urls.get(credential_id, ())):
            unconfirmed[registry_id] += count
            changes.setdefault(registry_id, unagreed[0])
    events: dict[UUID | None, Event] = {}
    for event in events_about(unconfirmed):
        events.setdefault(event.subject_id, event)
    return {
        registry_id: Moved(unconfirmed=count, change=changes[registry_id], event=events.get(registry_id))
        for registry_id, count in unconfirmed.items()
    }


def urls_by_credential(aliases: Iterable[list[Alias]]) -> dict[UUID, set[str]]:
    """Return the Connection URLs of active aliases, by the credential that they authenticate with."""
    urls: defaultdict[UUID, set[str]] = defaultdict(set)
    for alias in chain.from_iterable(aliases):
        connection = alias.connection
        if alias.active and connection and connection.credential_id:
            urls[connection.credential_id].add(connection.connection_url)
    return urls


def added_to_set_up(ids: list[UUID]) -> dict[UUID, Event]:
    """Return the event of each row's creation, where it was recorded."""
    events = Event.objects.filter(kind=Kind.SET_UP_ADDED, subject_id__in=ids).select_related("who").order_by("-at")
    return {event.subject_id: event for event in events if event.subject_id}
