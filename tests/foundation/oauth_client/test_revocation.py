"""Revocation requests: which responses confirm, and which error the others become."""

from collections.abc import Callable

import pytest

from foundation.oauth_client import revocation
from foundation.oauth_client.client import Registration
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused, Unreachable, Unusable
from foundation.oauth_client.revocation import GrantTokens
from tests.servers.hostile import HostileServer

Register = Callable[..., Registration]
T = GrantTokens(access_token="t")


@pytest.mark.parametrize("hint", ["refresh_token", "access_token"])
def test_the_token_travels_in_the_body_with_its_hint(hint: str, register: Register, provider: HostileServer) -> None:
    provider.on("POST /revoke").answer(status=200)
    ending = GrantTokens(**{hint: "CANARY"})
    revocation.revoke(register(revocation_url=provider.url + "/revoke?tenant=7"), ending, hint)
    call = provider.calls[0]
    assert call.form == {"token": "CANARY", "token_type_hint": hint}
    assert call.query == "tenant=7"
    assert call.headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200},
        {"status": 204},
        {"text": "<html></html>"},
        {"text": "<!doctype html><html><body><p>Token revoked.</p></body></html>"},
        {"json": {"error": None, "status": "ok"}},
        {"json": {"success": True, "errcode": 0, "revoked": True}},
        {"json": {"error": "invalid_token"}},
        {"status": 400, "json": {"error": "invalid_token"}},
        {"status": 400, "json": {"status": 400, "message": "Invalid token"}},  # Twitch
        {"status": 400, "json": {"error": "invalid_request", "error_description": "Token has already been revoked"}},
        {"json": {"message": "Token revoked"}},
        {"json": {"error": "0", "error_description": ""}},
        {"json": {"error": "success"}},
        {"json": {"code": 0, "msg": "ok"}},
        {"json": {"code": 1, "msg": "success"}},
        {"json": {"code": 200, "errors": []}},
        {"json": {"ok": False, "error": "token_revoked"}},  # Slack
        {"status": 400, "json": {"error": "token_already_revoked"}},
        {"body": b"OK"},
        {"body": b"true"},
    ],
)
def test_a_dead_token_is_confirmed(answer: dict[str, object], register: Register, provider: HostileServer) -> None:
    provider.on("POST /revoke").answer(**answer)
    revocation.revoke(register(), T, "access_token")
    assert len(provider.calls) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ({"status": 503, "headers": {"Retry-After": "5"}}, Unreachable, "http_503"),
        ({"status": 429, "headers": {"Retry-After": "5"}}, Unreachable, "http_429"),
        ({"status": 400, "json": {"error": "unsupported_token_type"}}, Refused, "unsupported_token_type"),
        ({"status": 401, "json": {"error": "invalid_client"}}, Misconfigured, "invalid_client"),
        ({"status": 401}, Misconfigured, "http_401"),
        ({"status": 403}, Unreachable, "http_403"),
        ({"status": 404}, Misconfigured, "http_404"),
        ({"status": 202}, Unusable, "http_202"),
        ({"close": True}, Unreachable, "connection_failed"),
        ({"json": {"error": "invalid_client"}}, Misconfigured, "invalid_client"),
        ({"json": {"error": "no_idea"}}, Unusable, "no_idea"),
        ({"json": {"ok": False}}, Unusable, "unknown_error"),
        ({"json": {"success": False, "message": "x"}}, Unusable, "http_200"),
        ({"json": {"status": "error", "message": "Token not found"}}, Unusable, "http_200"),
        ({"json": {"errcode": 40001, "errmsg": "x"}}, Unusable, "http_200"),
        ({"json": {"revoked": False}}, Unusable, "http_200"),
        ({"json": {"success": "false"}}, Unusable, "http_200"),
        ({"json": {"Success": False}}, Unusable, "http_200"),
        ({"json": {"code": 40001, "message": "invalid token"}}, Unusable, "http_200"),
        ({"json": {"ret": "-1"}}, Unusable, "http_200"),
        ({"json": {"status": 400, "message": "Bad Request"}}, Unusable, "http_200"),
        ({"json": {"statusCode": 401, "message": "Unauthorized"}}, Unusable, "http_200"),
        ({"json": {"errors": [{"message": "x"}]}}, Unusable, "http_200"),
        ({"body": b"false"}, Unusable, "http_200"),
        ({"body": b"invalid_client"}, Misconfigured, "invalid_client"),
        # Pages for people: of a sign-in, of an error, of an application that answers so at each address
        ({"text": "<html>Whatever"}, Unusable, "unexpected_answer"),
        (
            {"text": "<!DOCTYPE html><title>Log in</title><form><input type=password></form>"},
            Unusable,
            "unexpected_answer",
        ),
        (
            {"text": "<!-- x --><html><body><div id=root></div><script src=/app.js></script>"},
            Unusable,
            "unexpected_answer",
        ),
        ({"text": "<html><title>Error</title><body>Something went wrong</body>"}, Unusable, "unexpected_answer"),
        ({"json": {"isError": True, "message": "x"}}, Unusable, "http_200"),
        ({"json": {"hasErrors": True}}, Unusable, "http_200"),
        ({"json": {"succeeded": False}}, Unusable, "http_200"),
        ({"json": {"data": {"revoked": False}}}, Unusable, "http_200"),
        ({"json": {"data": {"tokenRevoke": {"userErrors": [{"message": "no"}]}}}}, Unusable, "http_200"),
        ({"json": {"result": "failure"}}, Unusable, "http_200"),
        ({"json": {"status": "NOK"}}, Unusable, "http_200"),
        ({"json": {"active": True}}, Unusable, "http_200"),
        ({"json": {"message": "Unable to revoke token"}}, Unusable, "http_200"),
        ({"json": {"message": "Token revocation failed"}}, Unusable, "http_200"),
        ({"json": {"detail": "Authentication credentials were not provided."}}, Unusable, "http_200"),
        ({"body": b"Unauthorized"}, Unusable, "http_200"),
        ({"body": b"ERROR"}, Unusable, "http_200"),
        ({"status": 400, "json": {"message": "Token not found"}}, Unusable, "http_400"),  # at another data centre?
        ({"status": 400, "json": {"message": "The client was already registered"}}, Unusable, "http_400"),
    ],
)
def test_other_responses_raise_the_right_error(
    answer: dict[str, object], kind: type[OAuthError], code: str, register: Register, provider: HostileServer
) -> None:
    provider.on("POST /revoke").answer(**answer)
    with pytest.raises(kind) as caught:
        revocation.revoke(register(), T, "access_token")
    assert caught.value.code == code


def test_retry_after_is_reported(register: Register, provider: HostileServer) -> None:
    provider.on("POST /revoke").answer(status=503, headers={"Retry-After": "7"})
    with pytest.raises(Unreachable) as caught:
        revocation.revoke(register(), T, "access_token")
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    status: int, register: Register, provider: HostileServer, evil_host: HostileServer
) -> None:
    provider.on("POST /revoke").answer(status=status, redirect=evil_host.url)
    with pytest.raises(Misconfigured, match="redirected"):
        revocation.revoke(register(), T, "access_token")
    assert evil_host.connections == 0


def test_without_an_endpoint_nothing_is_pretended(register: Register) -> None:
    with pytest.raises(Misconfigured, match="bad_url"):
        revocation.revoke(register(revocation_url=""), T, "access_token")
