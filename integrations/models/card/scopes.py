"""Names of scopes for all cards of a page."""

from collections.abc import Iterable
from uuid import UUID

from integrations.models.registry import OAuthEntityScope
from integrations.models.template_texts import shown_scope_name


class ScopeBook:
    """Names of the scopes of some registries, and the scopes that each profile requests. One query."""

    def __init__(self, registry_ids: Iterable[UUID]) -> None:
        self.words: dict[tuple[UUID, str], str] = {}
        self.requested: dict[UUID, list[str]] = {}
        rows = OAuthEntityScope.objects.filter(registry__in=list(registry_ids)).order_by("scope")
        for registry_id, scope, name, profile_id in rows.values_list("registry_id", "scope", "name", "profiles"):
            self.words[registry_id, scope] = name
            if profile_id is not None:
                self.requested.setdefault(profile_id, []).append(scope)

    def knows(self, registry_id: UUID, scope: str) -> bool:
        return (registry_id, scope) in self.words

    def labels(self, registry_id: UUID, scopes: Iterable[str]) -> list[str]:
        """Return the scopes' names, or the scopes themselves if an administrator has not named them."""
        words = [(scope, self.words.get((registry_id, scope))) for scope in scopes]
        return [shown_scope_name(name) if name else scope for scope, name in words]
