"""An API refuses the token before it expires: what counts as that, what a renewal cures, and the brake on renewals."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.errors import Unreachable
from integrations import calls
from integrations.models import ApplicationRegistry, HttpConnection, Token
from tests import cast
from tests.conftest import client_of
from tests.integrations.renewing import ASKED, GRANTED, after, in_threads
from tests.servers.hostile import Answer, Call, HostileServer

API = "/api/contacts"
INVALID = {"WWW-Authenticate": 'Bearer realm="x", error="invalid_token"'}
CLAIMS = {
    "WWW-Authenticate": 'Bearer realm="", authorization_uri="https://login.example/authorize", '
    'error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="'
}
DEAD: list[dict[str, Any]] = [
    {"status": 401},
    {"status": 401, "headers": INVALID, "text": ""},
    {"status": 403, "headers": INVALID, "json": {"message": "Invalid access token."}},
    {"status": 400, "headers": INVALID},
    {"status": 403, "json": {"error": "invalid_token"}},
    {"status": 403, "json": {"error": {"code": "ExpiredAuthenticationToken"}}},
    {
        "status": 403,
        "json": {"error": {"message": "The provided authentication is not valid", "code": "InvalidTokenError"}},
    },
    {"status": 400, "json": {"code": "ExpiredTokenException"}},
    {"status": 403, "json": [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]},
    {"status": 403, "json": {"status": 403, "err": "Token expired"}},
    {"status": 401, "json": {"error": {".tag": "expired_access_token"}}},
    {"status": 200, "json": {"ok": False, "error": "token_expired"}},
]


@pytest.fixture
def connection(server: HostileServer, amira: User) -> HttpConnection:
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    return HttpConnection.objects.select_related("credential__profile__registry").get()


@pytest.fixture
def rotation(server: HostileServer) -> None:
    """A provider that grants a new pair of tokens each time."""
    granted = iter(range(2, 1000))

    def grant(_call: Call) -> Answer:
        number = next(granted)
        names = {"access_token": f"CANARY-access-{number}", "refresh_token": f"CANARY-refresh-{number}"}
        return Answer(json={**GRANTED, **names})

    server.on(ASKED).always(grant)


def set_profile(**profile: Any) -> None:
    ApplicationRegistry.objects.update(provider_profile=profile)


def send(user: User, method: str = "GET", *, path: str = "/contacts", **call: Any) -> Any:
    connection = HttpConnection.objects.select_related("credential__profile__registry").get()
    return calls.send(user, connection, method, path, **call)


def unless_renewed(**refusal: Any) -> Any:
    """An API that refuses the first token and no other."""

    def answer(call: Call) -> Answer:
        is_first = call.headers["authorization"].endswith("-access-1")
        return Answer(**refusal) if is_first else Answer(json={"ok": True})

    return answer


@pytest.mark.parametrize("refusal", DEAD)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.usefixtures("rotation", "connection")
def test_a_dead_token_is_renewed_once_and_the_call_repeated(
    method: str, refusal: dict[str, Any], server: HostileServer, amira: User
) -> None:
    server.on(f"{method} {API}").always(unless_renewed(**refusal))
    response = send(amira, method, json={"a": 1} if method == "POST" else None)
    assert (response.status_code, calls.reason_of(response)) == (200, "")
    assert [call.path for call in server.calls] == [API, "/token", API]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 403},
        {"status": 403, "json": {"error": "forbidden"}},
        {"status": 400, "json": {"error": "invalid_request"}},
        {"status": 400, "json": {"error": "invalid_scope", "message": "Unknown scope for the new API key"}},
        {"status": 400, "json": {"message": "rate_limit must be a positive integer"}},
        {"status": 403, "json": {"message": "You may not change the rate limit of this workspace"}},
        {"status": 404, "json": {"error": "invalid_token"}},
        {"status": 200, "json": {"ok": True, "error": "token_expired"}},
        {"status": 200, "json": {"ok": False, "error": "token_expired", "long": "x" * 20_000}},
        {"status": 403, "text": "<h1>Invalid token</h1>"},
    ],
)
@pytest.mark.usefixtures("rotation", "connection")
def test_any_other_refusal_renews_nothing(answer: dict[str, Any], server: HostileServer, amira: User) -> None:
    server.on(f"GET {API}").always(**answer)
    response = send(amira)
    assert (response.status_code, calls.reason_of(response)) == (answer["status"], "")
    assert len(server.calls) == 1


@pytest.mark.usefixtures("rotation", "connection")
def test_a_profile_says_how_this_api_calls_a_token_dead(server: HostileServer, amira: User) -> None:
    """In a 200, too; and whether a POST may be sent again."""
    rule = {"request": "call", "when": [{"at": "/error", "equals": "not_authed"}], "means": "token_over"}
    set_profile(rules=[{**rule, "repeatable": False}])
    server.on(f"GET {API}").always(unless_renewed(json={"ok": False, "error": "not_authed"}))
    server.on(f"POST {API}").always(json={"ok": False, "error": "not_authed"})
    assert send(amira).json() == {"ok": True}
    Token.objects.update(forced_at=None)
    assert send(amira, "POST", json={}).json()["error"] == "not_authed"
    assert [call.path for call in server.calls] == [API, "/token", API, API, "/token"]


@pytest.mark.usefixtures("rotation", "connection")
def test_a_profile_can_say_that_renewing_does_not_help(server: HostileServer, amira: User) -> None:
    set_profile(rules=[{"request": "call", "status": 401, "means": "token_over", "renewing_helps": False}])
    server.on(f"GET {API}").always(status=401)
    assert send(amira).status_code == 401
    assert len(server.calls) == 1


@pytest.mark.usefixtures("rotation", "connection")
def test_a_profile_can_turn_the_common_rules_off(server: HostileServer, amira: User) -> None:
    set_profile(default_rules=False)
    server.on(f"GET {API}").always(status=401, headers=INVALID)
    assert send(amira).status_code == 401
    assert len(server.calls) == 1


MISSING = [
    ({"status": 403, "headers": {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="a b"'}}, "a b"),
    ({"status": 401, "json": {"error": {".tag": "missing_scope", "required_scope": "a.b"}}}, "a.b"),
    ({"status": 401, "json": {"message": "Missing scope: channel:manage:polls"}}, "channel:manage:polls"),
    ({"status": 401, "json": {"code": "OAUTH_SCOPE_MISMATCH"}}, ""),
    ({"status": 200, "json": {"ok": False, "error": "missing_scope", "needed": "channels:read"}}, "channels:read"),
    (
        {"status": 403, "json": {"error": {"code": 403, "details": [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}},
        "",
    ),
    ({"status": 400, "json": {"code": 4711, "message": "Invalid access token, does not contain scopes:[u:r]."}}, "u:r"),
]


@pytest.mark.parametrize(("refusal", "scopes"), MISSING)
@pytest.mark.usefixtures("rotation", "connection")
def test_a_missing_scope_is_no_dead_token(
    refusal: dict[str, Any], scopes: str, server: HostileServer, amira: User
) -> None:
    server.on(f"GET {API}").always(**refusal)
    response = send(amira)
    assert calls.reason_of(response) == "insufficient_scope"
    assert response.headers.get("Keyrack-Missing-Scopes", "") == scopes
    assert len(server.calls) == 1


# The brake ------------------------------------------------------------------------------------------------------


def renewals(server: HostileServer) -> int:
    return len(server.calls_to(ASKED))


@pytest.mark.usefixtures("rotation", "connection")
def test_what_a_renewal_does_not_cure_is_not_renewed_again(server: HostileServer, amira: User) -> None:
    server.on(f"GET {API}").always(status=401)
    for _ in range(6):
        response = send(amira)
    assert (response.status_code, calls.reason_of(response)) == (401, "token_refused")
    assert renewals(server) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("rotation", "connection")
def test_the_pause_grows_up_to_an_hour(server: HostileServer, amira: User) -> None:
    server.on(f"GET {API}").always(status=401)
    now, at = timezone.now(), []
    with time_machine.travel(now, tick=False) as clock:
        for minute in range(0, 240, 2):
            clock.move_to(now + timedelta(minutes=minute))
            before = renewals(server)
            Token.objects.update(expires_at=timezone.now() + timedelta(hours=1), signed_in_at=timezone.now())
            send(amira)
            if renewals(server) > before:
                at.append(minute)
    assert at == [0, 6, 16, 36, 76, 136, 196]


@pytest.mark.usefixtures("rotation", "connection")
def test_a_renewal_that_helped_may_be_followed_by_another(server: HostileServer, amira: User) -> None:
    server.on(f"GET {API}").answer(status=401).answer(status=200).answer(status=401).answer(status=200)
    assert (send(amira).status_code, send(amira).status_code) == (200, 200)
    assert renewals(server) == 2


@pytest.mark.usefixtures("rotation", "connection")
def test_a_new_sign_in_takes_the_brake_off(server: HostileServer, amira: User, connection: HttpConnection) -> None:
    server.on(f"GET {API}").always(status=401)
    send(amira)
    Token.objects.all().delete()
    cast.signed_in(amira, connection.alias)
    send(amira)
    assert renewals(server) == 2


@pytest.mark.usefixtures("rotation", "connection")
def test_a_providers_own_limit_holds(server: HostileServer, amira: User) -> None:
    set_profile(limits={"renewals": 2, "seconds": 600})
    server.on(f"GET {API}").always(lambda call: Answer(status=401 if call.headers["authorization"] in used else 200))
    used: set[str] = set()
    for number in range(1, 5):
        used.add(f"Bearer CANARY-access-{number}")
        send(amira)
    assert renewals(server) == 2


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("rotation", "connection")
def test_all_that_were_refused_at_once_get_the_new_token(server: HostileServer, amira: User) -> None:
    server.on(f"GET {API}").always(unless_renewed(status=401, delay=0.2))
    assert in_threads(6, lambda: str(send(amira).status_code)) == ["200"] * 6
    assert renewals(server) == 1


@pytest.mark.usefixtures("connection")
def test_a_renewal_that_fails_leaves_the_answer_of_the_api(server: HostileServer, amira: User) -> None:
    server.on(f"GET {API}").always(status=401)
    server.on(ASKED).always(status=503)
    assert send(amira).status_code == 401
    assert [call.path for call in server.calls] == [API, "/token"]


@pytest.mark.usefixtures("connection")
def test_a_dead_token_without_lifetime_is_not_used_on_when_its_renewal_fails(
    server: HostileServer, amira: User
) -> None:
    Token.objects.update(expires_at=None)
    server.on(f"GET {API}").always(status=401, headers=INVALID)
    server.on(ASKED).always(status=503)
    for _ in range(2):
        with pytest.raises(Unreachable):
            send(amira)
    assert len(server.calls_to(f"GET {API}")) == 1
    assert Token.objects.get().state == "valid"


@pytest.mark.usefixtures("connection")
def test_a_mere_status_does_not_end_a_token_without_lifetime(server: HostileServer, amira: User) -> None:
    Token.objects.update(expires_at=None)
    server.on(f"GET {API}").always(status=401)
    server.on(ASKED).always(status=503)
    assert (send(amira).status_code, send(amira).status_code) == (401, 401)


# What only the person can mend ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("rotation", "connection")
def test_claims_that_one_endpoint_demands_refuse_that_call_and_end_nothing(server: HostileServer, amira: User) -> None:
    server.on(f"GET {API}").always(status=401, headers=CLAIMS)
    server.on(f"GET {API}/7").always(json={"id": 7})
    for _ in range(2):
        response = send(amira)
        assert calls.reason_of(response) == "person_must_act"
        assert response.headers["Keyrack-Initiator-Url"].startswith("/oauth_initiator.do?")
    assert renewals(server) == 1
    assert send(amira, path="/contacts/7").status_code == 200
    token = Token.objects.get()
    assert (token.state, token.failure_code) == ("valid", "")
    assert token.claims_challenge == "eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="
    page = client_of(amira).get("/integrations/").content.decode()
    assert "refused a call until you sign in there again" in page
    assert f'id="c-{token.credential.connections.get().alias.name}-again"' in page


@pytest.mark.usefixtures("rotation", "connection")
def test_a_stronger_sign_in_that_one_endpoint_demands_is_asked_for(server: HostileServer, amira: User) -> None:
    """RFC 9470 §3."""
    challenge = 'Bearer error="insufficient_user_authentication", acr_values="phr phrh", max_age="300"'
    server.on(f"GET {API}").always(status=401, headers={"WWW-Authenticate": challenge})
    response = send(amira)
    assert calls.reason_of(response) == "person_must_act"
    assert response.headers["Keyrack-Initiator-Url"].startswith("/oauth_initiator.do?")
    assert Token.objects.get().claims_challenge == 'acr_values="phr phrh", max_age="300"'


@pytest.mark.usefixtures("connection")
def test_what_one_endpoint_demands_of_the_person_ends_no_token_that_nothing_renews(
    server: HostileServer, amira: User
) -> None:
    Token.objects.update(refresh_token=None, expires_at=None)
    locked = {"request": "call", "status": 403, "when": [{"at": "/code", "equals": 459}], "means": "person_must_act"}
    set_profile(rules=[locked])
    server.on(f"GET {API}").always(status=403, json={"code": 459})
    assert calls.reason_of(send(amira)) == "person_must_act"
    assert Token.objects.get().state == "valid"


@pytest.mark.usefixtures("rotation", "connection")
def test_claims_that_a_renewal_brings_need_nobody(server: HostileServer, amira: User) -> None:
    server.on(f"GET {API}").always(unless_renewed(status=401, headers=CLAIMS))
    assert send(amira).status_code == 200
    assert Token.objects.get().state == "valid"


@pytest.mark.parametrize("refusal", [each for each in DEAD[1:] if each["status"] in {200, 401} or "headers" in each])
@pytest.mark.usefixtures("connection")
def test_a_token_that_nothing_renews_ends_with_the_providers_word(
    refusal: dict[str, Any], server: HostileServer, amira: User
) -> None:
    Token.objects.update(refresh_token=None)
    server.on(f"GET {API}").always(**refusal)
    assert send(amira).status_code == refusal["status"]
    assert Token.objects.get().state == "needs_reauth"


@pytest.mark.parametrize("refusal", [{"status": 401}, {"status": 403, "json": {"error": "invalid_token"}}])
@pytest.mark.usefixtures("connection")
def test_and_not_with_less(refusal: dict[str, Any], server: HostileServer, amira: User) -> None:
    """A status is no word, and a code in the body of a 403 may be about something else that is called a token."""
    Token.objects.update(refresh_token=None)
    server.on(f"GET {API}").always(**refusal)
    assert send(amira).status_code == refusal["status"]
    assert Token.objects.get().state == "valid"


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("connection")
def test_an_old_tokens_end_is_not_that_of_its_successor(server: HostileServer, amira: User) -> None:
    """The person signs in again while the call is under way."""

    def sign_in_again() -> None:
        token = Token.objects.get()
        token.access_token, token.version = "CANARY-access-9", token.version + 1
        token.save()

    Token.objects.update(refresh_token=None)
    server.on(f"GET {API}").then(after(sign_in_again, Answer(status=401, headers=INVALID))).always(status=200)
    assert send(amira).status_code == 200
    assert Token.objects.get().state == "valid"


# Limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        ({"status": 429, "json": {"retry_after": 64.57}}, "65"),
        ({"status": 403, "json": {"error": {"errors": [{"reason": "userRateLimitExceeded"}]}}}, ""),
        ({"status": 403, "json": {"message": "You have exceeded a secondary rate limit."}}, ""),
        ({"status": 429, "headers": {"Retry-After": "12"}}, "12"),
        ({"status": 403, "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "90"}}, "90"),
    ],
)
@pytest.mark.usefixtures("connection")
def test_a_limit_and_its_wait_are_told(
    answer: dict[str, Any], seconds: str, server: HostileServer, amira: User
) -> None:
    server.on(f"GET {API}").always(**answer)
    response = send(amira)
    assert (calls.reason_of(response), response.headers.get("Retry-After", "")) == ("rate_limited", seconds)


@pytest.mark.usefixtures("connection")
def test_a_profile_says_where_a_wait_stands_and_in_which_unit(server: HostileServer, amira: User) -> None:
    rule = {"request": "call", "when": [{"at": "/errorcode", "equals": "slow"}], "means": "wait"}
    set_profile(
        limits={"wait": [{"header": "X-Wait-Ms", "unit": "milliseconds"}]},
        rules=[{**rule, "wait": {"at": "/for", "unit": "milliseconds"}}],
    )
    server.on(f"GET {API}").answer(status=429, headers={"X-Wait-Ms": "7000", "Retry-After": "900"})
    server.on(f"GET {API}").answer(json={"errorcode": "slow", "for": 3000})
    waits = [(calls.reason_of(each), each.headers["Retry-After"]) for each in (send(amira), send(amira))]
    assert waits == [("rate_limited", "7"), ("rate_limited", "3")]


@pytest.mark.usefixtures("connection")
@pytest.mark.slow
def test_a_wait_inside_a_200_is_waited_for(server: HostileServer, amira: User) -> None:
    rule = {"request": "call", "when": [{"at": "/error", "equals": "slow"}], "means": "wait", "wait": {"seconds": 0}}
    set_profile(rules=[rule])
    server.on(f"GET {API}").answer(json={"error": "slow"}).answer(json={"ok": True})
    assert send(amira, retries=1).json() == {"ok": True}


@pytest.mark.usefixtures("connection")
def test_headers_that_only_look_like_ours_are_removed(server: HostileServer, amira: User) -> None:
    server.on(f"GET {API}").answer(headers={"Keyrack-Reason": "insufficient_scope", "keyrack-initiator-url": "/x"})
    response = send(amira)
    assert [name for name in response.headers if name.lower().startswith("keyrack-")] == []
