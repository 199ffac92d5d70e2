"""Refused renewals in the words of servers that have no profile, from their documents and from reports of faults."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from foundation.oauth_client import answers
from foundation.oauth_client.error_codes import NAMES_NO_GRANT
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unexplained, Unreachable, Unusable
from tests.foundation.oauth_client.responses import response


def error_for(status: int, body: object, *, grant_type: str = "refresh_token", **headers: str) -> OAuthError:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(OAuthError) as raised:
        answers.parse_token_answer(response(status, content, fields), grant_type=grant_type)
    return raised.value


AUTHLIB = 'Invalid "refresh_token" in request.'


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": "invalid_request", "error_description": AUTHLIB}),  # authlib/authlib#112, Discord
        (401, {"error": "invalid_request", "error_description": "This request requires an active refresh_token"}),
        (400, {"error": "invalid_request", "error_description": "Value passed for the token was invalid."}),  # X
        (200, {"code": 20026, "msg": "The refresh token passed is invalid. Please check the value."}),  # Feishu
        (200, {"code": 20073, "msg": "The refresh token has been used. Please generate a new one."}),
        (400, {"error": "bad", "error_description": "The refresh token passed is incorrect or expired."}),  # GitHub
        (400, {"message": "Bad Request", "errors": [{"field": "refresh_token", "code": "invalid"}]}),  # Strava
        (422, {"errors": [{"source": {"pointer": "/data/refresh_token"}, "detail": "has expired"}]}),  # JSON:API
        (401, {"error": {"code": "refresh_token_invalidated", "message": "Your session has ended."}}),  # OpenAI
        (400, {"__type": "com.amazonaws.ssooidc#InvalidGrantException"}),  # AWS IAM Identity Center
        (400, {"__type": "RefreshTokenReuseException", "message": "x"}),  # Cognito
        (400, {"__type": "NotAuthorizedException", "message": "Refresh Token has been revoked"}),
        (400, {"error": {"code": 400, "message": "TOKEN_EXPIRED", "status": "INVALID_ARGUMENT"}}),  # Firebase
        (400, {"error": {"code": 400, "message": "INVALID_REFRESH_TOKEN", "status": "INVALID_ARGUMENT"}}),
        (400, {"status": 400, "message": "Invalid grant"}),  # twitchdev/issues#1042
        (400, {"message": "Invalid token", "errorCode": -19985}),  # Wix
        (400, {"error": "invalid_grant: the grant was revoked"}),
        (400, {"code": 400, "error_code": "session_not_found", "msg": "Session from session_id claim does not exist"}),
        (400, {"developerMessage": "The refresh token is invalid or expired.", "errorCode": "AUTH-007"}),  # Autodesk
        (400, {"error": {"code": "x", "message": {"lang": "en", "value": "Refresh token expired"}}}),  # OData v2 (SAP)
        (400, {"error": "invalid_request", "error_description": "token was already used"}),  # Gitea
        (400, {"error": "unauthorized_client", "error_description": "token was already used"}),
        (400, {"error": "invalid_request", "error_description": "The user has revoked access to the application."}),
        # spring-security-oauth, whose texts hold the refresh token
        (401, {"error": "invalid_token", "error_description": "Invalid refresh token (expired): CANARY-refresh"}),
        (200, {"message": "Invalid token"}),
        (401, "Invalid token"),  # ferriskey/ferriskey#1284, as plain text
        (401, "The refresh token has expired."),
    ],
    ids=str,
)
def test_a_dead_refresh_token_ends_the_sign_in(status: int, body: object) -> None:
    error = error_for(status, body)
    assert (type(error), error.status) == (Refused, status)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        # Another request with the same token is under way (Ory Hydra, Box, Airtable).
        (400, {"error": "invalid_request", "error_description": "multiple concurrent requests using the same token. "
                                                                "Please retry the request."}, Unreachable),
        (409, "", Unreachable),
        (409, {"error": {"type": "CONFLICT"}}, Unreachable),
        (423, {}, Unreachable),  # HubSpot: locked
        # Limits
        (400, {"error": "rate_limit_exceeded"}, Unreachable),  # Salesforce
        (400, {"error": "too_many_attempts"}, Unreachable),  # Auth0
        (400, {"__type": "ThrottlingException"}, Unreachable),
        (400, {"error": "invalid_grant", "error_description": "AADSTS50196: The server terminated an operation because "
                                                              "it encountered a client request loop."}, Unreachable),
        # Our own registration
        (400, {"error": "invalid_client: Invalid client_id or client_secret"}, Misconfigured),  # Dropbox
        (200, {"error": "invalid_client_secret"}, Misconfigured),  # Zoho
        (400, {"error": "invalid_client_credentials"}, Misconfigured),  # Salesforce
        (400, {"error": "disabled_client", "error_description": "The OAuth client was disabled."}, Misconfigured),
        (400, {"status": 400, "message": "invalid client"}, Misconfigured),  # Twitch
        (400, {"error": {"message": "Error validating client secret.", "code": 1}}, Misconfigured),  # Facebook
        (400, {"err": "Client not found", "ECODE": "OAUTH_010"}, Misconfigured),  # ClickUp
        (400, {"message": "Bad Request", "errors": [{"field": "client_secret", "code": "invalid"}]}, Misconfigured),
        (400, {"error": "invalid_grant", "error_description": "Invalid client credentials"}, Misconfigured),
        (400, {"error": "invalid_grant", "error_description": "Refresh token or client id is invalid"}, Refused),
        (401, {"code": "invalid_access_token", "message": "Client secret is invalid for OC-1"}, Misconfigured),  # Canva
        # Words that are near, but say nothing of this token
        (400, {"error": "invalid_request", "error_description": "Missing required parameter: refresh_token"},
         Unexplained),
        (400, {"error": "invalid_request", "error_description": "token not found in the request"}, Unexplained),
        (400, {"error": "invalid_request", "error_description": "Invalid token type"}, Unexplained),
        (400, {"error": "invalid_request", "error_description": "Token endpoint is invalid for this client"},
         Unexplained),
        (400, {"message": "Bad Request", "errors": [{"field": "refresh_token", "code": "missing"}]}, Unexplained),
        (400, {"message": "refresh token was not issued to this client"}, Unexplained),  # HubSpot
        (400, {"error": "invalid_request", "error_description": "User may have revoked access"}, Unexplained),
        (400, {"error": {"message": "MISSING_REFRESH_TOKEN"}}, Unexplained),
        (400, {"error": "invalid_refresh_token_request"}, Unexplained),
        (400, {"message": "Please try again"}, Unexplained),
        (401, "Unauthorized", Misconfigured),
        (403, "Access denied", Unreachable),  # a firewall
        (403, "RBAC: access denied", Unreachable),
        (403, {"message": "Access denied"}, Unexplained),
        (401, "<html><body>Invalid token</body></html>", Misconfigured),
        (400, "Bad Request", Unusable),
        (500, {"error": {"message": "TOKEN_EXPIRED"}}, Unreachable),
        (404, {"message": "Invalid token"}, Misconfigured),
        (200, {"message": "Invalid grant type"}, Unusable),
        # An error in the place of the token (casdoor/casdoor#611)
        (200, {"access_token": "error: token is expired by 23m58s", "refresh_token": "", "expires_in": 0}, Unusable),
    ],
    ids=str,
)  # fmt: skip
def test_nothing_else_does(status: int, body: object, kind: type[OAuthError]) -> None:
    assert type(error_for(status, body)) is kind


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, {"error": "Invalid token"}, {}),
        (401, {"error": "invalid_token", "error_description": "The access token is missing"}, {}),
        (401, "", {"WWW_Authenticate": 'Bearer error="invalid_token"'}),
        (401, {"detail": "Token is invalid or expired", "code": "token_not_valid"}, {}),
        (401, {"code": "token_expired"}, {}),
    ],
)
def test_a_code_of_any_token_may_be_said_of_our_own_credentials(
    status: int, body: object, headers: dict[str, str]
) -> None:
    """A gateway before the token endpoint answers so to a header Authorization that it can't read (RFC 6750 §3.1)."""
    error = error_for(status, body, **headers)
    assert (type(error), error.is_ambiguous, error.code in NAMES_NO_GRANT) == (Refused, True, True)
    assert not error_for(400, {"error": "invalid_grant"}).is_ambiguous
    assert not error_for(400, {"error": "token_revoked"}).is_ambiguous


