"""Scopes on cards: their names, which were granted, and which a person can still grant."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from integrations.models.addresses import initiator_url
from integrations.models.card.token_details import TokenDetails
from integrations.models.registry import ApplicationRegistry, GrantType, OAuth2Credential, OAuthEntityScope
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


@dataclass(frozen=True, kw_only=True)
class ScopeDetails(TokenDetails):
    """Base of `Integration`: its credential, and the scopes of its token and of the next sign-in. Writes nothing."""

    credential: OAuth2Credential
    scopes: ScopeBook

    @property
    def registry(self) -> ApplicationRegistry:
        return self.credential.registry

    @property
    def grant_type(self) -> str:
        return self.credential.profile.grant_type

    @property
    def is_shared(self) -> bool:
        return not self.credential.is_personal

    @cached_property
    def scope_labels(self) -> list[str]:
        return self.scopes.labels(self.registry.pk, self.token.scopes) if self.token else []

    @cached_property
    def requested_scope_labels(self) -> list[str]:
        requested = self.scopes.requested.get(self.credential.profile_id, [])
        return self.scopes.labels(self.registry.pk, requested)

    def further_scope_labels(self, scopes: Iterable[str]) -> list[str]:
        """Those of the scopes that a sign-in may request beside the profile's."""
        requested = self.scopes.requested.get(self.credential.profile_id, [])
        further = {scope for scope in scopes if self.scopes.knows(self.registry.pk, scope)} - {*requested}
        return self.scopes.labels(self.registry.pk, sorted(further))

    @cached_property
    def missing_scope_labels(self) -> list[str]:
        return self.scopes.labels(self.registry.pk, self.token.missing_scopes(self.registry)) if self.token else []

    @cached_property
    def lacking_scope_labels(self) -> list[str]:
        """Scopes without which the third party refused calls, and which were not granted since."""
        return self.scopes.labels(self.registry.pk, self.lacking_scopes)

    @property
    def grantable_scopes(self) -> list[str]:
        """Those of the lacking scopes that an administrator has put on the registry."""
        return [scope for scope in self.lacking_scopes if self.scopes.knows(self.registry.pk, scope)]

    @property
    def more_access_url(self) -> str:
        """Where the person can grant lacking scopes; "" if they cannot."""
        can_ask = self.grant_type == GrantType.AUTHORIZATION_CODE and not self.is_shared
        return initiator_url(self.credential, scopes=self.grantable_scopes) if can_ask and self.grantable_scopes else ""
