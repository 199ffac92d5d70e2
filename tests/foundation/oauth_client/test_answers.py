"""Every response of a token endpoint becomes a TokenAnswer or the right one of our errors."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.oauth_client import answers
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.errors import OAuthError, Refused, Unusable
from foundation.oauth_client.granted_members import MAX_LIFETIME
from tests.foundation.oauth_client.responses import response

FINE = {"access_token": "a", "token_type": "Bearer"}


def read(members: object, status: int = 200, grant_type: str = "", token_path: str = "") -> TokenAnswer:
    return answers.parse_token_answer(
        response(status, json.dumps(members).encode()), grant_type=grant_type, token_path=token_path
    )


def read_raw(
    body: bytes, status: int = 200, grant_type: str = "", headers: Mapping[str, str] | None = None
) -> TokenAnswer:
    return answers.parse_token_answer(response(status, body, headers), grant_type=grant_type)


def test_a_plain_answer_is_understood() -> None:
    answer = read({**FINE, "refresh_token": "r", "expires_in": 3600, "scope": "a b", "id_token": "x.y.z"})
    assert (answer.access_token, answer.refresh_token, answer.expires_in) == ("a", "r", 3600)
    assert (answer.scopes, answer.token_type, answer.claims) == (("a", "b"), "Bearer", {})


def test_no_secret_is_in_the_repr() -> None:
    answer = read({"access_token": "CANARY-1", "refresh_token": "CANARY-2", "id_token": "CANARY-3"})
    assert "CANARY" not in repr(answer)


@pytest.mark.parametrize(
    ("value", "understood"),
    [
        (3600, 3600),
        ("3600", 3600),
        ("3600.0", 3600),
        (" 60 ", 60),
        (59.9, 59),
        ("PT1H", 3600),
        ("P60D", 5184000),
        ("P1DT30M", 88200),
        ("3599s", 3599),
        ("3599.5 seconds", 3599),
        (0, None),  # VK, Mailchimp: never
        ("0", None),
        (-1, None),
        ("-5", None),
        ("P", None),
        ("60m", None),  # minutes or months?
        (None, None),
        ("", None),
        ("abc", None),
        ("nan", None),
        (True, None),
        (False, None),
        ([], None),
        ([60], None),
        ({}, None),
        (10**18, MAX_LIFETIME),
        (10**400, MAX_LIFETIME),
        (-(10**400), None),
        ("1e400", MAX_LIFETIME),
    ],
)
def test_a_lifetime_in_any_shape_is_seconds_or_none(value: object, understood: int | None) -> None:
    assert read({**FINE, "expires_in": value}).expires_in == understood


@pytest.mark.parametrize(("literal", "understood"), [(b"1e400", MAX_LIFETIME), (b"NaN", None), (b"-Infinity", None)])
def test_numbers_that_json_forbids_do_not_lose_the_token(literal: bytes, understood: int | None) -> None:
    assert read_raw(b'{"access_token": "a", "expires_in": ' + literal + b"}").expires_in == understood


NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
IN_AN_HOUR = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("members", "understood"),
    [
        ({"expires_at": int(IN_AN_HOUR.timestamp())}, 3600),
        ({"expires_at": str(int(IN_AN_HOUR.timestamp() * 1000))}, 3600),
        ({"expires_at": IN_AN_HOUR.isoformat()}, 3600),
        ({"expires_on": "2026-11-29T14:00:00+01:00"}, 3600),
        ({"expires_in": "2026-11-29T13:00:00.000Z"}, 3600),
        ({"expires_in": 60, "expires_at": int(IN_AN_HOUR.timestamp())}, 60),
        ({"expires_in": int(IN_AN_HOUR.timestamp())}, 3600),
        ({"expires_in": str(int(IN_AN_HOUR.timestamp() * 1000))}, 3600),
        ({"expires": 5184000}, 5184000),  # Stack Exchange
        ({"expires": int(IN_AN_HOUR.timestamp())}, 3600),
        ({".expires": "Sun, 29 Nov 2026 13:00:00 GMT"}, 3600),  # ASP.NET
        ({"accessTokenExpiresAt": IN_AN_HOUR.isoformat()}, 3600),
        ({"expireIn": 7200}, 7200),  # DingTalk
        ({"expiry": 3600}, None),
        ({"expires_at": "2026-11-29T13:00:00"}, None),  # of which zone?
        ({"expires_at": "2026-11-29T11:00:00Z"}, None),
        ({"expires_at": 3600}, None),
        ({"expires_at": "soon"}, None),
    ],
)
def test_a_moment_in_place_of_a_lifetime_is_read_if_it_can_mean_one_thing(
    members: dict[str, object], understood: int | None
) -> None:
    with time_machine.travel(NOW, tick=False):
        assert read({**FINE, **members}).expires_in == understood


def test_a_missing_lifetime_is_not_told() -> None:
    assert read(FINE).expires_in is None


@pytest.mark.parametrize("name", ["refresh_expires_in", "refresh_token_expires_in", "x_refresh_token_expires_in"])
def test_the_refresh_lifetime_has_several_names(name: str) -> None:
    assert read({**FINE, name: "8640000"}).refresh_expires_in == 8640000


def test_a_refresh_lifetime_of_zero_means_no_end() -> None:
    assert read({**FINE, "refresh_expires_in": 0}).refresh_expires_in is None


@pytest.mark.parametrize(
    ("value", "understood"),
    [
        ("a b", ("a", "b")),
        ("a,b", ("a", "b")),
        ("a, b  c", ("a", "b", "c")),
        (["a", "b"], ("a", "b")),
        ("", None),
        ([], ()),
        (["a", 1, None], ("a",)),
        (None, None),
        (5, None),
        ({"a": 1}, None),
        ("a a", ("a",)),
        ("a\x00b c", ("c",)),
        (["a b", "c"], ("a", "b", "c")),
        ('["a","b"]', ("a", "b")),
        ("[a, b]", ("a", "b")),
        ("null", None),
        ("[]", None),
        ("a+b", ("a+b",)),
    ],
)
def test_scopes_in_any_shape_are_words_or_none(value: object, understood: tuple[str, ...] | None) -> None:
    assert read({**FINE, "scope": value}).scopes == understood


MANY = [f"s{number}" for number in range(100_000)]


@pytest.mark.parametrize("value", [" ".join(MANY), MANY, "x" * 900_000], ids=["text", "list", "one"])
def test_too_many_scopes_are_none_and_the_token_is_kept(value: object) -> None:
    answer = read({**FINE, "scope": value})
    assert (answer.access_token, answer.scopes) == ("a", None)


@pytest.mark.parametrize("token_type", ["Bearer", "bEaReR", "bearer", None, ""])
def test_a_bearer_by_any_case_is_accepted(token_type: str | None) -> None:
    assert read({**FINE, "token_type": token_type}).token_type == "Bearer"
    assert read({"access_token": "a"}).token_type == "Bearer"


@pytest.mark.parametrize("token_type", ["mac", "DPoP", "N_A", 1, True, [], {}])
def test_a_token_of_another_type_is_refused(token_type: object) -> None:
    with pytest.raises(Unusable, match="unsupported_token_type"):
        read({**FINE, "token_type": token_type})


BAD_TOKENS = [
    1,
    True,
    [],
    {},
    "a\r\nX: y",
    "a\nb",
    "a\x00",
    "\x7f",
    "a\x85b",
    "a\u2028b",
    "\ud800",
    " a",
    "a ",
    "é" * 33_000,
]


@pytest.mark.parametrize("token", [None, "", *BAD_TOKENS])
def test_an_access_token_that_no_header_can_carry_is_refused(token: object) -> None:
    with pytest.raises(Unusable, match="access_token"):
        read({**FINE, "access_token": token})


@pytest.mark.parametrize("token", [token for token in BAD_TOKENS if token != {}])  # an object may hold none
def test_a_refresh_token_of_that_kind_is_refused_too(token: object) -> None:
    with pytest.raises(Unusable, match="refresh_token"):
        read({**FINE, "refresh_token": token})


@pytest.mark.parametrize("token", [None, "", " ", "null", "None", "undefined"])
def test_no_new_refresh_token_is_an_empty_one(token: object) -> None:
    assert read({**FINE, "refresh_token": token}).refresh_token == ""


@pytest.mark.parametrize("token", ["a" * 12_000, "x" * 65_536, "tökén-☃-密", "a b", "a=b/c+d~"])
def test_a_long_or_foreign_token_is_kept_as_it_is(token: str) -> None:
    assert read({**FINE, "access_token": token}).access_token == token


def test_a_form_is_understood_like_json() -> None:
    answer = read_raw(b"access_token=a%2Bb&scope=repo%2Cgist&token_type=bearer")
    assert (answer.access_token, answer.scopes) == ("a+b", ("repo", "gist"))


def test_a_json_answer_in_the_wrong_charset_header_is_read_as_json() -> None:
    body = json.dumps({"access_token": "tökén"}, ensure_ascii=False).encode()
    assert read_raw(body, headers={"Content-Type": "application/json; charset=iso-8859-1"}).access_token == "tökén"
    assert read_raw(b"\xef\xbb\xbf" + body).access_token == "tökén"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[1]",
        b'"x"',
        b"7",
        b"true",
        b"<html>Please sign in</html>",
        b'{"access_token": "a"',
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"access_token=a&access_token=b",
        b"access_token",
        b"a=b",
        b"\x00" * 100,
        '{"access_token": "é"}'.encode("latin-1"),
    ],
)
def test_what_is_no_token_answer_is_unusable(body: bytes) -> None:
    with pytest.raises(Unusable):
        read_raw(body)


@pytest.mark.parametrize("error", [None, "", False, [], 0])
def test_an_empty_error_is_none(error: object) -> None:
    assert read({**FINE, "error": error}).access_token == "a"


@pytest.mark.parametrize("error", ["0", "ok", "success", "none", "null"])
def test_a_member_that_is_always_sent_is_no_error_beside_a_token(error: str) -> None:
    assert read({**FINE, "error": error}).access_token == "a"


def test_ok_false_is_an_error() -> None:
    with pytest.raises(Unusable):
        read({**FINE, "ok": False})


# Unusual responses of real providers: the response, the token path of the registry, and the tokens in it.
ODDITIES: dict[str, tuple[object, str, tuple[object, ...]]] = {
    "Slack, a sign-in": (
        {
            "ok": True,
            "access_token": "xoxb-bot",
            "token_type": "bot",
            "scope": "commands",
            "expires_in": 1,
            "authed_user": {
                "id": "U1",
                "access_token": "xoxp-person",
                "token_type": "user",
                "scope": "chat:write,users:read",
                "refresh_token": "xoxe-1",
                "expires_in": 43200,
            },
        },
        "/authed_user",
        ("xoxp-person", "xoxe-1", 43200, ("chat:write", "users:read")),
    ),
    "Slack, a refresh": (
        {"ok": True, "access_token": "xoxe.xoxp-2", "refresh_token": "xoxe-2", "expires_in": 43200, "scope": "a,b"},
        "/authed_user",
        ("xoxe.xoxp-2", "xoxe-2", 43200, ("a", "b")),
    ),
    "two steps down": (
        {"code": 0, "data": {"token/new": {"access_token": "a", "expires_in": "7200"}}},
        "/data/token~1new",
        ("a", "", 7200, None),
    ),
    "another object of that name": ({**FINE, "authed_user": "U1"}, "/authed_user", ("a", "", None, None)),
    "nothing nested asked for": ({**FINE, "authed_user": {"access_token": "b"}}, "", ("a", "", None, None)),
}


@pytest.mark.parametrize(("members", "token_path", "understood"), ODDITIES.values(), ids=ODDITIES)
def test_tokens_are_found_where_the_provider_puts_them(
    members: object, token_path: str, understood: tuple[object, ...]
) -> None:
    answer = read(members, token_path=token_path)
    assert (answer.access_token, answer.refresh_token, answer.expires_in, answer.scopes) == understood
    assert answer.token_type == "Bearer"


def test_a_persons_token_that_is_missing_is_not_replaced_by_the_bots() -> None:
    with pytest.raises(Unusable, match="no_access_token"):
        read({**FINE, "ok": True, "authed_user": {"id": "U1"}}, token_path="/authed_user")


@pytest.mark.parametrize("path", ["", "/authed_user"])
def test_an_error_is_always_at_the_top(path: str) -> None:
    nested = {"authed_user": {**FINE}}
    with pytest.raises(Refused, match="token_revoked"):
        read({"ok": False, "error": "token_revoked", **nested}, token_path=path)
    assert read({**FINE, "authed_user": {**FINE, "error": "invalid_grant"}}, token_path=path).access_token == "a"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
)
NAMES = (
    "access_token",
    "token_type",
    "refresh_token",
    "expires_in",
    "refresh_expires_in",
    "scope",
    "id_token",
    "error",
    "ok",
)
MEMBERS = st.fixed_dictionaries({}, optional={name: ANYTHING | st.just("bearer") for name in NAMES})
NESTED = MEMBERS.map(lambda members: {"a": members, "access_token": "top"})
GRANTS = st.sampled_from(["", "refresh_token", "password", "authorization_code"])


PATHS = st.sampled_from(["", "/a", "/access_token", "/scope/a", "/~1/~0"]) | st.text(max_size=5)


def prove(body: bytes, status: int, grant_type: str, headers: dict[str, str], token_path: str = "") -> None:
    error: OAuthError | None = None
    try:
        answer = answers.parse_token_answer(
            response(status, body, headers), grant_type=grant_type, token_path=token_path
        )
    except OAuthError as caught:
        error = caught
    if error is not None:
        assert re.fullmatch(r"[a-z0-9_]{2,40}", error.code)
    else:
        assert 200 <= status < 300
        assert answer.access_token.isprintable()
        assert answer.expires_in is None or 0 <= answer.expires_in <= MAX_LIFETIME


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200),
    st.integers(200, 599).filter(lambda status: status not in {204, 304}),
    GRANTS,
    st.text(max_size=30),
)
def test_any_bytes_are_an_answer_or_an_error_of_ours(body: bytes, status: int, grant_type: str, text: str) -> None:
    prove(body, status, grant_type, {"Retry-After": text, "Content-Type": text})


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(NESTED | MEMBERS | ANYTHING, st.sampled_from([200, 200, 201, 400, 401, 403, 500]), GRANTS, PATHS)
def test_any_json_is_an_answer_or_an_error_of_ours(document: object, status: int, grant_type: str, path: str) -> None:
    prove(json.dumps(document).encode(), status, grant_type, {}, path)
