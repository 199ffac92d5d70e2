"""What providers say in their own words is understood: without a profile, and with one."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from foundation.oauth_client import answers, error_answers
from foundation.oauth_client.error_codes import DEAD_REFRESH_TOKEN, NAMES_NO_GRANT
from foundation.oauth_client.errors import (
    Misconfigured,
    OAuthError,
    Refused,
    Unexplained,
    Unreachable,
)
from foundation.oauth_client.provider_profile import STANDARD, ProviderProfile, parse_profile
from tests.foundation.oauth_client.responses import response


def error_for(
    status: int, body: object, *, grant_type: str = "refresh_token", profile: ProviderProfile = STANDARD
) -> OAuthError:
    with pytest.raises(OAuthError) as raised:
        answers.parse_token_answer(
            response(status, json.dumps(body).encode(), {}), grant_type=grant_type, profile=profile
        )
    return raised.value


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"errors": [{"errorType": "invalid_grant", "message": "Refresh token invalid: x."}]}, "invalid_grant"),
        (400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}, "bad_refresh_token"),
        (403, {"error": "unauthorized_client", "error_description": "refresh_token is invalid"}, "unauthorized_client"),
        (200, {"errcode": 40030, "errmsg": "invalid refresh_token"}, "sign_in_over"),
        (401, {"error": "server_error", "error_description": "access_denied"}, "server_error"),
        (400, {"error": {"code": "invalid_grant", "message": "gone"}}, "invalid_grant"),
        (400, {"error": {"type": "invalid_grant"}}, "invalid_grant"),
        (401, {"code": "token_revoked"}, "token_revoked"),
        (400, {"error": "invalid_request", "error_description": "The refresh token has expired"}, "invalid_request"),
        (422, {"message": "Refresh token is no longer valid"}, "sign_in_over"),
        (200, {"ok": False, "error": "invalid_refresh_token"}, "invalid_refresh_token"),
        # Supabase, Simple JWT, Apigee, JSON:API, Lazada, Alibaba, TikTok, Django, Laravel, and spellings of others.
        (400, {"code": 400, "error_code": "refresh_token_not_found", "msg": "Gone"}, "refresh_token_not_found"),
        (401, {"detail": "Token is invalid or expired", "code": "token_not_valid"}, "token_not_valid"),
        (401, {"fault": {"detail": {"errorcode": "oauth.v2.InvalidRefreshToken"}}}, "invalid_refresh_token"),
        (400, {"ErrorCode": "invalid_request", "Error": "Refresh Token expired"}, "refresh_token_expired"),
        (400, {"errors": [{"status": "400", "title": "invalid_grant", "detail": "x"}]}, "invalid_grant"),
        (400, {"errors": ["invalid_grant"]}, "invalid_grant"),
        (400, [{"error": "invalid_grant"}], "invalid_grant"),
        (200, {"code": "IllegalRefreshToken", "message": "x"}, "illegal_refresh_token"),
        (200, {"error_code": "15", "sub_code": "isv.invalid-refresh-token"}, "invalid_refresh_token"),
        (200, {"data": {"description": "refresh_token expired"}, "message": "error"}, "sign_in_over"),
        (400, {"refresh_token": ["This token is not valid."]}, "sign_in_over"),
        (422, {"errors": {"refresh_token": ["is invalid or expired"]}}, "sign_in_over"),
        (401, {"error": "RefreshTokenExpired"}, "refresh_token_expired"),
        (401, {"error": {"code": "REFRESH_TOKEN_REVOKED"}}, "refresh_token_revoked"),
        (400, {"error": 400, "message": "invalid_grant"}, "invalid_grant"),
        (400, {"error": "invalid-grant"}, "invalid_grant"),
        (400, {"error": "invalid_request", "message": "The refresh token has already been used."}, "invalid_request"),
        (400, {"message": "No such refresh token"}, "sign_in_over"),
        (498, {"message": "Invalid refresh token"}, "sign_in_over"),
    ],
)
def test_a_dead_refresh_token_is_known_by_the_providers_own_words(status: int, body: object, code: str) -> None:
    error = error_for(status, body)
    assert (type(error), error.code, error.status) == (Refused, code, status)
    assert error.is_ambiguous is (code not in DEAD_REFRESH_TOKEN - NAMES_NO_GRANT)


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (400, {"error": "Access Denied", "error_description": "You have made too many requests continuously."}, "wait"),
        (
            400,
            {"error": "access_denied", "error_description": "Rate limit exceeded: access_token not expired"},
            "keep_token",
        ),
        (403, {"message": "Rate limit reached"}, "wait"),
        (200, {"error": "ratelimited", "message": "rate limit"}, "wait"),
        (400, {"error": {"error_code": 9, "error_msg": "Too many requests per second"}}, "wait"),
    ],
)
def test_a_limit_is_no_refusal(status: int, body: object, meaning: str) -> None:
    error = error_for(status, body)
    assert (type(error), error.meaning) == (Unreachable, meaning)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_request"}, Unexplained),
        (400, {"error": "invalid_request", "error_description": "Missing parameter: refresh_token"}, Unexplained),
        (400, {"error": "access_denied"}, Unexplained),
        (400, {"message": "Something about a token"}, Unexplained),
        (401, {"error": "invalid_client", "error_description": "bad secret"}, Misconfigured),
        (400, {"error": "unauthorized_client"}, Misconfigured),
        (503, {"error": "invalid_grant", "message": "refresh token is invalid"}, Unreachable),
        (429, {"error": "invalid_grant"}, Unreachable),
        # The sentence has the words, but is about something else, or the code says so.
        (401, {"error": "invalid_client", "error_description": "Refresh token request: unknown client"}, Misconfigured),
        (401, {"error": "invalid_client", "error_description": "access_denied"}, Misconfigured),
        (400, {"error": "invalid_client", "error_description": "The refresh token is invalid"}, Misconfigured),
        (400, {"error": "invalid_scope", "error_description": "The refresh token is invalid"}, Misconfigured),
        (
            400,
            {"error": "unauthorized_client", "error_description": "The refresh_token grant type is not valid here"},
            Misconfigured,
        ),
        (400, {"error": "unauthorized_client", "error_description": "Invalid refresh_token grant"}, Misconfigured),
        (
            400,
            {"error": "invalid_request", "error_description": "Required parameter refresh_token was not found"},
            Unexplained,
        ),
        (403, {"message": "The client's registration token was revoked"}, Unexplained),
        (404, {"message": "The refresh token was not found"}, Misconfigured),
        (404, {"message": "route /refresh_token not found"}, Misconfigured),
        (400, {"refresh_token": ["This field is required."]}, Unexplained),
        (400, {"error": "server_error", "message": "The refresh token used in this request is malformed"}, Unreachable),
        (500, {"error": "invalid_grant"}, Unexplained),
        (400, {"error": "token_expired_soon"}, Unexplained),
        (401, {"error": "InvalidClient", "message": "refresh token is invalid"}, Misconfigured),
    ],
)
def test_nothing_else_ends_a_sign_in(status: int, body: object, kind: type[OAuthError]) -> None:
    assert type(error_for(status, body)) is kind


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        ({"error": "interaction_required", "error_description": "AADSTS50076"}, "second_step"),
        ({"error": "mfa_required", "mfa_token": "x"}, "second_step"),
    ],
)
def test_a_second_step_is_not_a_wrong_password(body: object, meaning: str) -> None:
    error = error_for(400, body, grant_type="password")
    assert (type(error), error.meaning) == (Refused, meaning)


@pytest.mark.parametrize(
    "body",
    [
        {"error": "invalid_grant", "error_description": "Account is not fully set up"},  # Keycloak
        {"error": "invalid_grant", "error_description": "Account disabled"},
        {"error": "account_locked"},
    ],
)
def test_an_account_that_needs_something_first_is_no_wrong_password(body: object) -> None:
    error = error_for(400, body, grant_type="password")
    assert (type(error), error.meaning) == (Refused, "person_must_act")


def test_servicenow_refuses_a_password_with_server_error() -> None:
    error = error_for(401, {"error": "server_error", "error_description": "access_denied"}, grant_type="password")
    assert (type(error), error.meaning) == (Refused, "wrong_password")


PROFILE = parse_profile(
    {
        "error": {"code": "/fault/nr", "text": "/fault/text"},
        "rules": [
            {"request": "refresh", "when": [{"at": "/fault/nr", "equals": 9}], "means": "sign_in_over"},
            {
                "request": "refresh",
                "when": [{"at": "/fault/nr", "equals": 10}],
                "means": "wait",
                "wait": {"at": "/fault/ms", "unit": "milliseconds"},
            },
            {"request": "refresh", "when": [{"at": "/fault/nr", "equals": 11}], "means": "registration_wrong"},
            {"status": 200, "when": [{"at": "/error", "equals": "ok"}], "means": "success"},
            {"status": 503, "when": [{"at": "/dead", "equals": True}], "means": "sign_in_over"},
        ],
    }
)


def test_a_providers_own_rules_come_first_at_any_status() -> None:
    over = error_for(200, {"fault": {"nr": 9, "text": "Gone."}}, profile=PROFILE)
    assert (type(over), over.code, over.meaning) == (Refused, "9", "sign_in_over")
    limited = error_for(400, {"fault": {"nr": 10, "ms": 90_000}}, profile=PROFILE)
    assert isinstance(limited, Unreachable)
    assert (limited.code, limited.retry_after) == ("wait", 90.0)
    assert isinstance(error_for(400, {"fault": {"nr": 11}}, profile=PROFILE), Misconfigured)
    assert isinstance(error_for(503, {"dead": True}, profile=PROFILE), Refused)


def test_what_looks_like_an_error_can_be_a_success() -> None:
    body = {"error": "ok", "access_token": "a", "token_type": "bearer"}
    granted = answers.parse_token_answer(response(200, json.dumps(body).encode(), {}), profile=PROFILE)
    assert granted.access_token == "a"
    nested: dict[str, Any] = {"error": {"code": "ok"}, "access_token": "a"}
    assert answers.parse_token_answer(response(200, json.dumps(nested).encode(), {})).access_token == "a"


def test_the_common_rules_can_be_turned_off() -> None:
    body = {"message": "Refresh token is no longer valid"}
    assert type(error_for(422, body)) is Refused
    assert type(error_for(422, body, profile=parse_profile({"default_rules": False}))) is Unexplained


@pytest.mark.parametrize(
    ("profile", "body", "members"),
    [
        (
            {"token_answer": {"members": {"access_token": "/accessToken", "refresh_token": "/d/rt"},
                              "lifetime": {"at": "/expireIn"}}},
            {"accessToken": "a", "d": {"rt": "r"}, "expireIn": "7200"},
            ("a", "r", 7200),
        ),
        ({}, {"access_token": "a", "expires_in": 3600000, "expires_in_sec": 3600}, ("a", "", 3600)),
        ({"token_answer": {"lifetime": {"at": "/expires_in", "unit": "milliseconds"}}},
         {"access_token": "a", "expires_in": 3600000}, ("a", "", 3600)),
        ({"token_answer": {"lifetime": {"at": "/expires_in", "most": 100000}}},
         {"access_token": "a", "expires_in": 3600000}, ("a", "", 3600)),
        ({"token_answer": {"assumed_lifetime": 7200}}, {"access_token": "a"}, ("a", "", 7200)),
        ({"token_answer": {"members": {"access_token": "/first"}, "refresh": {"access_token": "/second"}}},
         {"first": "1", "second": "2"}, ("2", "", None)),
        ({"token_answer": {"lifetime": {"never": 0}, "assumed_lifetime": 60}},
         {"access_token": "a", "expires_in": 0}, ("a", "", None)),
        ({"token_answer": {"lifetime": {"at": "/ends", "never": [0, -1]}}},
         {"access_token": "a", "ends": "-1"}, ("a", "", None)),
        ({"token_answer": {"lifetime": {"never": 0}}}, {"access_token": "a", "expires_in": 60}, ("a", "", 60)),
    ],
)  # fmt: skip
def test_members_and_lifetimes_are_read_where_the_profile_says(
    profile: object, body: object, members: tuple[object, ...]
) -> None:
    granted = answers.parse_token_answer(
        response(200, json.dumps(body).encode(), {}), grant_type="refresh_token", profile=parse_profile(profile)
    )
    assert (granted.access_token, granted.refresh_token, granted.expires_in) == members


@pytest.mark.parametrize(
    ("claims", "told", "lifetime"),
    [
        ({"exp": 3600}, None, 3600),
        ({"exp": 3600, "iat": -60}, 60, 3600),
        ({"exp": 7200, "iat": 3600}, None, 3600),  # our clock is an hour behind
        ({"exp": -1}, 60, 60),  # and here it is ahead, or the token tells nonsense
        ({"exp": 3600, "iat": 3600}, None, None),
        ({"exp": "soon"}, None, None),
        ({"exp": True}, None, None),
        ({}, 60, 60),
        (None, 60, 60),
    ],
)
def test_a_lifetime_may_stand_in_the_access_token_alone(
    claims: dict[str, Any] | None, told: int | None, lifetime: int | None
) -> None:
    now = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
    moments = {name: value + now.timestamp() if type(value) is int else value for name, value in (claims or {}).items()}
    payload = urlsafe_b64encode(json.dumps(moments).encode()).rstrip(b"=").decode()
    access_token = "opaque" if claims is None else f"e30.{payload}.c2ln"
    body = {"access_token": access_token, **({} if told is None else {"expires_in": told})}
    profile = parse_profile({"token_answer": {"lifetime": {"in_token": True}}})
    with time_machine.travel(now, tick=False):
        granted = answers.parse_token_answer(response(200, json.dumps(body).encode(), {}), profile=profile)
        standard = answers.parse_token_answer(response(200, json.dumps(body).encode(), {}))
    assert granted.expires_in == lifetime
    assert standard.expires_in == told


def test_the_reason_may_stand_in_a_header_beside_an_empty_body() -> None:
    headers = {"X-Why": "The connection was removed by CANARY-0123456789abcdef0123456789"}
    profile = parse_profile({"error": {"text_header": "X-Why"}})
    error = error_answers.error_from(response(400, b"", headers), grant_type="refresh_token", profile=profile)
    assert error.reason == "The connection was removed by …"
    assert error_answers.error_from(response(400, b"", headers), grant_type="refresh_token").reason == ""


def test_a_value_is_kept_as_the_map_of_the_profile_has_it() -> None:
    profile = parse_profile(
        {
            "token_answer": {"keep": {name: f"/{name}" for name in ("region", "zone", "shard", "other")}},
            "value_maps": {
                "region": {"EU": "api.eu.example", "US": "api.example"},
                "zone": {"1": "a"},
                "shard": {"1": "one", "*": "any"},
                "other": {"*": "any"},
            },
        }
    )
    body = {"access_token": "a", "region": "EU", "zone": "evil.example", "shard": 2}
    granted = answers.parse_token_answer(response(200, json.dumps(body).encode(), {}), profile=profile)
    assert granted.kept == {"region": "api.eu.example", "shard": "any", "other": "any"}


def test_values_that_calls_need_are_kept() -> None:
    profile = parse_profile({"token_answer": {"keep": {"tenant": "/t/id", "host": "/host", "bad": "/bad"}}})
    body = {"access_token": "a", "t": {"id": 7}, "host": "eu.example", "bad": "a\r\nb"}
    granted = answers.parse_token_answer(response(200, json.dumps(body).encode(), {}), profile=profile)
    assert granted.kept == {"tenant": "7", "host": "eu.example"}
    assert "eu.example" not in repr(granted)
