"""One alias as one person sees it. Writes nothing, asks for nothing that it was not given."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256

from django.urls import reverse

from integrations.models.card.bidi import isolated
from integrations.models.card.moved_addresses import Move, moves_of
from integrations.models.card.scopes import ScopeBook
from integrations.models.card.states import QUICK_ATTEMPTS, REVOKING_AT_MOST, STATES, State, StateRow
from integrations.models.events import Event
from integrations.models.registry import Alias, ApplicationRegistry, OAuth2Credential
from integrations.models.sign_in_urls import home_url, initiator_url
from integrations.models.tokens import (
    INTERRUPTED,
    AuthorizationAttempt,
    RefreshExpiry,
    Revocation,
    RevocationState,
    Token,
    TokenState,
)
from integrations.models.tokens.consent import Change, changes, digest


@dataclass(frozen=True, kw_only=True)
class Integration:
    alias: Alias
    credential: OAuth2Credential
    token: Token | None
    attempt: AuthorizationAttempt | None  # under way
    ended: AuthorizationAttempt | None = None  # the latest, where it has ended a moment ago
    revocation: Revocation | None
    settled: Revocation | None  # a moment ago
    scopes: ScopeBook
    now: datetime
    is_on: bool  # neither the alias nor what it authenticates with is turned off
    address_events: tuple[Event, ...] = ()  # of changed addresses, for the words about them

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
        if self.address_changes:
            return State.ADDRESS_CHANGED
        if self.is_down:
            return State.PROVIDER_DOWN
        if self.token.renews_itself and self.registry.cannot_renew:
            return State.MISCONFIGURED
        if self.token.renewal_fails:
            return State.NOT_RENEWED
        return State.EXPIRING if self.token.expires_soon else State.CONNECTED

    @property
    def is_down(self) -> bool:
        """What this integration calls does not answer; another address of the same registry is not its concern."""
        connection = self.alias.connection
        called = [self.registry.token_url, *([connection.connection_url] if connection else [])]
        return any(self.registry.is_down_at(url) for url in called)

    @property
    def down_since(self) -> datetime | None:
        return self.registry.down_since if self.is_down else None

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
        return self.section == "my" and self.state != State.DISABLED and not self.address_changes

    @property
    def is_listed(self) -> bool:
        """What is turned off and holds nothing is not shown at all."""
        return self.state != State.DISABLED or self.token is not None

    @property
    def needs_the_person(self) -> bool:
        return self.row.needs_person

    @property
    def is_moving(self) -> bool:
        """The card changes by itself; the dashboard asks again."""
        return self.row.is_moving

    # Addresses that were changed ------------------------------------------------------------------------------

    @property
    def connection_url(self) -> str:
        connection = self.alias.connection
        return connection.connection_url if connection else ""

    @cached_property
    def address_changes(self) -> list[Change]:
        """Addresses to which the person has not agreed. The token is held while there are any."""
        if self.token is None:
            return []
        return changes(self.token.agreed, vars(self.registry), self.connection_url)

    @property
    def address_fingerprint(self) -> str:
        """What the person sees when they agree. Another one afterwards is not agreed to."""
        seen = [(change.name, change.new) for change in self.address_changes]
        return sha256(repr([seen, digest(self.registry.call_headers)]).encode()).hexdigest()

    @property
    def address_moves(self) -> list[Move]:
        return moves_of(self.address_changes, self.address_events)

    # What the card says ---------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        return self.alias.title

    @property
    def row(self) -> StateRow:
        return STATES[self.state]

    @property
    def badge(self) -> str:
        return str(self.row.badge)

    @property
    def tone(self) -> str:
        return self.row.tone

    @property
    def icon(self) -> str:
        return self.row.icon

    @property
    def spoken(self) -> str:
        """For the live region, when the card has come into its present state."""
        return str(self.row.spoken) % {"name": self.title}

    @property
    def registry(self) -> ApplicationRegistry:
        return self.credential.registry

    @property
    def host(self) -> str:
        return self.registry.host

    @property
    def is_on_this_machine(self) -> bool:
        """The provider's host says nothing about the provider, as in the demo."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def provider(self) -> str:
        """What people tell the provider by: its host, or the card's name where the host says nothing."""
        return isolated(self.title) if self.is_on_this_machine or not self.host else self.host

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
    def known_end(self) -> datetime | None:
        """When nothing of the sign-in works at the provider any more, where that is known."""
        return self.token.known_end if self.token else None

    @property
    def works_until(self) -> datetime | None:
        """The end of an access token that still lives; None where it has none, or lives no longer."""
        return self.token.expires_at if self.token and self.token.usable_for() else None

    @property
    def sign_in_may_fail(self) -> bool:
        """The provider refused our registration when somebody signed in last."""
        asks = {State.NOT_CONNECTED, State.NEEDS_REAUTH, State.EXPIRING}
        return self.state in asks and self.registry.cannot_sign_in

    @property
    def renews_itself(self) -> bool:
        return bool(self.token and self.token.renews_itself)

    @property
    def renewal_is_stuck(self) -> bool:
        """It renews by itself again when something has changed that the person cannot change."""
        return self.state in {State.MISCONFIGURED, State.NOT_RENEWED}

    @property
    def not_renewed_since(self) -> datetime | None:
        return self.token.not_renewed_since if self.token else None

    @property
    def sign_in_again_by(self) -> datetime | None:
        """When the person has to sign in again at the latest, where that is known."""
        return self.token.sign_in_again_by if self.token else None

    @property
    def renewal_is_extended(self) -> bool:
        """Each renewal moves that moment: no date on which the person has to come back."""
        return bool(self.token and self.token.refresh_expiry == RefreshExpiry.EXTENDED)

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
    def was_interrupted(self) -> bool:
        """Keyrack died while it renewed: the fault is ours."""
        return self.failure_code == INTERRUPTED

    @property
    def initiator_url(self) -> str:
        return initiator_url(self.credential)

    continue_url = initiator_url

    @property
    def is_shared(self) -> bool:
        return not self.credential.is_personal

    @property
    def home_url(self) -> str:
        return home_url(self.credential)

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
