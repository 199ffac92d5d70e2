"""One alias as one person sees it: the single table of states for the card, the API and the tests.

The section follows the seed's rule alone (a valid token or none); everything else is a badge on top. Writes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from integrations.models.registry import (
    Alias,
    AliasQuerySet,
    ApplicationRegistry,
    GrantType,
    OAuth2Credential,
    OAuthEntityScope,
)
from integrations.models.tokens import (
    AttemptStatus,
    AuthorizationAttempt,
    Revocation,
    RevocationState,
    Token,
    TokenState,
)

QUICK_ATTEMPTS = 5  # so many calls follow a revoke within a minute; afterwards the card says that it is not confirmed
REVOKING_AT_MOST = timedelta(seconds=60)


class State(StrEnum):
    NOT_CONNECTED = "not_connected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    EXPIRING = "expiring"
    NEEDS_REAUTH = "needs_reauth"
    REVOKING = "revoking"
    REVOKE_FAILED = "revoke_failed"
    PROVIDER_DOWN = "provider_down"
    DISABLED = "disabled"


# Each state's badge, tone and icon.
BADGES: dict[State, tuple[Any, str, str]] = {
    State.NOT_CONNECTED: (_("Not connected"), "idle", "open"),
    State.CONNECTING: (_("Connecting"), "info", "spin"),
    State.CONNECTED: (_("Connected"), "ok", "ok"),
    State.EXPIRING: (_("Expires soon"), "warn", "clock"),
    State.NEEDS_REAUTH: (_("Sign in again"), "bad", "key"),
    State.REVOKING: (_("Revoking"), "info", "spin"),
    State.REVOKE_FAILED: (_("Revoke not confirmed"), "bad", "alert"),
    State.PROVIDER_DOWN: (_("Provider down"), "warn", "cloudoff"),
    State.DISABLED: (_("Turned off"), "idle", "lock"),
}


def initiator_url(credential: OAuth2Credential) -> str:
    """Where this person starts to authenticate: the address of the seed, to the letter."""
    if credential.profile.grant_type == GrantType.PASSWORD:
        query = {
            "sysparm_oauth_requestor_context": "oauth_2_0_credential",
            "sysparm_oauth_requestor": credential.hex,
            "sysparm_oauth_provider_profile": credential.profile.hex,
            "sysparm_oauth_personal": "true",
        }
        return f"{reverse('integrations:password')}?{urlencode(query)}"
    query = {
        "oauth_requestor_context": "oauth_2_0_credentials",
        "oauth_requestor": credential.hex,
        "oauth_provider_profile": credential.profile.hex,
        "response_type": "code",
        "personal": "true",
    }
    return f"{reverse('integrations:initiator')}?{urlencode(query)}"


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


@dataclass(frozen=True, kw_only=True)
class Integration:
    alias: Alias
    credential: OAuth2Credential
    token: Token | None
    attempt: AuthorizationAttempt | None
    revocation: Revocation | None
    scopes: ScopeBook
    now: datetime

    @cached_property
    def state(self) -> State:
        """The first that holds, in the order of what a person must know first."""
        if not self.is_on:
            return State.DISABLED
        if self.attempt:
            return State.CONNECTING
        if self.revocation:
            return State.REVOKING if self.is_being_revoked else State.REVOKE_FAILED
        if self.token is None:
            return State.NOT_CONNECTED
        if not self.token.is_valid:
            return State.NEEDS_REAUTH
        return State.EXPIRING if self.token.expires_soon else State.CONNECTED

    @property
    def is_on(self) -> bool:
        return self.alias.active and self.credential.is_ready

    @property
    def is_being_revoked(self) -> bool:
        revocation = self.revocation
        if revocation is None or revocation.state != RevocationState.PENDING:
            return False
        return self.now - revocation.pursued_since < REVOKING_AT_MOST

    @property
    def section(self) -> str:
        return "my" if self.token and self.token.is_valid else "available"

    @property
    def is_token_valid(self) -> bool:
        return self.section == "my" and self.state != State.DISABLED

    @property
    def is_listed(self) -> bool:
        """What is turned off and holds nothing is not shown at all."""
        return self.state != State.DISABLED or self.token is not None

    @property
    def needs_the_person(self) -> bool:
        return self.state in {State.EXPIRING, State.NEEDS_REAUTH, State.REVOKE_FAILED}

    @property
    def is_moving(self) -> bool:
        """The card changes by itself; the dashboard asks again."""
        return self.state in {State.CONNECTING, State.REVOKING}

    # What the card says ---------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        return self.alias.title

    @property
    def badge(self) -> str:
        return str(BADGES[self.state][0])

    @property
    def tone(self) -> str:
        return BADGES[self.state][1]

    @property
    def icon(self) -> str:
        return BADGES[self.state][2]

    @property
    def registry(self) -> ApplicationRegistry:
        return self.credential.registry

    @property
    def host(self) -> str:
        return self.registry.host

    @property
    def grant_type(self) -> str:
        return self.credential.profile.grant_type

    @property
    def credential_hex(self) -> str:
        return self.credential.hex

    @property
    def has_token(self) -> bool:
        return self.token is not None

    @property
    def account(self) -> str:
        if self.token:
            return self.token.account_label
        return self.revocation.account_label if self.revocation else ""

    @property
    def scope_labels(self) -> list[str]:
        return self.scopes.labels(self.registry.pk, self.token.scopes) if self.token else []

    @property
    def requested_scope_labels(self) -> list[str]:
        requested = self.scopes.requested.get(self.credential.profile_id, [])
        return self.scopes.labels(self.registry.pk, requested)

    @property
    def missing_scope_labels(self) -> list[str]:
        return self.scopes.labels(self.registry.pk, self.token.missing_scopes()) if self.token else []

    @property
    def expires_at(self) -> datetime | None:
        return self.token.expires_at if self.token else None

    @property
    def renews_itself(self) -> bool:
        return bool(self.token and self.token.renews_itself)

    @property
    def token_type(self) -> str:
        return self.token.token_type if self.token else ""

    @property
    def last_used_at(self) -> datetime | None:
        return self.token.last_used_at if self.token else None

    @property
    def last_used_by(self) -> str:
        return self.token.last_used_by if self.token else ""

    @property
    def signed_in_at(self) -> datetime | None:
        return self.token.signed_in_at if self.token else None

    @property
    def refreshed_at(self) -> datetime | None:
        return self.token.refreshed_at if self.token else None

    @property
    def is_locked(self) -> bool:
        """The provider may well accept the sign-in, but its key is not set, so Keyrack cannot open it."""
        return bool(self.token and self.token.state == TokenState.VALID and self.token.is_locked)

    @property
    def stopped_at(self) -> datetime | None:
        """Since when nothing works any more; None while it does."""
        if self.token is None or self.is_locked or self.token.is_valid:
            return None
        return self.token.failed_at or self.token.expires_at

    @property
    def failure_code(self) -> str:
        if self.is_locked:
            return "unreadable"
        return self.token.failure_code if self.token else ""

    @property
    def was_refused(self) -> bool:
        """The provider said no; otherwise the time simply ran out."""
        return bool(self.token and self.token.state == TokenState.NEEDS_REAUTH)

    @property
    def initiator_url(self) -> str:
        return initiator_url(self.credential)

    continue_url = initiator_url

    @property
    def logo_url(self) -> str:
        return reverse("integrations:logo", args=[self.registry.hex]) if self.registry.logo_type else ""

    @property
    def settings_url(self) -> str:
        return self.registry.account_settings_url

    @property
    def can_revoke_remotely(self) -> bool:
        return bool(self.registry.token_revocation_url)

    @property
    def max_attempts(self) -> int:
        return QUICK_ATTEMPTS


def integrations_of(user: User) -> list[Integration]:
    """What this person's dashboard shows, by title."""
    return [row for row in assemble(user, Alias.objects.personal().available_to(user)) if row.is_listed]


