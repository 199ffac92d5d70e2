"""What a user owns: tokens, sign-ins under way, and promises to revoke."""

from integrations.models.tokens import consent
from integrations.models.tokens.attempts import (
    AttemptQuerySet,
    AttemptStatus,
    AuthorizationAttempt,
    attempt_expiry,
    state_digest,
)
from integrations.models.tokens.expiry import RefreshExpiry
from integrations.models.tokens.renewals import NOT_RENEWED, Renewal, RenewalOutcome
from integrations.models.tokens.revocations import UNKEPT, UNSETTLED, Revocation, RevocationQuerySet, RevocationState
from integrations.models.tokens.token import (
    INTERRUPTED,
    Token,
    TokenQuerySet,
    TokenState,
    place_of,
    promise,
)

__all__ = [
    "INTERRUPTED",
    "NOT_RENEWED",
    "UNKEPT",
    "UNSETTLED",
    "AttemptQuerySet",
    "AttemptStatus",
    "AuthorizationAttempt",
    "RefreshExpiry",
    "Renewal",
    "RenewalOutcome",
    "Revocation",
    "RevocationQuerySet",
    "RevocationState",
    "Token",
    "TokenQuerySet",
    "TokenState",
    "attempt_expiry",
    "consent",
    "place_of",
    "promise",
    "state_digest",
]
