"""One alias as one person sees it. Read-only; makes no queries. What a card asks for several times is computed once."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

from django.urls import reverse

from foundation.name_lists import isolate_name
from integrations.models.addresses import home_url, initiator_url
from integrations.models.card.moved_addresses import Move, moves_of
from integrations.models.card.parts import MAIN_WEIGHTS, SIGN_IN_MAY_FAIL, Action, Case, Note
from integrations.models.card.scopes import ScopeDetails
from integrations.models.card.states import (
    QUICK_ATTEMPTS,
    REVOCATION_ACCEPTED,
    REVOKED,
    REVOKING_AT_MOST,
    STATES,
    State,
    StateRow,
)
from integrations.models.events import Event
from integrations.models.registry import Alias
from integrations.models.template_texts import shown_description
from integrations.models.tokens import AuthorizationAttempt, Revocation, RevocationState
from integrations.models.tokens.consent import Change, hash_headers, unagreed_changes


@dataclass(frozen=True, kw_only=True)
class Integration(ScopeDetails):
    alias: Alias
    attempt: AuthorizationAttempt | None  # under way
    ended: AuthorizationAttempt | None = None  # the latest, if it ended a moment ago
    revocation: Revocation | None
    settled: Revocation | None  # settled a moment ago
    now: datetime
    is_on: bool  # the alias and its credential and registry are turned on
    address_events: tuple[Event, ...] = ()  # about changed addresses

    @cached_property
    def state(self) -> State:
        """The first state that applies, in the order of importance to the person."""
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

    @cached_property
    def is_down(self) -> bool:
        """Whether a server that this integration calls is down. Other servers of its registry don't count."""
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
    def can_retry_revocation(self) -> bool:
        return bool(self.revocation and self.revocation.is_retryable)

    @property
    def has_given_up(self) -> bool:
        return bool(self.revocation and self.revocation.state == RevocationState.ABANDONED)

    @property
    def attempts(self) -> int:
        """Attempts at the revocation so far."""
        return self.revocation.attempts if self.revocation else 0

    @property
    def last_answer(self) -> str:
        return self.revocation.last_answer if self.revocation else ""

    @property
    def section(self) -> str:
        return "my" if self.token and self.token.is_valid else "available"

    @property
    def is_token_valid(self) -> bool:
        return self.section == "my" and not self.row.is_off and not self.address_changes

    @property
    def is_listed(self) -> bool:
        """Whether it is on the dashboard: turned on, or with a token."""
        return not self.row.is_off or self.token is not None

    @property
    def needs_the_person(self) -> bool:
        return bool(self.row.attention)

    @property
    def is_moving(self) -> bool:
        """Whether the card will change by itself, so that the dashboard polls."""
        return self.row.is_moving

    # Addresses that were changed ------------------------------------------------------------------------------

    @property
    def connection_url(self) -> str:
        connection = self.alias.connection
        return connection.connection_url if connection else ""

    @cached_property
    def address_changes(self) -> list[Change]:
        """Addresses that the person has not agreed to. The token is blocked while there are any."""
        if self.token is None:
            return []
        return unagreed_changes(self.token.agreed, vars(self.registry), self.connection_url)

    @property
    def address_fingerprint(self) -> str:
        """Hash of the addresses that the person is shown, so that they agree to exactly these."""
        new_addresses = [(change.name, change.new) for change in self.address_changes]
        return sha256(repr([new_addresses, hash_headers(self.registry.call_headers)]).encode()).hexdigest()

    @property
    def address_moves(self) -> list[Move]:
        return moves_of(self.address_changes, self.address_events)

    @property
    def moved_by(self) -> str:
        """Name of the person who changed the address, or ""."""
        return self.address_moves[0].who

    # Texts of the card ---------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        return self.alias.title

    @cached_property
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
        """Sentence for the live region when the card enters its state."""
        return str(self.row.spoken) % {"name": self.title}

    @property
    def spoken_when_back(self) -> str:
        """Sentence for the live region when the person comes back before the provider has answered."""
        return str(self.row.spoken_when_back) % {"name": self.title}

    @property
    def spoken_when_revoked(self) -> str:
        """Sentence for the live region when a revoke has finished."""
        return str(REVOKED.get(self.settled.state if self.settled else "", REVOCATION_ACCEPTED)) % {"name": self.title}

    @cached_property
    def notes(self) -> list[Note]:
        """What the state means and what the person can do, and a warning if a new sign-in may fail."""
        return [
            *([self.row.note] if self.row.note else []),
            *([SIGN_IN_MAY_FAIL] if self.sign_in_may_fail else []),
        ]

    @cached_property
    def actions(self) -> list[Action]:
        return [action for action in self.row.actions if self.applies(action)]

    @property
    def main_action(self) -> Action | None:
        """The action that a compact row shows. None where all is well."""
        weighty = [action for action in self.actions if action.weight in MAIN_WEIGHTS]
        plain = [action for action in self.actions if not action.weight and self.tone != "ok"]
        return next(iter([*weighty, *plain]), None)

    @property
    def other_actions(self) -> list[Action]:
        """The actions in the menu of a compact row."""
        aside = [self.row.aside] if self.row.aside else []
        return [action for action in [*aside, *self.actions] if action != self.main_action]

    def applies(self, row: Case | Action) -> bool:
        return all(getattr(self, name) for name in row.when)

    def texts_of(self, note: Note) -> list[Any]:
        """Return the sentences of a note that apply: of each choice the first."""
        choices = (each if isinstance(each, tuple) else (Case(text=each),) for each in note.sentences)
        cases = (next(filter(self.applies, choice), None) for choice in choices)
        return [case.text for case in cases if case]

    @property
    def host(self) -> str:
        return self.registry.host

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the provider runs on this machine, as in the demo, so that its host says nothing."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def provider(self) -> str:
        """How people recognize the provider: by its host, or by the card's title if the host says nothing."""
        return isolate_name(self.title) if self.is_on_this_machine or not self.host else self.host

    @property
    def credential_hex(self) -> str:
        return self.credential.hex

    @cached_property
    def account(self) -> str:
        if self.token:
            return self.token.account_label
        return self.revocation.account_label if self.revocation else ""

    @cached_property
    def description(self) -> str:
        return shown_description(self.alias.description)

    @property
    def sign_in_may_fail(self) -> bool:
        """Whether the provider refused our registration at the last sign-in of any person."""
        return self.row.asks_to_sign_in and self.registry.cannot_sign_in

    @property
    def renewal_is_stuck(self) -> bool:
        """Whether renewal waits for something that the person cannot change."""
        return self.row.renewal_is_stuck

    @cached_property
    def initiator_url(self) -> str:
        return initiator_url(self.credential)

    @property
    def continue_url(self) -> str:
        return self.initiator_url

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
    def has_settings_page(self) -> bool:
        return self.settings_url.strip().lower().startswith(("https://", "http://"))

    @property
    def off_since(self) -> datetime | None:
        return self.alias.deactivated_at

    @property
    def off_reason(self) -> str:
        return self.alias.inactive_reason

    @property
    def can_revoke_remotely(self) -> bool:
        return bool(self.registry.token_revocation_url)

    @property
    def max_attempts(self) -> int:
        return QUICK_ATTEMPTS
