"""What a server says of a refusal is shown without what it was sent, wherever in the request that stood."""

from typing import Any

import pytest

from foundation.oauth_client import error_reasons, transport
from tests.servers.hostile import HostileServer

SECRET = "canary.secret-12345"


@pytest.mark.parametrize(
    "content",
    [
        {"params": {"access_token": SECRET}},
        {"params": {"anything": SECRET}},
        {"data": {"client_secret": SECRET}},
        {"json": {"first": [{"second": SECRET}]}},
        {"json": [SECRET]},
        {"headers": {"X-Api-Key": SECRET}},
        {"headers": {"X-Api-Key": f"Key {SECRET}"}},
        {"headers": {"Authorization": b"Bearer " + SECRET.encode()}},
        {"path": f"/tokens/{SECRET}/permissions"},
    ],
    ids=str,
)
def test_a_server_that_repeats_a_secret_is_not_repeated(content: dict[str, Any], provider: HostileServer) -> None:
    path = content.pop("path", "/token")
    provider.on(f"POST {path}").answer(text=f"cannot use {SECRET} here")
    response = transport.request("POST", provider.url + path, **content)
    response.request.headers.clear()  # as calls take the token out before their caller gets the response
    assert error_reasons.reason_in(response.text, response) == "cannot use … here"


def test_a_request_that_cannot_be_read_has_no_reason(provider: HostileServer) -> None:
    provider.on("POST /token").answer(text=f"cannot use {SECRET} here")
    response = transport.request("POST", f"{provider.url}/token", data=SECRET.encode())
    assert error_reasons.reason_in(response.text, response) == ""


def test_ordinary_words_of_a_request_are_no_secrets(provider: HostileServer) -> None:
    provider.on("POST /oauth2/revocations").answer(text="application/json is no type for revocations by offline_access")
    url, scope = f"{provider.url}/oauth2/revocations", {"scope": "offline_access"}
    response = transport.request("POST", url, headers={"Accept": "application/json"}, data=scope)
    assert error_reasons.reason_in(response.text, response) == response.text


@pytest.mark.timeout(10)
@pytest.mark.parametrize("secret", ["ab " * 5300 + "Z", "ab " * 500 + "Z", "x" * 300_000])
def test_neither_a_long_text_nor_a_long_secret_holds_anybody_up(secret: str) -> None:
    assert len(error_reasons.mask_secrets("ab " * 100_000, [secret])) <= error_reasons.LONGEST


def test_where_a_long_text_is_cut_no_part_of_a_secret_is_left() -> None:
    shown = error_reasons.mask_secrets(f"{SECRET} " * 1000, [SECRET])
    assert set(shown) <= {"…", " "}
    assert error_reasons.mask_secrets("x" * 5000, []) == "…"
