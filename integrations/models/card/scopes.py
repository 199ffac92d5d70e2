"""Scopes in words, for a page full of cards."""

from collections.abc import Iterable
from uuid import UUID

from integrations.models.registry import OAuthEntityScope


class ScopeBook:
    """The scopes of some registries in words, and which profile asks for which. One query."""

    def __init__(self, registry_ids: Iterable[UUID]) -> None:
        self.words: dict[tuple[UUID, str], str] = {}
        self.requested: dict[UUID, list[str]] = {}
        rows = OAuthEntityScope.objects.filter(registry__in=list(registry_ids)).order_by("scope")
        for registry_id, scope, name, profile_id in rows.values_list("registry_id", "scope", "name", "profiles"):
            self.words[registry_id, scope] = name
            if profile_id is not None:
                self.requested.setdefault(profile_id, []).append(scope)

    def labels(self, registry_id: UUID, scopes: Iterable[str]) -> list[str]:
        """In words where the administrator gave words, else as the wire has it."""
        return [self.words.get((registry_id, scope), scope) for scope in scopes]
