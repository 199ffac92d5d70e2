"""Error codes of servers, a row each: RFC 6749 §5.2, OpenID Connect, and those of large providers."""

import re
from collections.abc import Container
from dataclasses import dataclass

from foundation.oauth_client.errors import Fault


@dataclass(frozen=True, kw_only=True)
class ErrorCode:
    fault: Fault | None = None
    ends_refresh_token: bool = False  # says plainly that the refresh token is dead
    # Said of any token: a gateway may mean the header Authorization of our request, which holds our own credentials.
    names_no_grant: bool = False
    # In response to a refresh, it doesn't tell whether the person's grant or our registration is meant.
    is_unexplained_at_refresh: bool = False
    is_about_client: bool = False  # the server rejected our client credentials
    # About an authorization request alone: a refresh sends neither scope nor redirect URL.
    is_about_sign_in: bool = False
    is_about_redirect: bool = False  # the server does not know our redirect URL
    awaits_person: bool = False  # the provider still waits for the person; Keycloak's code after *Cancel*


CODES: dict[str, ErrorCode] = {
    # The server rejected this user's grant or this token.
    "invalid_grant": ErrorCode(fault=Fault.PERSON, ends_refresh_token=True),
    "access_denied": ErrorCode(fault=Fault.PERSON, is_unexplained_at_refresh=True),
    "expired_token": ErrorCode(fault=Fault.PERSON, ends_refresh_token=True, names_no_grant=True),
    "bad_refresh_token": ErrorCode(fault=Fault.PERSON, ends_refresh_token=True),
    "invalid_refresh_token": ErrorCode(fault=Fault.PERSON, ends_refresh_token=True),
    "bad_verification_code": ErrorCode(fault=Fault.PERSON),
    "invalid_code": ErrorCode(fault=Fault.PERSON),
    "code_already_used": ErrorCode(fault=Fault.PERSON),
    "bad_authorization_code": ErrorCode(fault=Fault.PERSON),  # Todoist
    "unverified_user_email": ErrorCode(fault=Fault.PERSON, awaits_person=True),  # GitHub
    "token_expired": ErrorCode(fault=Fault.PERSON, ends_refresh_token=True, names_no_grant=True),
    "token_revoked": ErrorCode(fault=Fault.PERSON, ends_refresh_token=True),
    "invalid_token": ErrorCode(fault=Fault.PERSON, ends_refresh_token=True, names_no_grant=True),
    "token_not_valid": ErrorCode(fault=Fault.PERSON, ends_refresh_token=True, names_no_grant=True),  # Simple JWT
    "token_inactive": ErrorCode(fault=Fault.PERSON, ends_refresh_token=True, names_no_grant=True),  # Ory
    **dict.fromkeys(  # of the sign-in behind the grant (Supabase)
        ("session_expired", "session_not_found"),
        ErrorCode(fault=Fault.PERSON, ends_refresh_token=True, names_no_grant=True),
    ),
    **dict.fromkeys(
        (
            *("refresh_token_expired", "refresh_token_invalid", "refresh_token_revoked", "refresh_token_not_found"),
            *(
                "refresh_token_not_valid",
                "refresh_token_already_used",
                "refresh_token_reused",
                "refresh_token_inactive",
            ),
            *("expired_refresh_token", "revoked_refresh_token", "unknown_refresh_token", "illegal_refresh_token"),
        ),
        ErrorCode(fault=Fault.PERSON, ends_refresh_token=True),
    ),
    "interaction_required": ErrorCode(fault=Fault.PERSON, awaits_person=True),
    "login_required": ErrorCode(fault=Fault.PERSON, awaits_person=True),
    "consent_required": ErrorCode(fault=Fault.PERSON, awaits_person=True),
    "unmet_authentication_requirements": ErrorCode(fault=Fault.PERSON, awaits_person=True),
    "unsupported_token_type": ErrorCode(fault=Fault.PERSON),
    # Something in our registration is wrong, for all users.
    # Gitea calls a dead refresh token unauthorized_client. It stays here: as a refusal, one mistyped client id would
    # disconnect everybody, while Gitea's users merely wait until an administrator looks.
    "invalid_request": ErrorCode(fault=Fault.SET_UP, is_unexplained_at_refresh=True, is_about_sign_in=True),
    "invalid_client": ErrorCode(fault=Fault.SET_UP, is_about_client=True),
    "incorrect_client_credentials": ErrorCode(fault=Fault.SET_UP, is_about_client=True),
    "bad_client_secret": ErrorCode(fault=Fault.SET_UP, is_about_client=True),
    "invalid_client_id": ErrorCode(fault=Fault.SET_UP, is_about_client=True),
    **dict.fromkeys(
        (
            *("invalid_client_secret", "invalid_client_credentials", "incorrect_application_credentials"),
            *("deleted_client", "disabled_client"),  # Google
        ),
        ErrorCode(fault=Fault.SET_UP, is_about_client=True),
    ),
    "unauthorized_client": ErrorCode(fault=Fault.SET_UP),
    "invalid_scope": ErrorCode(fault=Fault.SET_UP, is_about_sign_in=True),
    "unsupported_grant_type": ErrorCode(fault=Fault.SET_UP),
    "unsupported_response_type": ErrorCode(fault=Fault.SET_UP, is_about_sign_in=True),
    "invalid_redirect_uri": ErrorCode(fault=Fault.SET_UP, is_about_sign_in=True, is_about_redirect=True),
    "redirect_uri_mismatch": ErrorCode(fault=Fault.SET_UP, is_about_sign_in=True, is_about_redirect=True),
    "bad_redirect_uri": ErrorCode(fault=Fault.SET_UP, is_about_sign_in=True, is_about_redirect=True),
    "invalid_target": ErrorCode(fault=Fault.SET_UP),
    "invalid_resource": ErrorCode(fault=Fault.SET_UP),
    "insufficient_scope": ErrorCode(fault=Fault.SET_UP),
    "application_suspended": ErrorCode(fault=Fault.SET_UP),  # GitHub
    **dict.fromkeys(  # parameters that an administrator added (OpenID Connect Core §3.1.2.6)
        (
            *("request_not_supported", "request_uri_not_supported", "registration_not_supported"),
            *("invalid_request_uri", "invalid_request_object"),
        ),
        ErrorCode(fault=Fault.SET_UP, is_about_sign_in=True),
    ),
    "unauthorized_scope_error": ErrorCode(fault=Fault.SET_UP, is_about_sign_in=True),  # LinkedIn
    # Try again later.
    "temporarily_unavailable": ErrorCode(fault=Fault.PROVIDER),
    "server_error": ErrorCode(fault=Fault.PROVIDER),
    "slow_down": ErrorCode(fault=Fault.PROVIDER),
    "internal_error": ErrorCode(fault=Fault.PROVIDER),
    "service_unavailable": ErrorCode(fault=Fault.PROVIDER),
    "ratelimited": ErrorCode(fault=Fault.PROVIDER),
    "rate_limited": ErrorCode(fault=Fault.PROVIDER),
    "too_many_requests": ErrorCode(fault=Fault.PROVIDER),
    **dict.fromkeys(
        (
            *("too_many_attempts", "rate_limit", "rate_limit_exceeded", "rate_limit_reached", "request_limit_exceeded"),
            *("quota_exceeded", "throttled", "throttling", "internal_failure", "server_busy", "system_busy"),
            *("try_again_later", "request_timeout", "upstream_error", "maintenance"),
        ),
        ErrorCode(fault=Fault.PROVIDER),
    ),
    # Says nothing about whose fault it is.
    "account_selection_required": ErrorCode(awaits_person=True),
}

