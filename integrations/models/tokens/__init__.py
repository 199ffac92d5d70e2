"""Models of tokens, sign-ins under way, renewals and revocations.

token        tokens                   token_record        columns of a token, and its lifetime
revocations  revocations              revocation_record   columns of a revocation
attempts     sign-ins under way       renewals            the refresh journal
consent      agreed addresses         expiry              end of a refresh token
"""

from integrations.models.tokens import consent
from integrations.models.tokens.attempts import (
    AttemptQuerySet,
    AttemptStatus,
    AuthorizationAttempt,
    PendingChoice,
    attempt_expiry,
    state_digest,
)
from integrations.models.tokens.expiry import RefreshExpiry, refresh_token_is_over
from integrations.models.tokens.renewals import NOT_RENEWED, Renewal, RenewalOutcome
from integrations.models.tokens.revocation_record import UNDELIVERED, UNSETTLED, RevocationState
from integrations.models.tokens.revocations import Revocation, RevocationQuerySet
from integrations.models.tokens.token import (
    INTERRUPTED,
    Token,
    TokenQuerySet,
    create_revocation,
    sealing_context_of,
)
from integrations.models.tokens.token_record import TokenState

__all__ = [
    "INTERRUPTED",
    "NOT_RENEWED",
    "UNDELIVERED",
    "UNSETTLED",
    "AttemptQuerySet",
    "AttemptStatus",
    "AuthorizationAttempt",
    "PendingChoice",
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
    "create_revocation",
    "refresh_token_is_over",
    "sealing_context_of",
    "state_digest",
]
