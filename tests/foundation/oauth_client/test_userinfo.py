"""Userinfo requests in the forms that providers require, and the headers that can carry a token."""

from collections.abc import Callable
from typing import Any

import pytest

from foundation.oauth_client import client, dialects
from foundation.oauth_client.client import Registration
from foundation.oauth_client.dialects import BadDialect
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unusable
from tests.servers.hostile import HostileServer

Register = Callable[..., Registration]
TOKEN = "CANARY-access-é"
QUERY = {"query": "{ viewer { id } }"}


@pytest.mark.parametrize(("sent", "arrives"), [(QUERY, QUERY), (None, None), ([], [])])
def test_it_can_be_asked_by_a_post_of_any_json(
    sent: object, arrives: object, register: Register, provider: HostileServer
) -> None:
    provider.on("POST /userinfo").answer(json={"data": {"id": 7}})
    claims = client.userinfo(register(userinfo_request={"method": "POST", "json": sent}), "CANARY-access")
    [call] = provider.calls
    assert (claims, call.json) == ({"data": {"id": 7}}, arrives)
    assert call.body
    assert call.headers["content-type"] == "application/json"
    assert call.headers["authorization"] == "Bearer CANARY-access"


def test_a_post_without_json_has_no_body(register: Register, provider: HostileServer) -> None:
    provider.on("POST /userinfo").answer(json={})
    client.userinfo(register(userinfo_request={"method": "POST"}), "CANARY-access")
    assert provider.calls[0].body == b""


def test_the_headers_of_calls_and_its_own_go_along(register: Register, provider: HostileServer) -> None:
    provider.on("GET /userinfo").answer(json={})
    definition = {"headers": {"Authorization": "OAuth {access_token}"}}
    client.userinfo(register(call_headers={"Client-Id": "{client_id}"}, userinfo_request=definition), TOKEN)
    headers = provider.calls[0].headers
    assert headers["client-id"] == "keyrack"
    assert headers["authorization"].encode("latin-1").decode() == f"OAuth {TOKEN}"


def test_it_can_be_asked_where_the_token_answer_led(
    register: Register, provider: HostileServer, evil_host: HostileServer
) -> None:
    provider.on("GET /userinfo").always(json={"sub": "a"})
    registration = register(userinfo_url=f"{evil_host.url}/userinfo", userinfo_request={"at_base_url": True})
    assert client.userinfo(registration, TOKEN, base_url=provider.url) == {"sub": "a"}
    assert not evil_host.calls


def test_a_base_url_changes_nothing_unless_the_request_says_so(
    register: Register, provider: HostileServer, evil_host: HostileServer
) -> None:
    provider.on("GET /userinfo").answer(json={"sub": "a"})
    assert client.userinfo(register(), TOKEN, base_url=evil_host.url) == {"sub": "a"}


def test_a_refusal_that_calls_itself_a_success_is_none(register: Register, provider: HostileServer) -> None:
    provider.on("GET /userinfo").answer(json={"ok": False, "error": "invalid_auth"})
    with pytest.raises(Unusable, match="invalid_auth"):
        client.userinfo(register(), TOKEN)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ([], "is a JSON object"),
        ({"surprise": 1}, "“surprise” is not known in a userinfo request"),
        ({"method": "DELETE"}, "“method” is one of GET, POST."),
        ({"json": {}}, "A GET has no body"),
        ({"at_base_url": "yes"}, "true or false"),
        ({"headers": {"X": "{client_secret}"}}, "cannot hold {client_secret}"),
        ({"headers": {"X": "{weather}"}}, "{weather}, which is not known"),
        ({"headers": {"Authorization": "Basic x"}}, "must hold {access_token}"),
        ({"headers": {"Host": "evil.example"}}, "The header Host cannot be set."),
        ({"headers": {"X": 1}}, "header names and texts"),
    ],
)
def test_a_request_that_could_not_work_is_refused_in_words(
    request_: Any, sentence: str, register: Register, provider: HostileServer
) -> None:
    with pytest.raises(BadDialect) as caught:
        dialects.parse_userinfo_request(request_)
    assert sentence in str(caught.value)
    with pytest.raises(Misconfigured):
        client.userinfo(register(userinfo_request=request_), TOKEN)
    assert not provider.calls


@pytest.mark.parametrize("raw", [[], "X: y", {"X y": "z"}, {"X": "a\nb"}, {"X": "{token}"}, {"X": "{"}])
def test_headers_that_could_not_work_stop_a_call_as_our_own_fault(raw: Any) -> None:
    with pytest.raises(OAuthError, match="bad_call_headers"):
        dialects.build_headers(raw, client_id="keyrack", access_token=TOKEN)


def test_a_client_id_cannot_end_a_header() -> None:
    with pytest.raises(Misconfigured, match="bad_client_id"):
        dialects.build_headers({"Client-Id": "{client_id}"}, client_id="a\r\nX: y", access_token=TOKEN)


def test_where_no_header_holds_the_token_it_goes_as_a_bearer() -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}".encode()}
    assert dialects.build_headers({}, client_id="keyrack", access_token=TOKEN) == bearer
    assert dialects.build_headers({"V": "1"}, client_id="k", access_token=TOKEN) == {"V": b"1", **bearer}
    assert dialects.build_headers({"X-T": "{access_token}"}, client_id="k", access_token=TOKEN) == {
        "X-T": TOKEN.encode()
    }
