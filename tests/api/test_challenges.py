"""Why an API refused a call, as a program behind the proxy reads it."""

import gzip
import json
from typing import Any

import pytest
from django.test import Client

from integrations.models import Alias, ApplicationRegistry, Token
from tests import walks
from tests.api.proxying import API, BASE, body
from tests.integrations.renewing import ASKED, GRANTED
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NO_SCOPE = (
    'Bearer error="insufficient_scope", scope="files:read files:write", '
    'resource_metadata="https://mcp.example/.well-known/oauth-protected-resource"'
)


def ours(answer: walks.Page) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("Keyrack-")}


def refuse(server: HostileServer, **answer: Any) -> None:
    server.on(f"GET {API}").always(**answer)


def test_the_challenge_and_the_missing_scopes_reach_the_program(
    caller: Client, server: HostileServer, signed_in: Alias
) -> None:
    registry = walks.registry_of(signed_in)
    registry.scopes.create(scope="files:write", name="Write files")
    Token.objects.update(scopes=["read", "files:read"])
    refuse(server, status=403, json={"error": "insufficient_scope"}, headers={"WWW-Authenticate": NO_SCOPE})
    answer = caller.get(f"{BASE}contacts")
    assert (answer.status_code, json.loads(body(answer))) == (403, {"error": "insufficient_scope"})
    assert "WWW-Authenticate" not in answer
    assert ours(answer) == {
        "Keyrack-Challenge": NO_SCOPE,
        "Keyrack-Reason": "insufficient_scope",
        "Keyrack-Missing-Scopes": "files:write",
        "Keyrack-Initiator-Url": f"{walks.start_url(signed_in)}&scope=files%3Awrite",
    }
    assert Token.objects.get().lacking_scopes == ["files:write"]


def test_a_scope_that_the_administrator_has_not_set_up_is_named(caller: Client, server: HostileServer) -> None:
    refuse(server, status=403, headers={"WWW-Authenticate": NO_SCOPE})
    told = ours(caller.get(f"{BASE}contacts"))
    assert told["Keyrack-Unknown-Scopes"] == told["Keyrack-Missing-Scopes"] == "files:read files:write"
    assert "Keyrack-Initiator-Url" not in told


@pytest.mark.parametrize("challenge", ['Basic realm="x"', "Negotiate", 'Bearer realm="a\x01b"', "Bearers of rings"])
def test_other_challenges_are_not_passed_on(challenge: str, caller: Client, server: HostileServer) -> None:
    refuse(server, status=403, headers={"WWW-Authenticate": challenge})
    assert ours(caller.get(f"{BASE}contacts")) == {}


def test_a_challenge_of_a_good_answer_is_passed_on(caller: Client, server: HostileServer) -> None:
    refuse(server, status=200, headers={"WWW-Authenticate": 'DPoP algs="ES256"'})
    assert ours(caller.get(f"{BASE}contacts")) == {"Keyrack-Challenge": 'DPoP algs="ES256"'}


def test_scopes_in_a_body_are_understood_and_the_body_is_complete(caller: Client, server: HostileServer) -> None:
    """Also if it is compressed, and longer than what is looked at."""
    content = {"error": "missing_scope", "needed": "channels:read", "more": "x" * 50}
    packed = gzip.compress(json.dumps(content).encode())
    refuse(server, status=403, body=packed, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})
    answer = caller.get(f"{BASE}contacts", headers={"Accept-Encoding": "gzip"})
    assert ours(answer)["Keyrack-Missing-Scopes"] == "channels:read"
    assert body(answer) == packed
    long = "Missing scopes: a.b" + "x" * 300_000
    refuse(server, status=403, text=long)
    assert body(caller.get(f"{BASE}contacts")).decode() == long


def test_a_refused_token_is_renewed_for_a_post_with_its_body(caller: Client, server: HostileServer) -> None:
    server.on(f"POST {API}").answer(
        status=401, json=[{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    )
    server.on(f"POST {API}").answer(status=201, json={"id": "1"})
    server.on(ASKED).answer(json=GRANTED)
    answer = caller.post(f"{BASE}contacts", {"a": 1}, content_type="application/json")
    assert (answer.status_code, ours(answer)) == (201, {})
    assert [call.json for call in server.calls_to(f"POST {API}")] == [{"a": 1}, {"a": 1}]


def test_a_body_too_long_for_a_second_time_is_sent_once(caller: Client, server: HostileServer) -> None:
    server.on(f"POST {API}").always(status=401)
    server.on(ASKED).answer(json=GRANTED)
    answer = caller.post(f"{BASE}contacts", b"x" * 300_000, content_type="application/octet-stream")
    assert (answer.status_code, ours(answer)) == (401, {"Keyrack-Reason": "token_refused"})
    assert [call.path for call in server.calls] == [API, "/token"]
    assert Token.objects.get().access_token == "CANARY-access-2"


def test_a_200_can_say_it_as_the_profile_says(caller: Client, server: HostileServer) -> None:
    refuse(server, json={"state": "error", "why": "more_scope", "which": "channels:read"})
    assert ours(caller.get(f"{BASE}contacts")) == {}
    rule = {"request": "call", "when": [{"at": "/why", "equals": "more_scope"}], "means": "scope_missing"}
    ApplicationRegistry.objects.update(provider_profile={"rules": [{**rule, "scopes": {"at": "/which"}}]})
    answer = caller.get(f"{BASE}contacts")
    assert ours(answer)["Keyrack-Missing-Scopes"] == "channels:read"
    assert json.loads(body(answer))["why"] == "more_scope"


def test_a_stream_of_events_is_passed_on_as_it_comes(caller: Client, server: HostileServer) -> None:
    """Although the profile has rules about bodies: the first event would wait for the last."""
    rule = {"request": "call", "when": [{"at": "/error", "equals": "x"}], "means": "wait"}
    ApplicationRegistry.objects.update(provider_profile={"rules": [rule]})
    refuse(server, text="data: 1\n\n", endless=True, headers={"Content-Type": "text/event-stream"})
    answer = caller.get(f"{BASE}contacts")
    assert next(iter(answer.streaming_content)).startswith(b"data: 1")  # type: ignore[attr-defined]
    answer.close()


def test_a_wait_that_headers_name_in_another_way_becomes_retry_after(caller: Client, server: HostileServer) -> None:
    refuse(server, status=429, headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "20"})
    answer = caller.get(f"{BASE}contacts")
    assert (answer.status_code, ours(answer), answer["Retry-After"]) == (429, {"Keyrack-Reason": "rate_limited"}, "20")


def test_a_refusal_that_breaks_off_is_as_broken_for_the_program(caller: Client, server: HostileServer) -> None:
    refuse(server, status=403, json={"error": "missing_scope"}, truncated=True)
    answer = caller.get(f"{BASE}contacts")
    assert (answer.status_code, answer.json()["error"]) == (502, "provider_unreachable")
