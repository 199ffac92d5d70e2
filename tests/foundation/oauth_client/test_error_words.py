"""What providers say in their own words is understood: without a profile, and with one."""

import json
from typing import Any

import pytest

from foundation.oauth_client import answers
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
    ],
)
def test_a_dead_refresh_token_is_known_by_the_providers_own_words(status: int, body: object, code: str) -> None:
    error = error_for(status, body)
    assert (type(error), error.code, error.status) == (Refused, code, status)


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
    ],
)  # fmt: skip
def test_members_and_lifetimes_are_read_where_the_profile_says(
    profile: object, body: object, members: tuple[object, ...]
) -> None:
    granted = answers.parse_token_answer(
        response(200, json.dumps(body).encode(), {}), grant_type="refresh_token", profile=parse_profile(profile)
    )
    assert (granted.access_token, granted.refresh_token, granted.expires_in) == members


def test_values_that_calls_need_are_kept() -> None:
    profile = parse_profile({"token_answer": {"keep": {"tenant": "/t/id", "host": "/host", "bad": "/bad"}}})
    body = {"access_token": "a", "t": {"id": 7}, "host": "eu.example", "bad": "a\r\nb"}
    granted = answers.parse_token_answer(response(200, json.dumps(body).encode(), {}), profile=profile)
    assert granted.kept == {"tenant": "7", "host": "eu.example"}
    assert "eu.example" not in repr(granted)