def integration_of(user: User, alias_id: UUID) -> Integration | None:
    """One integration of this person; None when it is not theirs to see."""
    rows = assemble(user, Alias.objects.filter(pk=alias_id).personal().available_to(user))
    return next((row for row in rows if row.is_listed), None)


def under_way(attempt: AuthorizationAttempt | None) -> AuthorizationAttempt | None:
    """The sign-in begun last, while it is open. What was begun before it and never finished says nothing any more."""
    return attempt if attempt and attempt.status in {AttemptStatus.PENDING, AttemptStatus.CLAIMED} else None


def assemble(user: User, aliases: AliasQuerySet) -> list[Integration]:
    """These personal aliases with what this person has for them; five queries for any number."""
    rows = [(alias, credential) for alias in aliases if (credential := alias.effective_credential)]
    scopes = ScopeBook({credential.profile.registry_id for _alias, credential in rows})
    tokens = {token.credential_id: token for token in Token.objects.filter(user=user)}
    attempts = AuthorizationAttempt.objects.filter(user=user, expires_at__gt=timezone.now()).order_by("created_at")
    latest_attempt = {attempt.credential_id: attempt for attempt in attempts}
    revocations = Revocation.objects.visible().filter(user=user).order_by("created_at")
    latest_revocation = {revocation.credential_id: revocation for revocation in revocations}
    now = timezone.now()
    found = [
        Integration(
            alias=alias,
            credential=credential,
            token=tokens.get(credential.pk),
            attempt=under_way(latest_attempt.get(credential.pk)),
            revocation=latest_revocation.get(credential.pk),
            scopes=scopes,
            now=now,
        )
        for alias, credential in rows
    ]
    return sorted(found, key=lambda row: (row.title.casefold(), row.alias.name))
