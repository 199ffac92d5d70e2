"""Details of the token behind an integration, as a card shows them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from foundation import installation
from integrations.models.tokens import ANSWER_LOST, COPIED, INTERRUPTED, RESTORED, RefreshExpiry, Token, TokenState

SHORTEST_CONSENT = timedelta(days=1)
EXTENDED = (RefreshExpiry.EXTENDED, RefreshExpiry.ROLLING)


@dataclass(frozen=True, kw_only=True)
class TokenDetails:
    """Base of `Integration`: what a card shows of its token, if there is one. Writes nothing."""

    token: Token | None

    @property
    def has_token(self) -> bool:
        return self.token is not None

    @property
    def expires_at(self) -> datetime | None:
        return self.token.expires_at if self.token else None

    @property
    def known_end(self) -> datetime | None:
        """When both tokens will have expired at the provider, if known."""
        return self.token.known_end if self.token else None

    @property
    def works_until(self) -> datetime | None:
        """The end of an access token that still works; None if there is none or its end is unknown."""
        return self.token.expires_at if self.token and self.token.usable_for() else None

    @property
    def renews_itself(self) -> bool:
        return bool(self.token and self.token.renews_itself)

    @property
    def not_renewed_since(self) -> datetime | None:
        return self.token.not_renewed_since if self.token else None

    @property
    def sign_in_again_by(self) -> datetime | None:
        """When the person has to sign in again at the latest, if known."""
        return self.token.sign_in_again_by if self.token else None

    @property
    def consent_ends_at(self) -> datetime | None:
        """When the person will have to sign in again by the provider's figures, for calendars and cards.

        None if that is unknown, if each renewal moves it, or if it comes within a day of the sign-in.
        """
        token, ends_at = self.token, self.sign_in_again_by
        if token is None or ends_at is None or token.state != TokenState.VALID or self.renewal_is_extended:
            return None
        return ends_at if ends_at - token.granted_at >= SHORTEST_CONSENT else None

    @property
    def renewal_is_extended(self) -> bool:
        """Whether each renewal moves that date, so that the person doesn't have to come back on it."""
        return bool(self.token and self.token.refresh_expiry in EXTENDED)

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
        """Whether the token is valid but its key is missing, so that Keyrack can't open it."""
        return bool(self.token and self.token.state == TokenState.VALID and self.token.is_locked)

    @property
    def stopped_at(self) -> datetime | None:
        """Since when the token no longer works; None while it does."""
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
        """Whether the provider refused the token. Otherwise it simply expired."""
        return bool(self.token and self.token.state == TokenState.NEEDS_REAUTH)

    @property
    def must_confirm(self) -> bool:
        """Whether the third party demands something of the person that a renewal does not bring."""
        return self.failure_code == "person_must_act"

    @property
    def lacking_scopes(self) -> list[str]:
        token = self.token
        return [scope for scope in token.lacking_scopes if scope not in token.scopes] if token else []

    @property
    def is_demanded_again(self) -> bool:
        """Whether a third party has refused a call until the person signs in again. The token works otherwise."""
        return bool(self.token and self.token.state == TokenState.VALID and self.token.claims_challenge)

    @property
    def was_interrupted(self) -> bool:
        """Whether a process of Keyrack died during the renewal, which is our fault."""
        return self.failure_code == INTERRUPTED

    @property
    def was_answer_lost(self) -> bool:
        """Whether a renewal without an answer may have used up the refresh token that the provider refuses now."""
        return self.failure_code == ANSWER_LOST

    @property
    def was_restored(self) -> bool:
        """Whether the provider refuses a token that a restore brought back, because it was renewed since."""
        return self.failure_code == RESTORED

    @property
    def restored_from(self) -> datetime | None:
        """The moment of that backup."""
        return installation.current_state().restored_from

    @property
    def was_copied(self) -> bool:
        """Whether this site is a copy, and the sign-in belongs to the original."""
        return self.failure_code == COPIED

    @property
    def is_for_other_account(self) -> bool:
        """Whether a renewal was answered with tokens of another account."""
        return self.failure_code == "other_account"
