"""Responses that grant no tokens become the right kind of error."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from foundation.oauth_client import answers
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import (
    Misconfigured,
    OAuthError,
    Refused,
    Unexplained,
    Unreachable,
    Unusable,
)
from tests.foundation.oauth_client.responses import response


def read(members: object, status: int, grant_type: str = "") -> TokenAnswer:
    return answers.parse_token_answer(response(status, json.dumps(members).encode()), grant_type=grant_type)


def read_raw(body: bytes, status: int, grant_type: str = "", headers: Mapping[str, str] | None = None) -> TokenAnswer:
    return answers.parse_token_answer(response(status, body, headers), grant_type=grant_type)


@pytest.mark.parametrize(
    ("status", "error", "grant_type", "kind"),
    [
        (400, "invalid_grant", "refresh_token", Refused),
        (401, "invalid_grant", "password", Refused),
        (403, "invalid_grant", "refresh_token", Refused),
        (200, "invalid_grant", "refresh_token", Refused),
        (200, "bad_refresh_token", "refresh_token", Refused),
        (200, "bad_verification_code", "authorization_code", Refused),
        (400, "expired_token", "refresh_token", Refused),
        (400, "invalid_request", "refresh_token", Unexplained),
        (400, "access_denied", "refresh_token", Unexplained),
        (400, "INVALID_GRANT", "refresh_token", Refused),
        (400, "access_denied", "authorization_code", Refused),
        (400, "invalid_request", "authorization_code", Misconfigured),
        (401, "invalid_client", "refresh_token", Misconfigured),
        (400, "invalid_client", "refresh_token", Misconfigured),
        (400, "unauthorized_client", "refresh_token", Misconfigured),
        (400, "invalid_scope", "refresh_token", Misconfigured),
        (400, "unsupported_grant_type", "password", Misconfigured),
        (200, "incorrect_client_credentials", "", Misconfigured),
        (400, "redirect_uri_mismatch", "", Misconfigured),
        (400, "temporarily_unavailable", "refresh_token", Unreachable),
        (400, "server_error", "", Unreachable),
        (400, "slow_down", "refresh_token", Unreachable),
        (503, "invalid_grant", "refresh_token", Unreachable),
        (429, "invalid_grant", "refresh_token", Unreachable),
        (400, "never_heard_of", "refresh_token", Unexplained),
        (400, "never_heard_of", "authorization_code", Unusable),
    ],
)
def test_an_error_code_blames_the_right_one(status: int, error: str, grant_type: str, kind: type[OAuthError]) -> None:
    with pytest.raises(kind) as caught:
        read({"error": error, "error_description": "CANARY", "access_token": "a"}, status, grant_type)
    assert "CANARY" not in repr(caught.value)
    with pytest.raises(kind):
        read_raw(f"error={error}&error_description=CANARY".encode(), status, grant_type)


PAGE = b"<html>Forbidden</html>"


@pytest.mark.parametrize(
    ("status", "body", "grant_type", "kind"),
    [
        (400, b"", "refresh_token", Unexplained),
        (400, b" \n", "refresh_token", Unexplained),
        (400, b"{}", "refresh_token", Unexplained),
        (403, b"", "refresh_token", Unexplained),
        (403, b"{}", "refresh_token", Unexplained),
        (403, PAGE, "refresh_token", Unreachable),
        (400, PAGE, "refresh_token", Unusable),
        (400, b"", "authorization_code", Unusable),
        (401, b"{}", "password", Refused),
        (403, b"{}", "password", Refused),
        (403, PAGE, "password", Unreachable),
        (401, b"", "refresh_token", Misconfigured),
        (403, b"{}", "client_credentials", Unreachable),
        (404, PAGE, "refresh_token", Misconfigured),
        (405, b"", "", Misconfigured),
        (500, PAGE, "refresh_token", Unreachable),
        (502, PAGE, "", Unreachable),
        (408, b"", "", Unreachable),
        (429, PAGE, "refresh_token", Unreachable),
        (599, b"", "", Unreachable),
        (301, b"", "", Misconfigured),
        (307, b'{"access_token": "a"}', "", Misconfigured),
        (304, b"", "", Misconfigured),
        (418, b"", "", Unusable),
        (204, b"", "", Unusable),
        (200, PAGE, "refresh_token", Unusable),
    ],
)
def test_an_answer_without_a_code_blames_the_right_one(
    status: int, body: bytes, grant_type: str, kind: type[OAuthError]
) -> None:
    with pytest.raises(kind):
        read_raw(body, status, grant_type)


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("grant_type", ["authorization_code", "client_credentials", ""])
def test_a_403_or_429_is_not_permanent_elsewhere(status: int, grant_type: str) -> None:
    with pytest.raises(OAuthError) as caught:
        read_raw(b"", status, grant_type)
    assert not caught.value.permanent


def test_only_a_refusal_is_permanent() -> None:
    assert [kind.permanent for kind in (Refused, Unreachable, Misconfigured, Unusable)] == [True, False, False, False]


@pytest.mark.parametrize("error", [1, True, ["CANARY"], {"message": "CANARY"}, "CANARY free text", "x" * 99])
def test_an_error_that_is_no_code_is_not_repeated(error: object) -> None:
    with pytest.raises(Unusable, match=r"^unknown_error$"):
        read({"error": error}, 400)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("999999999999", 86400.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("1.5", 1.5),
        ("30s", 30.0),
        ("٣", None),
    ],
)
def test_retry_after_in_seconds_is_honoured(header: str, seconds: float | None) -> None:
    with pytest.raises(Unreachable) as caught:
        read_raw(b"", 503, headers={"Retry-After": header})
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(("ahead", "low", "high"), [(90, 80, 90), (-90, 0, 0), (10**6, 86400, 86400)])
def test_retry_after_as_a_date_is_honoured(ahead: int, low: float, high: float) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
    with pytest.raises(Unreachable) as caught:
        read_raw(b"", 429, headers={"Retry-After": date})
    assert caught.value.retry_after is not None
    assert low <= caught.value.retry_after <= high
