"""Error codes by whose fault they are: RFC 6749 §5.2, OpenID Connect, and those of large providers."""

import re

# The server rejected this user's grant or this token.
REFUSED = frozenset(
    {
        "invalid_grant",
        "access_denied",
        "expired_token",
        "bad_refresh_token",
        "invalid_refresh_token",
        "bad_verification_code",
        "invalid_code",
        "code_already_used",
        "token_expired",
        "token_revoked",
        "invalid_token",
        "interaction_required",
        "login_required",
        "consent_required",
        "unsupported_token_type",
    }
)
# Of these, codes that say plainly that the refresh token is dead.
DEAD_REFRESH_TOKEN = frozenset(
    {
        "invalid_grant",
        "expired_token",
        "bad_refresh_token",
        "invalid_refresh_token",
        "token_expired",
        "token_revoked",
        "invalid_token",
    }
)
# In response to a refresh, these do not tell whether the person's grant or our registration is meant.
UNEXPLAINED_AT_REFRESH = frozenset({"access_denied", "invalid_request"})
# The server rejected our client credentials.
CLIENT_REFUSED = frozenset({"invalid_client", "incorrect_client_credentials", "bad_client_secret", "invalid_client_id"})
# Something in our registration is wrong, for all users.
# Gitea calls a dead refresh token unauthorized_client. It stays here: as a refusal, one mistyped client id would
# disconnect everybody, while Gitea's users merely wait until an administrator looks.
MISCONFIGURED = frozenset(
    {
        "invalid_client",
        "unauthorized_client",
        "invalid_scope",
        "unsupported_grant_type",
        "unsupported_response_type",
        "invalid_request",
        "invalid_redirect_uri",
        "redirect_uri_mismatch",
        "bad_redirect_uri",
        "incorrect_client_credentials",
        "bad_client_secret",
        "invalid_client_id",
        "invalid_target",
        "invalid_resource",
        "insufficient_scope",
        "application_suspended",  # GitHub
        "unauthorized_scope_error",  # LinkedIn
    }
)
# Of those, codes about an authorization request alone. A refresh sends neither scope nor redirect URL.
ABOUT_SIGN_IN = frozenset(
    {
        "invalid_scope",
        "unauthorized_scope_error",
        "unsupported_response_type",
        "invalid_request",
        "invalid_redirect_uri",
        "redirect_uri_mismatch",
        "bad_redirect_uri",
    }
)
# The provider still waits for the person. Keycloak sends these if the person pressed Cancel.
UNANSWERED = frozenset({"consent_required", "interaction_required", "login_required", "account_selection_required"})
_NO = frozenset({"denied", "declined", "cancelled", "canceled", "cancel", "refused", "rejected"})
_NOT_THE_PERSON = frozenset({"client", "app", "application", "scope", "tenant", "admin"})
# Try again later.
TRANSIENT = frozenset(
    {
        "temporarily_unavailable",
        "server_error",
        "slow_down",
        "internal_error",
        "service_unavailable",
        "ratelimited",
        "rate_limited",
        "too_many_requests",
    }
)
# Codes that count wherever in an error body they stand.
KNOWN = REFUSED | CLIENT_REFUSED | TRANSIENT | {"unauthorized_client", "invalid_scope", "unsupported_grant_type"}


def is_denial(code: str) -> bool:
    """Whether the person declined: `access_denied`, `user_cancelled_login` (LinkedIn), `UserDenied` and the like."""
    snake_case = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", code)
    words = set(re.split(r"[^a-z]+", snake_case.lower()))
    return bool(words & _NO) and not words & _NOT_THE_PERSON