REFUSED = frozenset(code for code, row in CODES.items() if row.fault == Fault.PERSON)
MISCONFIGURED = frozenset(code for code, row in CODES.items() if row.fault == Fault.SET_UP)
TRANSIENT = frozenset(code for code, row in CODES.items() if row.fault == Fault.PROVIDER)
DEAD_REFRESH_TOKEN = frozenset(code for code, row in CODES.items() if row.ends_refresh_token)
NAMES_NO_GRANT = frozenset(code for code, row in CODES.items() if row.names_no_grant)
UNEXPLAINED_AT_REFRESH = frozenset(code for code, row in CODES.items() if row.is_unexplained_at_refresh)
CLIENT_REFUSED = frozenset(code for code, row in CODES.items() if row.is_about_client)
# Said of nothing but our registration. The others stand for a dead refresh token, too, at large providers.
CERTAINLY_SET_UP = MISCONFIGURED - UNEXPLAINED_AT_REFRESH - {"unauthorized_client"}
# With our own code for an issuer that is spelled differently in the id token.
ABOUT_SIGN_IN = frozenset(code for code, row in CODES.items() if row.is_about_sign_in) | {"other_issuer"}
ABOUT_REDIRECT = frozenset(code for code, row in CODES.items() if row.is_about_redirect)
# Codes that count wherever in an error body they stand.
KNOWN = REFUSED | CLIENT_REFUSED | TRANSIENT | {"unauthorized_client", "invalid_scope", "unsupported_grant_type"}

