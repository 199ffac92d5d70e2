"""Refusals at the token endpoint whose code misleads, or is the server's own: whom they are about."""

import json

import pytest

from foundation.oauth_client import answers, error_reasons
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unexplained, Unreachable
from tests.foundation.oauth_client.responses import response


def error_for(status: int, body: object, grant_type: str) -> OAuthError:
    with pytest.raises(OAuthError) as raised:
        answers.parse_token_answer(response(status, json.dumps(body).encode()), grant_type=grant_type)
    return raised.value


def described(code: str, words: str) -> dict[str, str]:
    return {"error": code, "error_description": words}


REDIRECTED = {
    "message": "Error validating verification code. Please make sure your redirect_uri is identical to the one you "
    "used in the OAuth dialog request",
    "code": 100,
}  # Facebook
ANY_OF = (
    "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the "
    "authorization request, or was issued to another client."
)  # Doorkeeper


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        # What passes, whatever the code is
        (400, described("invalid_grant", "AADSTS90033: A transient error has occurred."), Unreachable),
        (400, described("invalid_grant", "Service temporarily unavailable, try again later"), Unreachable),
        (400, described("invalid_request", "token request is already being processed"), Unreachable),  # Salesforce
        (400, described("unknown_error", "retry your request"), Unreachable),
        (400, {"error": "try_again_later"}, Unreachable),
        (400, {"error": "system_busy"}, Unreachable),
        (400, {"error": "maintenance"}, Unreachable),
        (400, described("invalid_grant", "The code has expired. Please try again."), Refused),
        (400, described("invalid_grant", "The refresh token is invalid. Please try again later."), Refused),
        (400, described("invalid_request", "Session has expired, try again later"), Refused),
        # Our own registration, whatever the code is
        (400, described("invalid_grant", "AADSTS7000222: The provided client secret keys are expired."), Misconfigured),
        (400, described("invalid_request", "AADSTS90002: Tenant 'x' not found. Check the tenant id."), Misconfigured),
        (400, described("invalid_request", "AADSTS9002327: Tokens may only be redeemed via cross-origin requests."),
         Misconfigured),
        (403, described("invalid_request", "HTTPS required"), Misconfigured),  # Keycloak
        (403, described("realm_disabled", "Realm not enabled"), Misconfigured),
        (400, described("invalid_grant", "Application is disabled"), Misconfigured),
        (400, described("invalid_request", "Unknown client_id"), Misconfigured),
        (400, {"error": "application_cannot_be_found"}, Misconfigured),  # Shopify
        (400, {"error": "client_not_found"}, Misconfigured),
        (400, {"error": "app_suspended"}, Misconfigured),
        (400, {"error": "client_authentication_failed"}, Misconfigured),
        (400, described("invalid_grant", "The application is disabled in your organization"), Refused),
        (400, described("invalid_request", "The application is disabled in your organization"), Unexplained),
        (400, described("invalid_grant", "Application was disabled by the owner of the shop"), Refused),
        # The end of this sign-in, in a code or in words
        (401, {"error": "token_inactive"}, Refused),  # Ory
        (401, {"code": "unauthorized.bad_refresh_token.evicted"}, Refused),  # Monzo
        (400, {"code": "invalidParameter.refreshToken.notFound"}, Refused),  # DingTalk
        (400, {"errors": [{"id": "invalid_grant", "message": "x"}]}, Refused),  # Coinbase
        (401, {"error": {"key": "invalid_token", "description": "x"}}, Refused),  # Home Connect
        (400, {"data": {"error": "Invalid refresh token"}, "success": False, "status": 400}, Refused),  # Imgur
        (400, described("invalid_request", "Errors.OIDCSession.RefreshTokenInvalid"), Refused),  # Zitadel
        (400, described("invalid_request", "The refresh token has been blacklisted"), Refused),
        (400, described("invalid_request", "Session has expired, please log in again"), Refused),
        (400, described("invalid_request", "The authorization grant has been revoked"), Refused),
        (400, {"error": "consent_revoked"}, Refused),
        (400, {"error": "token_reuse_detected"}, Refused),
        # Neither
        (400, described("invalid_request", "The refresh token is malformed"), Unexplained),
        (400, {"error": "user_not_found"}, Unexplained),
        (400, {"error": "invalid_session_state_parameter"}, Unexplained),
        (400, described("invalid_request", "Session cookie missing"), Unexplained),
    ],
    ids=str,
)  # fmt: skip
def test_a_refused_renewal_is_about_whom_it_names(status: int, body: object, kind: type[OAuthError]) -> None:
    assert type(error_for(status, body, "refresh_token")) is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        # The person signs in once more
        (400, {"status": "EXPIRED_AUTH_CODE", "message": "auth code is expired"}, Refused),  # HubSpot
        (400, {"error_type": "OAuthException", "error_message": "Matching code was not found or was already used"},
         Refused),  # Instagram
        (400, {"error": {"message": "This authorization code has expired.", "code": 100}}, Refused),  # Facebook
        (401, described("Unauthorized", "Authorization code is expired."), Refused),  # Square
        (400, described("invalid_request", "Invalid code"), Refused),
        (400, {"error": "authorization_code_expired"}, Refused),
        (400, {"error": "code_expired"}, Refused),
        (400, described("invalid_grant", ANY_OF), Refused),
        # The redirect URL in our registration
        (400, described("invalid_grant", "Incorrect redirect_uri"), Misconfigured),  # Keycloak
        (400, {**described("invalid_grant", "Redirect URI mismatch."), "error_code": "KOE303"}, Misconfigured),  # Kakao
        (400, {"error": REDIRECTED}, Misconfigured),
        (400, described("invalid_request", "Invalid code challenge method"), Misconfigured),
        (401, described("invalid_client", "Invalid code"), Misconfigured),
    ],
    ids=str,
)  # fmt: skip
def test_a_refused_code_is_the_persons_or_the_administrators(status: int, body: object, kind: type[OAuthError]) -> None:
    assert type(error_for(status, body, "authorization_code")) is kind


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("client_authentication_failed", True),
        ("AUTHORIZATION_CODE_WAS_EXPIRED", True),
        ("zqhxkvbnwertyuiopasdfghjklmn", False),
        ("aB3-canary-0123456789-abcdef", False),
        ("Some_Mixed_Token_With_Letters", False),
    ],
)
def test_a_long_code_of_words_is_shown_and_a_token_is_not(words: str, shown: bool) -> None:
    assert (error_reasons.mask_secrets(words, []) == words) is shown
