"""What an API's answer means without a profile, in the words and at the statuses that providers use."""

import json
import time

import pytest

from foundation.oauth_client.provider_profile import STANDARD
from integrations.calls.meanings import AnswerMeaning, read_meaning
from tests.foundation.oauth_client.responses import response


def meaning_of(status: int, body: object, *, media_type: str = "application/json", **headers: str) -> AnswerMeaning:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    all_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = response(status, content, {"Content-Type": media_type, **all_headers})
    return read_meaning(STANDARD, answer, lambda: content, length=len(content))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (498, {"message": "x"}),  # Esri
        (440, ""),
        (419, {"message": "Authentication Timeout"}),
        (200, {"error": {"code": 498, "message": "Invalid token.", "details": []}}),
        (200, {"error": {"code": 499, "message": "Token Required", "details": []}}),
        (200, {"errcode": 42001, "errmsg": "access_token expired"}),  # WeChat
        (200, {"error": {"error_code": 5, "error_msg": "User authorization failed: access_token has expired."}}),  # VK
        (200, {"code": 40105, "message": "Access token is incorrect or has been revoked.", "data": {}}),  # TikTok
        (200, {"errors": ["Not Authenticated"]}),  # Monday
        (400, {"error": {"type": "TokenInvalidError", "message": "An active access token is required.", "code": 400}}),
        (400, {"error": "jwt expired"}),
        (403, {"fault": {"faultstring": "x", "detail": {"errorcode": "oauth.v2.InvalidAccessToken"}}}),  # Apigee
        (403, {"__type": "ExpiredTokenException", "message": "x"}),  # AWS
        (403, {"message": "The incoming token has expired"}),
        (403, {"errors": [{"code": "Unauthorized", "details": "The access token you provided has expired."}]}),
        (403, {"detail": "Given token not valid for any token type", "code": "token_not_valid"}),
        (422, {"error": "invalid_token"}),
        (403, "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"),
        (403, {"error": {"code": "TokenExpired", "message": "Access token has expired, resubmit"}}),  # Power BI
        (403, {"error": {"code": "forbidden", "message": "Not authorized", "invalidToken": True}}),  # Vercel
        (403, {"code": "AUTHENTICATION_FAILED", "description": "Authentication failed"}),  # Typeform
        (400, {"errors": [{"message": "Authentication required", "extensions": {"code": "AUTHENTICATION_ERROR"}}]}),
        (403, "Bad_OAuth_Token"),  # Salesforce's userinfo, as plain text
        (403, "Invalid access token"),
        (403, {"error": {"code": "x", "message": {"lang": "en", "value": "The access token has expired"}}}),  # SAP
        (
            400,
            {
                "error": {
                    "message": "Error validating access token: The user has not authorized application 1.",
                    "type": "OAuthException",
                    "code": 190,
                    "error_subcode": 458,
                }
            },
        ),  # Facebook
        (200, {"code": "390318", "message": "OAuth access token expired. [x]", "success": False}),  # Snowflake
        (200, {"errcode": 40001, "errmsg": "invalid credential, access_token is invalid or not latest"}),  # WeChat
        (200, {"success": False, "message": "Access token expired"}),
        (400, {"error_code": "ExpiredJwtException", "message": "x"}),  # Databricks
        (200, {"status": 401, "body": {}, "error": "invalid_token: The access token provided is invalid"}),  # Withings
        (200, {"statusCode": 401, "message": "Unauthorized"}),
        (403, {"error": {"message": "x", "code": "InvalidTokenError"}}),  # Azure Monitor
        (200, {"errors": [{"extensions": {"code": "invalid-jwt"}, "message": "Could not verify JWT"}]}),  # Hasura
    ],
)
def test_a_dead_access_token_is_known_at_any_status(status: int, body: object) -> None:
    meaning = meaning_of(status, body)
    assert (meaning.code, meaning.renewing_helps) == ("token_over", True)


def test_a_sign_in_page_in_place_of_an_answer_is_worth_a_renewal_and_ends_nothing() -> None:
    page = "<!DOCTYPE html><title>Sign In</title>"
    meaning = meaning_of(203, page, media_type="text/html; charset=utf-8")  # Azure DevOps
    assert (meaning.code, meaning.is_certain) == ("token_over", False)
    assert meaning_of(203, {"id": 1}).code is None
    assert meaning_of(202, page, media_type="text/html").code is None


