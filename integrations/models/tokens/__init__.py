"""What a user owns: tokens, sign-ins under way, and promises to revoke."""

from integrations.models.tokens.attempts import AttemptStatus, AuthorizationAttempt, attempt_expiry, state_digest
from integrations.models.tokens.revocations import UNSETTLED, Revocation, RevocationState
from integrations.models.tokens.token import Token, TokenQuerySet, TokenState, promise

__all__ = [
    "UNSETTLED",
    "AttemptStatus",
    "AuthorizationAttempt",
    "Revocation",
    "RevocationState",
    "Token",
    "TokenQuerySet",
    "TokenState",
    "attempt_expiry",
    "promise",
    "state_digest",
]
