"""Extensions of token requests that providers require: extra parameters, and another URL for renewals."""

from collections.abc import Callable

import pytest

from foundation.oauth_client import client
from foundation.oauth_client.answers import TokenAnswer
from foundation.oauth_client.client import Registration
from foundation.oauth_client.errors import Unreachable
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