def test_a_right_that_is_missing_or_a_code_of_who_calls_ends_nothing() -> None:
    meaning = meaning_of(403, {"code": "AUTHENTICATION_FAILED", "description": "Authentication failed"})
    assert (meaning.code, meaning.is_certain) == ("token_over", False)
    failed = meaning_of(200, {"success": False, "error": "Token expired"})
    assert (failed.code, failed.is_certain) == ("token_over", False)


def test_a_stronger_sign_in_is_demanded_of_the_person() -> None:
    challenge = 'Bearer error="insufficient_user_authentication", acr_values="gold", max_age="5"'  # RFC 9470
    meaning = meaning_of(401, {}, WWW_Authenticate=challenge)
    assert (meaning.code, meaning.renewing_helps) == ("person_must_act", False)


def test_json_is_read_whatever_the_server_calls_it() -> None:
    body = {"ok": False, "error": "invalid_auth"}
    for media_type in ("text/html; charset=utf-8", "text/plain", "text/javascript", ""):
        assert meaning_of(200, body, media_type=media_type).code == "token_over"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"id": 1, "code": 40105, "message": "Access token expired"}),  # a row about something else
        (200, {"code": 0, "message": "The access token has expired"}),
        (200, {"data": [{"message": "access token expired"}], "code": 40105}),
        (200, {"message": "access token expired"}),
        (200, {"status": "ok", "message": "Too many requests are rejected."}),
        (403, {"message": "You may not read this."}),
        (404, {"message": "Not found"}),
        (404, {"message": "Invalid access token"}),
        (419, {"message": "CSRF token mismatch."}),
        (400, {"code": "invalid_page_token", "message": "Invalid page token"}),
        (422, {"errors": {"token": ["can't be blank"]}}),
        (400, {"message": "Invalid CSRF token"}),
        (200, "<!doctype html><title>The access token has expired</title>"),
        (403, "<html><body>Invalid access token</body></html>"),
        (200, "Invalid access token"),
        (200, {"success": False, "message": "Choose another name"}),
        (200, {"success": True, "message": "Access token expired"}),
        (200, {"status": 404, "message": "None"}),
        (200, {"id": 7, "status": 401}),
        (200, {"status": "401k plan"}),
        (200, {"errors": [{"message": "Invalid scope argument", "extensions": {"code": "BAD_USER_INPUT"}}]}),
        (403, {"error": {"code": "forbidden", "message": "Not authorized", "invalidToken": False}}),
        (403, {"error": {"code": "PERMISSION_DENIED", "message": "No."}}),
        (403, {"errors": [{"code": "storage_quota_exceeded", "message": "Full."}]}),
        (400, {"code": "file_size_limit_exceeded", "message": "Too large."}),
        (400, {"code": "AUTHENTICATION_CODE_INVALID", "message": "Type it again."}),
    ],
)
def test_nothing_is_made_of_other_answers(status: int, body: object) -> None:
    assert meaning_of(status, body).code is None


@pytest.mark.parametrize(
    ("status", "body", "headers", "wait"),
    [
        (429, {"retry_after": 1.5}, {}, 1.5),
        (429, {"parameters": {"retry_after": 35}}, {}, 35),
        (429, {"retryAfter": 12}, {}, 12),
        (429, {"retry_after_ms": 12_000}, {}, 12),
        (429, {"detail": "Request was throttled. Expected available in 35 seconds."}, {}, 35),
        (
            400,
            {"error_message": "too many requests, more available in 53800 seconds"},
            {},
            53_800,
        ),
        (200, {"errors": [{"message": "x", "extensions": {"code": "THROTTLED", "retryAfter": 2}}]}, {}, 2),
        (
            200,
            {"error_code": "ComplexityException", "error_message": "10 out of 20, reset in 53 seconds"},
            {},
            53,
        ),
        (200, {"error": {"error_code": 6, "error_msg": "Too many requests per second."}}, {}, None),
        (429, {}, {"Retry_After": "30s"}, 30),
        (429, {}, {"X_Retry_After": "40"}, 40),
        (429, {}, {"X_Ms_Retry_After_Ms": "5000"}, 5),
        (429, {}, {"X_RateLimit_Reset_After": "7.5"}, 7.5),
        (420, {"error": "Enhance Your Calm"}, {}, None),
        (430, {"errors": "x"}, {}, None),
        (403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}], {}, None),
        (400, {"error": {"message": "(#4) Application request limit reached", "code": 4}}, {}, None),
        (
            200,
            {
                "errors": [
                    {"message": "x", "extensions": {"code": "COMPLEXITY_BUDGET_EXHAUSTED", "retry_in_seconds": 12}}
                ]
            },
            {},
            12,
        ),  # monday.com
        (200, {"errors": [{"message": "x", "extensions": {"code": "IP_RATE_LIMIT_EXCEEDED"}}]}, {}, None),
        (400, {"errorCode": "HOURLY_APIINVOCATION_LIMIT_EXCEEDED", "message": "x"}, {}, None),  # DocuSign
        (400, {"__type": "com.amazon.coral.availability#ThrottlingException", "message": "x"}, {}, None),
        (403, {"error": {"code": "SSS_REQUEST_LIMIT_EXCEEDED"}}, {}, None),  # NetSuite
        (200, {"errcode": 45009, "errmsg": "reach max api daily quota limit rid: 1-2"}, {}, None),  # WeChat
        (200, {"errcode": 45011, "errmsg": "api minute-quota reach limit  must slower"}, {}, None),
        (403, {"error": {"code": 403, "errors": [{"reason": "userRateLimitExceeded"}]}}, {}, None),
        (403, "Rate limit exceeded", {}, None),
    ],
)
def test_a_limit_is_known_with_its_wait(status: int, body: object, headers: dict[str, str], wait: float | None) -> None:
    meaning = meaning_of(status, body, **headers)
    assert (meaning.code, meaning.wait) == ("wait", wait)


