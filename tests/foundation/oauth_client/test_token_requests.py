"""Extensions of token requests that providers require: extra parameters, and another URL for renewals."""

import json
from collections.abc import Callable

import pytest

from foundation.oauth_client import client
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.client import Registration
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable
from tests.servers.hostile import HostileServer

Register = Callable[..., Registration]
TOKEN = {"access_token": "CANARY-access", "token_type": "Bearer"}
GRANTS: dict[str, Callable[[Registration], TokenAnswer]] = {
    "authorization_code": lambda ours: client.exchange(
        ours, code="c", redirect_uri="https://h", code_verifier="v" * 43
    ),
    "refresh_token": lambda ours: client.refresh(ours, refresh_token="r"),
    "password": lambda ours: client.password(ours, username="amira", password="p", scopes=["read"]),
    "client_credentials": lambda ours: client.client_credentials(ours, scopes=["read"]),
}


@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.parametrize("way", ["client_secret_basic", "client_secret_post"])
def test_token_parameters_go_with_every_grant_and_touch_nothing_else(
    way: str, grant: str, register: Register, provider: HostileServer
) -> None:
    provider.on("POST /token").always(json=TOKEN)
    GRANTS[grant](register(client_authentication=way))
    GRANTS[grant](register(client_authentication=way, token_parameters={"expires_in": "1800", "timeout": "a&b=c"}))
    plain, special = (call.form for call in provider.calls)
    assert plain["grant_type"] == grant
    assert special == {**plain, "expires_in": "1800", "timeout": "a&b=c"}


def test_a_renewal_goes_to_the_refresh_url_and_nothing_else_does(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").always(json=TOKEN)
    provider.on("POST /refresh").always(json={**TOKEN, "access_token": "CANARY-new"})
    ours = register(refresh_url=f"{provider.url}/refresh")
    access_tokens = {grant: request_tokens(ours).access_token for grant, request_tokens in GRANTS.items()}
    assert access_tokens == {**dict.fromkeys(GRANTS, "CANARY-access"), "refresh_token": "CANARY-new"}
    [renewal] = provider.calls_to("POST /refresh")
    assert renewal.form == {"grant_type": "refresh_token", "refresh_token": "r"}
    assert renewal.headers["authorization"].startswith("Basic ")


def test_a_refresh_url_that_does_not_answer_is_not_replaced_by_the_token_url(
    register: Register, provider: HostileServer
) -> None:
    provider.on("POST /refresh").always(status=503)
    with pytest.raises(Unreachable):
        client.refresh(register(refresh_url=f"{provider.url}/refresh"), refresh_token="r")
    assert not provider.calls_to("POST /token")


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 415},
        {"status": 400, "json": {"error": "invalid_request", "message": "Content-Type must be application/json"}},
        {"status": 400, "text": "Unsupported media type: only application/json is supported"},
    ],
)
def test_a_server_that_wants_json_gets_it(
    refusal: dict[str, object], register: Register, provider: HostileServer
) -> None:
    provider.on("POST /token").answer(**refusal).answer(json=TOKEN)
    answer = GRANTS["authorization_code"](register(client_authentication="client_secret_post"))
    assert answer.access_token == "CANARY-access"
    form, asked_again = provider.calls
    assert asked_again.headers["content-type"] == "application/json"
    assert json.loads(asked_again.body) == form.form


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 400, "json": {"error": "invalid_grant"}},
        {"status": 400, "text": "Bad JSON"},
        {"status": 500},
        # The request is repeated in the answer, and what it held was read.
        {"status": 400, "json": {"error": "invalid_grant", "headers": {"content-type": "x", "a": "application/json"}}},
        {"status": 400, "json": {"error": "invalid_client", "hint": "Content-Type: application/json is supported"}},
    ],
)
def test_no_other_refusal_is_asked_again(
    refusal: dict[str, object], register: Register, provider: HostileServer
) -> None:
    provider.on("POST /token").answer(**refusal)
    with pytest.raises(OAuthError):
        GRANTS["refresh_token"](register())
    assert len(provider.calls) == 1


def test_a_server_that_wants_neither_is_asked_twice(register: Register, provider: HostileServer) -> None:
    provider.on("POST /token").always(status=415)
    with pytest.raises(Misconfigured, match="http_415"):
        GRANTS["refresh_token"](register())
    assert len(provider.calls) == 2
