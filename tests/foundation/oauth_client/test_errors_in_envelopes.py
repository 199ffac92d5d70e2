"""Errors and tokens that servers put into objects of their own, however these are called and spelled."""

import json

import pytest

from foundation.oauth_client import answers, error_documents
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unexplained, Unreachable, Unusable
from foundation.oauth_client.provider_profile import parse_profile
from tests.foundation.oauth_client.responses import response


def error_for(status: int, body: object, grant_type: str = "refresh_token") -> OAuthError:
    with pytest.raises(OAuthError) as raised:
        answers.parse_token_answer(response(status, json.dumps(body).encode()), grant_type=grant_type)
    return raised.value


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"detail": {"error": "invalid_grant", "error_description": "x"}}),  # FastAPI
        (401, {"detail": {"code": "refresh_token_expired"}}),
        (400, {"detail": [{"msg": "Invalid refresh token", "loc": ["body", "refresh_token"]}]}),
        (400, {"detail": [{"msg": "is invalid", "loc": ["body", "refresh_token"]}]}),
        (400, {"message": "Bad Request", "_embedded": {"errors": [{"message": "Invalid refresh token"}]}}),  # HAL
        (401, {"errors": [{"status": 401, "detail": "Invalid grant: refresh token is invalid"}]}),  # moneybutton
        (400, {"errors": {"code": "invalid_grant"}}),
        (400, {"errors": [{"error_code": "invalid_grant"}]}),
        (400, {"errors": [{"errorCode": "invalid_grant"}]}),
        (400, {"errors": [{"message": "Bad Request"}, {"code": "refresh_token_revoked"}]}),
        (400, {"errors": "invalid_grant"}),
        (400, {"Errors": [{"Code": "invalid_grant"}]}),
        (400, {"meta": {"code": "invalid_grant"}}),
        (400, {"status": {"code": "invalid_grant"}}),
        (400, {"response": {"error": "invalid_grant"}}),
        (400, {"error": {"error": {"code": "invalid_grant"}}}),
        (400, {"error": {"errors": [{"reason": "invalid_grant"}]}}),
        (400, {"error": ["invalid_grant"]}),
        (400, {"non_field_errors": ["Invalid refresh token"]}),  # Django REST framework
        (400, {"messages": ["Invalid refresh token"]}),
        (400, {"code": "auth/refresh-token-expired"}),
        (400, {"err_code": "refresh_token_expired"}),
        (400, {"type": "https://errors.example/problems/invalid-grant", "title": "x"}),  # RFC 9457
        (400, {"type": "urn:problem:oauth:invalid_grant"}),
        (400, {"error": "Unauthorized", "details": {"reason": "REFRESH_TOKEN_REVOKED"}}),
        # Meetup, WorkOS, Intuit
        (400, {"error": "invalid_request", "error_description": "Unknown or previously used refresh_token"}),
        (400, {"error": "invalid_request", "error_description": "Refresh token already exchanged."}),
        (400, {"error": "invalid_request", "error_description": "Refresh token not found: AB115x"}),
        (400, {"error": "invalid_request", "error_description": "Cannot find refresh token"}),
        (400, {"error": "invalid_request", "error_description": "Access has been revoked by the user"}),
        (401, {"error": "invalid_request", "hint": "Token has been revoked", "message": "x"}),  # league/oauth2-server
    ],
    ids=str,
)
def test_a_dead_refresh_token_is_known_wherever_it_is_told(status: int, body: object) -> None:
    assert type(error_for(status, body)) is Refused


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (422, {"detail": [{"loc": ["body", "refresh_token"], "msg": "field required"}]}, Unexplained),
        (400, {"detail": {"error": "invalid_client"}}, Misconfigured),
        (401, {"errors": [{"title": "Unauthorized", "detail": "Invalid client: client is invalid"}]}, Misconfigured),
        (400, {"errors": {"code": "rate_limit_exceeded"}}, Unreachable),
        # What the outer object says counts.
        (400, {"error": "invalid_client", "debug": {"error": "invalid_grant"}}, Misconfigured),
        (400, {"error": "invalid_request", "request": {"name": "invalid_grant"}}, Unexplained),
        (503, {"detail": {"error": "invalid_grant"}}, Unreachable),
        (200, {"data": {"id": 7, "state": "invalid_grant"}}, Unusable),
    ],
    ids=str,
)
def test_an_object_inside_is_read_like_the_error_itself(status: int, body: object, kind: type[OAuthError]) -> None:
    assert type(error_for(status, body)) is kind


def test_the_wait_and_the_sentence_are_found_there_too() -> None:
    limited = error_for(400, {"detail": {"code": "RATE_LIMITED", "retryAfterSeconds": 90}})
    assert isinstance(limited, Unreachable)
    assert limited.retry_after == 90
    refused = error_for(
        400, {"error": "invalid_grant", "_embedded": {"errors": [{"errorMessage": "It was withdrawn."}]}}
    )
    assert refused.reason == "It was withdrawn."


def test_a_profile_sees_the_document_as_it_came() -> None:
    rules = [{"when": [{"at": "/Fault/Nr", "equals": 9}], "means": "wait"}]
    profile = parse_profile({"rules": rules})
    with pytest.raises(Unreachable):
        answers.parse_token_answer(response(400, b'{"Fault": {"Nr": 9}}'), grant_type="refresh_token", profile=profile)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("errorCode", "error_code"), ("ErrorCode", "error_code"), ("error-code", "error_code"), ("__type", "type"),
        ("odata.error", "error"), (".tag", "tag"), ("errmsg", "errmsg"), ("OAuthError", "oauth_error"),
        ("错误", "错误"),
    ],
)  # fmt: skip
def test_members_are_spelled_alike(name: str, plain: str) -> None:
    assert error_documents.plain_name(name) == plain


def test_a_huge_or_deep_error_is_read_in_part() -> None:
    deep: object = "invalid_grant"
    for _ in range(200):
        deep = {"error": deep}
    assert len(error_documents.views_of(deep)) <= error_documents.MOST_VIEWS
    assert len(error_documents.views_of([{"error": "x"}] * 5000)) <= error_documents.MOST_VIEWS


@pytest.mark.parametrize(
    "body",
    [
        {"code": 200, "data": {"access_token": "a", "refresh_token": "r", "expires_in": 3600}},  # U-Tec
        {"code": "2000", "message": "x", "messageArgs": [], "data": {"access_token": "a", "refresh_token": "r",
                                                                      "expires_in": 3600}},  # Kunpeng DevKit
        {"success": True, "tokenInfo": {"accessToken": "a", "refreshToken": "r", "expiresIn": 3600}},
        {"error": None, "token": {"access_token": "a", "refresh_token": "r", "expires_in": "3600"}, "user": {"id": 1}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("grant_type", ["authorization_code", "refresh_token"])
def test_tokens_are_found_in_an_envelope(body: object, grant_type: str) -> None:
    granted = answers.parse_token_answer(response(200, json.dumps(body).encode()), grant_type=grant_type)
    assert (granted.access_token, granted.refresh_token, granted.expires_in) == ("a", "r", 3600)


@pytest.mark.parametrize(
    "body",
    [
        {"bot": {"access_token": "a"}, "user": {"access_token": "b"}},  # whose?
        {"data": {"access_token": ""}},
        {"success": False, "data": {"access_token": "a"}},
        {"error": "invalid_grant", "data": {"access_token": "a"}},
        {"data": {"inner": {"access_token": "a"}}},
    ],
)
def test_no_token_is_chosen_among_several_or_beside_an_error(body: object) -> None:
    error_for(200, body)