@pytest.mark.parametrize(
    "words",
    [
        "Grant type 'refresh_token' not allowed for the client.",  # Auth0
        "The client is not authorized to use the provided grant type. Configured grant types: [authorization_code].",
        "The OAuth 2.0 Client is not allowed to use authorization grant 'refresh_token'.",  # Ory Hydra
        "The client is not authorized to perform this request using this method.",  # Doorkeeper
        "The authenticated client is not authorized to use this authorization grant type",  # WSO2
    ],
)
def test_a_grant_that_the_client_may_not_use_is_the_set_up(words: str) -> None:
    error = error_for(403, {"error": "unauthorized_client", "error_description": words})
    assert (type(error), error.code, error.meaning) == (Misconfigured, "unauthorized_client", "registration_wrong")


def test_what_a_code_that_was_not_verified_needs_is_known() -> None:
    error = error_for(200, {"error": "unverified_user_email"}, grant_type="authorization_code")  # GitHub
    assert (type(error), error.code) == (Refused, "unverified_user_email")


def test_no_secret_of_such_words_is_shown() -> None:
    body = {"error": "invalid_token", "error_description": "Invalid refresh token (expired): " + "CANARY0123456789" * 3}
    assert error_for(401, body).reason == "Invalid refresh token (expired): …"


def granted(body: object) -> answers.TokenAnswer:
    return answers.parse_token_answer(response(200, json.dumps(body).encode()), grant_type="authorization_code")


@pytest.mark.parametrize(
    ("members", "scopes"),
    [
        ({"scopes": ["oauth", "crm.objects.contacts.read"]}, ("oauth", "crm.objects.contacts.read")),  # HubSpot
        ({"scopes": "repository account"}, ("repository", "account")),  # Bitbucket
        ({"scope": "read", "scopes": ["read", "write"]}, ("read",)),
        ({"scope": [], "scopes": ["write"]}, ()),
        ({"scope": ""}, None),
        ({}, None),
    ],
)
def test_what_was_granted_may_stand_in_the_plural(members: dict[str, object], scopes: tuple[str, ...] | None) -> None:
    assert granted({"access_token": "a", **members}).scopes == scopes


def test_the_end_of_a_refresh_token_may_be_a_moment() -> None:
    end = datetime.now(UTC) + timedelta(days=90)
    for moment in (end.isoformat(), int(end.timestamp())):  # Square, Pinterest
        seconds = granted({"access_token": "a", "refresh_token_expires_at": moment}).refresh_expires_in
        assert seconds == pytest.approx(90 * 86_400, abs=60)
    for unclear in ("2027-01-01", "2027-01-01T00:00:00", 0, None):
        assert granted({"access_token": "a", "refresh_token_expires_at": unclear}).refresh_expires_in is None


@pytest.mark.parametrize("figure", [0, -1, "0", -3600])
def test_a_lifetime_of_nothing_is_none_told(figure: object) -> None:
    """Mailchimp and VK write 0 for a token without an end. No server hands out a dead one."""
    assert granted({"access_token": "a", "expires_in": figure}).expires_in is None
