"""Models of tokens, sign-ins under way, renewals and revocations.

token        tokens                   token_record        columns of a token, and its lifetime
revocations  revocations              revocation_record   columns of a revocation
attempts     sign-ins under way       renewals            the refresh journal
connect_links  links for helpers         reminders           mails that administrators ask for
consent      agreed addresses         expiry              end of a refresh token
deadlines    when it is renewed ahead
"""

from integrations.models.tokens import consent, deadlines
from integrations.models.tokens.attempts import (
    AttemptQuerySet,
    AttemptStatus,
    AuthorizationAttempt,
    PendingChoice,
    attempt_expiry,
    session_digest,
    state_digest,
)
from integrations.models.tokens.connect_links import ConnectLink, secret_digest
from integrations.models.tokens.expiry import RefreshExpiry, has_ended, refresh_token_is_over
from integrations.models.tokens.reminders import Reminder
from integrations.models.tokens.renewals import NOT_RENEWED, Renewal, RenewalOutcome, RenewalQuerySet
from integrations.models.tokens.revocation_record import UNDELIVERED, UNSETTLED, RevocationState
from integrations.models.tokens.revocations import Revocation, RevocationQuerySet, create_revocation
from integrations.models.tokens.token import (
    ANSWER_LOST,
    COPIED,
    INTERRUPTED,
    RESTORED,
    Token,
    TokenQuerySet,
    sealing_context_of,
)
from integrations.models.tokens.token_record import TokenState

__all__ = [
    "ANSWER_LOST",
    "COPIED",
    "INTERRUPTED",
    "NOT_RENEWED",
    "RESTORED",
    "UNDELIVERED",
    "UNSETTLED",
    "AttemptQuerySet",
    "AttemptStatus",
    "AuthorizationAttempt",
    "ConnectLink",
    "PendingChoice",
    "RefreshExpiry",
    "Reminder",
    "Renewal",
    "RenewalOutcome",
    "RenewalQuerySet",
    "Revocation",
    "RevocationQuerySet",
    "RevocationState",
    "Token",
    "TokenQuerySet",
    "TokenState",
    "attempt_expiry",
    "consent",
    "create_revocation",
    "deadlines",
    "has_ended",
    "refresh_token_is_over",
    "sealing_context_of",
    "secret_digest",
    "session_digest",
    "state_digest",
]