def test_a_limit_that_ends_at_a_unix_time_is_known() -> None:
    meaning = meaning_of(429, {}, X_Rate_Limit_Remaining="0", X_Rate_Limit_Reset=str(int(time.time()) + 60))
    assert meaning.wait == pytest.approx(60, abs=5)


def test_a_moment_counts_by_the_clock_of_the_server_that_names_it() -> None:
    """Its clock may be hours away from ours."""
    moments = {"Date": "Mon, 30 Nov 2020 10:00:00 GMT", "Retry_After": "Mon, 30 Nov 2020 10:00:42 GMT"}
    assert meaning_of(429, {}, **moments).wait == pytest.approx(42, abs=1)
    reset = {"Date": "Mon, 30 Nov 2020 10:00:00 GMT", "X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1606730460"}
    assert meaning_of(403, {}, **reset).wait == pytest.approx(60, abs=1)  # GitHub
    assert meaning_of(429, {}, Date="soon", Retry_After="7").wait == 7


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, {"error": {"code": 403, "errors": [{"reason": "accessNotConfigured"}]}}, "registration_wrong"),  # Google
        (403, {"error": {"status": "PERMISSION_DENIED", "details": [{"reason": "SERVICE_DISABLED"}]}},
         "registration_wrong"),
        (403, {"error": {"status": 403, "message": "User not registered in the Developer Dashboard"}},
         "registration_wrong"),  # Spotify
        (403, "User not registered in the Developer Dashboard", "registration_wrong"),
        (403, [{"errorCode": "API_DISABLED_FOR_ORG", "message": "x"}], "registration_wrong"),  # Salesforce
        (402, {"title": "Credits"}, "plan_ended"),  # X, Shopify
    ],
)  # fmt: skip
def test_what_only_an_administrator_can_mend_is_known(status: int, body: object, code: str) -> None:
    meaning = meaning_of(status, body)
    assert (meaning.code, meaning.is_about_the_token) == (code, False)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Invalid scope: `write` required", "extensions": {"code": "FORBIDDEN"}},  # Linear
        {"message": "x", "extensions": {"code": "missingRequiredPermissions"}},  # monday.com
    ],
)
def test_a_missing_scope_is_known_in_a_good_answer(error: dict[str, object]) -> None:
    assert meaning_of(200, {"errors": [error]}).code == "scope_missing"


def test_a_missing_scope_is_named_as_shopify_names_it() -> None:
    meaning = meaning_of(403, {"errors": "[API] This action requires merchant approval for read_orders scope."})
    assert (meaning.code, meaning.scopes) == ("scope_missing", ("read_orders",))


def test_scopes_are_named_as_hubspot_names_them() -> None:
    body = {"category": "MISSING_SCOPES", "errors": [{"context": {"requiredScopes": ["crm.x.read"]}}]}
    meaning = meaning_of(403, body)
    assert (meaning.code, meaning.scopes) == ("scope_missing", ("crm.x.read",))
