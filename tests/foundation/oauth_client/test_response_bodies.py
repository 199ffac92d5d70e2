"""Errors and tokens are found in bodies of any shape that servers send, and nothing is made of the others."""

import pytest

from foundation.oauth_client import answers, response_bodies
from foundation.oauth_client.errors import OAuthError, Refused, Unexplained, Unusable
from tests.foundation.oauth_client.responses import response


def refused(status: int, body: bytes, **headers: str) -> OAuthError:
    with pytest.raises(OAuthError) as raised:
        answers.parse_token_answer(
            response(status, body, {name.replace("_", "-"): value for name, value in headers.items()}),
            grant_type="refresh_token",
        )
    return raised.value


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, b'\xef\xbb\xbf{"error": "invalid_grant"}', {"Content_Type": "text/html"}),
        (400, '{"error": "invalid_grant"}'.encode("utf-16"), {}),
        (
            400,
            b'{"error":"invalid_grant","error_description":"expir\xe9"}',
            {"Content_Type": "text/json;charset=latin1"},
        ),
        (400, b'{"error":"invalid_grant","error_description":"expir\xe9"}', {}),
        (200, b'callback( {"error":"invalid_grant","error_description":"x"} );', {"Content_Type": "text/html"}),
        (400, b')]}\'\n{"error":"invalid_grant"}', {}),
        (
            400,
            b'<?xml version="1.0"?><OAuth><message>gone</message><error>invalid_grant</error></OAuth>',
            {"Content_Type": "application/xml"},
        ),
        (400, b"invalid_grant", {"Content_Type": "text/plain"}),
        (400, b'"invalid_grant"', {}),
        (400, "error=invalid_grant&error_description=expiré".encode(), {}),
        (401, b"", {"WWW_Authenticate": 'Bearer realm="x", error="invalid_grant", error_description="gone"'}),
    ],
)
def test_a_dead_refresh_token_is_known_in_any_body(status: int, body: bytes, headers: dict[str, str]) -> None:
    error = refused(status, body, **headers)
    assert (type(error), error.code) == (Refused, "invalid_grant")


def test_the_reason_is_read_in_the_charset_that_the_response_names() -> None:
    body = '{"error":"invalid_grant","error_description":"Jeton expiré"}'.encode("latin-1")
    assert refused(400, body, Content_Type="application/json; charset=ISO-8859-1").reason == "Jeton expiré"


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html><head><title>invalid_grant</title></head><body><p>invalid_grant</p></body></html>",
        b'<?xml version="1.0"?><!-- page --><html xmlns="http://www.w3.org/1999/xhtml"><p>invalid_grant</p></html>',
        b"The server has heard of invalid_grant.",
        b"<a><b><c></c></b></a>",
    ],
)
def test_a_page_ends_nothing(body: bytes) -> None:
    error = refused(400, body)
    assert isinstance(error, Unusable)
    assert not isinstance(error, Refused | Unexplained)


def test_tokens_in_a_letter_that_is_no_text_are_refused() -> None:
    with pytest.raises(Unusable, match="malformed_access_token"):
        answers.parse_token_answer(response(200, b'{"access_token": "t\xe9"}'))
    fine = answers.parse_token_answer(response(200, b'{"access_token": "t", "name": "Ren\xe9"}'))
    assert fine.access_token == "t"


@pytest.mark.parametrize("spelling", ["accessToken", "AccessToken", "Access_Token", "access-token", "ACCESS_TOKEN"])
def test_a_token_is_found_by_any_spelling_of_its_member(spelling: str) -> None:
    body = f'{{"{spelling}": "t", "RefreshToken": "r", "expireIn": 60}}'.encode()
    answer = answers.parse_token_answer(response(200, body))
    assert (answer.access_token, answer.refresh_token, answer.expires_in) == ("t", "r", 60)


def test_the_member_of_the_standard_counts_first() -> None:
    answer = answers.parse_token_answer(response(200, b'{"accessToken": "theirs", "access_token": "t"}'))
    assert answer.access_token == "t"


def test_who_gets_no_token_reads_which_members_there_are() -> None:
    with pytest.raises(Unusable) as raised:
        answers.parse_token_answer(
            response(200, b'{"code": 0, "bot": {"access_token": "CANARY"}, "user": {"access_token": "CANARY"}}')
        )
    assert raised.value.code == "no_access_token"
    assert "bot/access_token, user/access_token" in raised.value.description
    assert "CANARY" not in str(raised.value.description)


@pytest.mark.parametrize(("separator", "scope"), [("+", "read+write"), (";", "read;write"), (" ", "read write")])
def test_scopes_are_separated_as_in_requests(separator: str, scope: str) -> None:
    body = f'{{"access_token": "t", "scope": "{scope}"}}'.encode()
    answer = answers.parse_token_answer(response(200, body), scope_separator=separator)
    assert answer.scopes == ("read", "write")


def test_scopes_that_are_no_texts_tell_nothing() -> None:
    body = b'{"access_token": "t", "scope": [{"name": "read"}], "refresh_token": false}'
    answer = answers.parse_token_answer(response(200, body))
    assert (answer.scopes, answer.refresh_token) == (None, "")


def test_a_charset_that_is_none_of_texts_is_not_used() -> None:
    assert response_bodies.decode_text(b"a\xe9-", "text/plain; charset=punycode") == "a\N{REPLACEMENT CHARACTER}-"


def test_of_xml_only_a_small_document_is_read() -> None:
    element = b"<a>1</a>"
    assert response_bodies.xml_members(b"<r>" + element + b"</r>") == {"a": "1"}
    assert response_bodies.xml_members(b"<r>" + element * 10_000 + b"</r>") is None