_ENDED = r"((is|was|has|been|already)_)*(expired|revoked|withdrawn|terminated)"
# Codes of a server's own, as plain_spelling has them, and the code of RFC 6749 or of a large provider for the same.
_OWN_CODES = {
    "invalid_refresh_token": re.compile(
        r"(\w+_)?refresh_?token_((is|was|has|been|already)_)*"
        r"(expired|invalid|invalidated|revoked|used|reused?|reuse_detected|not_found|unknown|inactive|not_active|deleted"
        r"|evicted|superseded|rotated|black_?listed)"
        r"|(\w+_)?(expired|invalid|invalidated|revoked|unknown|inactive|illegal|bad|wrong|used|reused)_refresh_?token"
        r"|token_reuse(_detected)?"
    ),
    "invalid_grant": re.compile(
        rf"(authori[sz]ation_)?(grant|consent|authori[sz]ation|access)_{_ENDED}"
        r"|(expired|revoked|withdrawn|unknown|bad)_(grant|consent|authori[sz]ation)"
    ),
    "invalid_code": re.compile(
        r"((authori[sz]ation|auth|verification)_)?code_((is|was|has|been|already)_)*(expired|invalid|used|not_found)"
        r"|(expired|invalid|bad|unknown|missing_or_unknown|used)_((authori[sz]ation|auth)_)?code"
    ),
    # The client, or how it authenticates. “Not allowed” may be a rule of the person's organization.
    "invalid_client": re.compile(
        r"(oauth_)?(client|app|application)(_id)?_((is|was|has|been)_)*"
        r"(not_found|cannot_be_found|unknown|invalid|disabled|deleted|suspended|inactive|deactivated|does_not_exist)"
        r"|(unknown|disabled|deleted|suspended|inactive|unregistered|no_such)_(client|app|application)(_id)?"
        r"|(invalid|bad|unknown|wrong)_(app|application|app_id|app_secret|app_key|client_key)"
        r"|client_auth(entication)?_(failed|failure|invalid)|realm_disabled"
    ),
}

# Codes that count in words, too. “Access denied” is what a firewall says.
IN_WORDS = KNOWN - UNEXPLAINED_AT_REFRESH

_NO = frozenset({"denied", "declined", "cancelled", "canceled", "cancel", "refused", "rejected"})
_NOT_THE_PERSON = frozenset({"client", "app", "application", "scope", "tenant", "admin"})


def plain_spelling(code: str) -> str:
    """The code as RFC 6749 would spell it: invalid_grant for InvalidGrant, oauth.v2.InvalidGrant, …/invalid-grant."""
    name = re.split(r"[.#/]|:(?=\S)", code[:200].strip().rstrip(".!"))[-1]
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return re.sub(r"[ _-]+", "_", words).lower()


def spelled_code(value: str, codes: Container[str]) -> str:
    """The one of these codes that a server spells in another way; "" if it is none of them."""
    code = plain_spelling(value)
    spellings = (code, re.sub(r"_(error|exception)$", "", code))
    return next((each for each in spellings if each in codes), "")


def known_code(value: str, codes: Container[str]) -> str:
    """The same, also for a server's own name of a dead grant, a used code or a client that it doesn't know.

    A name may be spread over parts: `invalidParameter.refreshToken.notFound`, `unauthorized.bad_refresh_token.evicted`.
    """
    if code := spelled_code(value, codes):
        return code
    joined = plain_spelling(re.sub(r"[.#/]|:(?=\S)", "_", value.strip().rstrip(".!")))
    spellings = [re.sub(r"_(error|exception)$", "", each) for each in (plain_spelling(value), joined)]
    return next((code for code, own in _OWN_CODES.items() if any(map(own.fullmatch, spellings))), "")


def is_denial(code: str) -> bool:
    """Whether the person declined: `access_denied`, `user_cancelled_login` (LinkedIn), `UserDenied` and the like."""
    words = set(re.split(r"[^a-z]+", plain_spelling(code)))
    return bool(words & _NO) and not words & _NOT_THE_PERSON
