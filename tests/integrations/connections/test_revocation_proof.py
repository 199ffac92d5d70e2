"""Accepted is not proved: what the provider says of the token afterwards decides what people are told."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.connections import tasks
from integrations.models import Alias, ApplicationRegistry, Event, Revocation, Token
from integrations.models.card import QUICK_ATTEMPTS, integration_of
from integrations.personal_auth import PersonalAuthAPI
from tests import cast, walks
from tests.integrations.revoking import ACCESS, REFRESH, TOLD, copies, deliver, promised, tokens_of
from tests.servers.hostile import Answer, HostileServer

ASKED, SHOWN, RENEWED = "POST /introspect", "GET /userinfo", "POST /token"
DEAD, ALIVE = Answer(json={"active": False}), Answer(json={"active": True, "sub": "a-1"})


@pytest.fixture
def northwind(server: HostileServer, amira: User) -> Alias:
    """Amira's integration, signed in, at a provider that accepts every revocation and says nothing of a refresh."""
    server.on(TOLD).always(status=200)
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    return alias


def said_of_it(person: Client) -> str:
    """What a screen reader hears when the card stops moving."""
    return str(re.findall(r'data-say-revoked="([^"]*)"', walks.words(person.get("/integrations/")))[0]).strip()


def registry_has(**fields: Any) -> None:
    ApplicationRegistry.objects.update(**fields)


@pytest.mark.slow
def test_what_introspection_called_alive_before_and_dead_after_is_verified(
    server: HostileServer, amira: User, as_amira: Client, northwind: Alias
) -> None:
    registry_has(token_introspection_url=f"{server.url}/introspect")
    server.on(ASKED).then(ALIVE, ALIVE).always(DEAD)
    done = deliver(promised(amira, northwind))
    assert done.state == "verified"
    assert copies(done) == [None, None, None]
    asked = server.calls_to(ASKED)
    both = [(REFRESH, "refresh_token"), (ACCESS, "access_token")]
    assert [(call.form["token"], call.form["token_type_hint"]) for call in asked] == both * 2
    assert [call.path for call in server.calls] == ["/introspect"] * 2 + ["/revoke"] * 2 + ["/introspect"] * 2
    assert all(call.headers["authorization"].startswith("Basic ") for call in asked)
    assert Event.objects.filter(kind="revocation_verified").count() == 1
    assert PersonalAuthAPI(amira).revoke_token("northwind").remote_revocation == "confirmed"
    assert said_of_it(as_amira) == "Northwind CRM confirmed: the token is dead."


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("replaced", "The provider accepted the revocation: the old token, from before the new sign-in"),
        ("revoked", "The provider accepted the revocation"),
    ],
)
def test_the_diary_tells_the_old_token_from_the_new_sign_in(reason: str, words: str, northwind: Alias) -> None:
    with transaction.atomic():
        revocation = Token.objects.get().create_revocation_of_copy(reason=reason)
    assert revocation
    deliver(revocation)
    assert Event.objects.get(kind="revocation_confirmed").words == words


def test_the_diary_says_of_an_old_token_that_its_revocation_failed(server: HostileServer, northwind: Alias) -> None:
    server.on(TOLD).always(status=503)
    with transaction.atomic():
        revocation = Token.objects.get().create_revocation_of_copy(reason="replaced")
    assert revocation
    for _ in range(QUICK_ATTEMPTS):
        deliver(revocation)
    (failed,) = Event.objects.filter(kind="revocation_failed")
    assert failed.detail == "503; the old token, from before the new sign-in"


def test_without_a_proof_the_words_are_those_of_an_accepted_revocation(
    server: HostileServer, amira: User, as_amira: Client, northwind: Alias
) -> None:
    assert deliver(promised(amira, northwind)).state == "confirmed"
    assert {call.path for call in server.calls} == {"/revoke", "/token"}
    assert said_of_it(as_amira) == "Northwind CRM accepted the revocation."


@pytest.mark.parametrize("answers", [(ALIVE, DEAD), (DEAD, ALIVE)])
def test_a_token_that_still_works_was_not_revoked_whatever_was_answered(
    answers: tuple[Answer, Answer], server: HostileServer, amira: User, northwind: Alias
) -> None:
    registry_has(token_introspection_url=f"{server.url}/introspect")
    server.on(ASKED).then(ALIVE, ALIVE, *answers[: 1 if answers[0] == ALIVE else 2], ALIVE, ALIVE).always(DEAD)
    not_yet = deliver(promised(amira, northwind))
    assert (not_yet.state, not_yet.last_answer, not_yet.told) == ("pending", "still active", [])
    assert deliver(not_yet).state == "verified"
    assert tokens_of(server.calls_to(TOLD)) == [REFRESH, ACCESS, REFRESH, ACCESS]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 401},
        {"status": 404},
        {"close": True},
        {"json": {}},
        {"json": {"active": "false"}},
        {"json": {"active": None}},
        {"json": {"error": "invalid_client"}},
        {"text": "<html>"},
        {"redirect": "/elsewhere"},
    ],
)
def test_a_proof_that_cannot_be_had_makes_nothing_worse(
    answer: dict[str, Any], server: HostileServer, amira: User, northwind: Alias
) -> None:
    registry_has(token_introspection_url=f"{server.url}/introspect")
    server.on(ASKED).always(**answer)
    assert deliver(promised(amira, northwind)).state == "confirmed"
    assert ApplicationRegistry.objects.get().misconfigured_code == ""


def test_of_a_token_past_its_time_introspection_proves_nothing(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    """It asks about the refresh token alone; the other would be dead anyway."""
    registry_has(token_introspection_url=f"{server.url}/introspect")
    server.on(ASKED).then(ALIVE).always(DEAD)
    revocation = promised(amira, northwind)
    Revocation.objects.update(access_token_expires_at=timezone.now() - timedelta(seconds=1))
    assert deliver(revocation).state == "verified"
    assert tokens_of(server.calls_to(ASKED)) == [REFRESH, REFRESH]


@pytest.mark.parametrize("refresh_token", [REFRESH, None])
def test_a_server_that_calls_everything_inactive_proves_nothing_and_the_copies_stay(
    refresh_token: str | None, server: HostileServer, amira: User, northwind: Alias
) -> None:
    registry_has(token_introspection_url=f"{server.url}/introspect", userinfo_url=f"{server.url}/userinfo")
    server.on(ASKED).always(DEAD)
    server.on(SHOWN).always(status=401)
    revocation = promised(amira, northwind)
    if refresh_token is None:
        Revocation.objects.update(refresh_token=None)
    done = deliver(revocation)
    assert (done.state, done.is_kept) == ("confirmed", True)
    assert done.holds_copies
    assert not Event.objects.filter(kind="revocation_verified").exists()
    assert PersonalAuthAPI(amira).revoke_token("northwind").remote_revocation == "confirmed"


def test_an_access_token_that_ran_out_is_no_proof_where_nothing_else_is_held(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    registry_has(token_introspection_url=f"{server.url}/introspect", userinfo_url=f"{server.url}/userinfo")
    server.on(ASKED).always(DEAD)
    revocation = promised(amira, northwind)
    Revocation.objects.update(refresh_token=None, access_token_expires_at=timezone.now() - timedelta(seconds=1))
    assert deliver(revocation).state == "confirmed"
    assert server.calls_to(ASKED) == []


def test_an_access_token_that_ran_out_in_between_takes_the_refresh_tokens_witness_along(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    """There are servers that call both inactive from then on."""
    registry_has(token_introspection_url=f"{server.url}/introspect")

    server.on(ASKED).then(ALIVE, ALIVE).always(DEAD)
    revocation = promised(amira, northwind)
    server.on(TOLD).then(Answer(status=200), Answer(status=503)).always(status=200)
    half = deliver(revocation)
    Revocation.objects.update(access_token_expires_at=timezone.now())
    assert deliver(half).state == "confirmed"


# A refused refresh ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"status": 400, "json": {"error": "invalid_grant"}}, "verified"),
        ({"json": {"error": "bad_refresh_token"}}, "verified"),
        ({"status": 400, "json": {"error": "invalid_request"}}, "confirmed"),
        ({"status": 400}, "confirmed"),
        ({"status": 403}, "confirmed"),
        ({"status": 401, "json": {"error": "invalid_client"}}, "confirmed"),
        ({"status": 503}, "confirmed"),
        ({"close": True}, "confirmed"),
        ({"text": "<html>"}, "confirmed"),
    ],
)
def test_a_refused_refresh_proves_the_refresh_token_dead_and_a_vague_answer_nothing(
    answer: dict[str, Any], state: str, server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(RENEWED).always(**answer)
    revocation = promised(amira, northwind)
    Revocation.objects.update(access_token_expires_at=timezone.now() - timedelta(seconds=1))
    done = deliver(revocation)
    assert done.state == state
    assert done.holds_copies == (state == "confirmed")
    assert [call.path for call in server.calls] == ["/revoke", "/revoke", "/token"]
    assert ApplicationRegistry.objects.get().misconfigured_code == ""


def test_a_refused_refresh_says_nothing_of_an_access_token_that_may_live_on(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(RENEWED).always(status=400, json={"error": "invalid_grant"})
    assert deliver(promised(amira, northwind)).state == "confirmed"


def test_a_refresh_that_succeeds_shows_that_nothing_was_revoked_and_its_tokens_are_told_next(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(RENEWED).answer(json=walks.token_answer(2)).always(status=400, json={"error": "invalid_grant"})
    alive = deliver(promised(amira, northwind))
    assert (alive.state, alive.last_answer, alive.told) == ("pending", "still active", [])
    assert (alive.access_token, alive.refresh_token) == ("CANARY-access-2", "CANARY-refresh-2")
    Revocation.objects.update(access_token_expires_at=timezone.now() - timedelta(seconds=1))
    assert deliver(alive).state == "verified"
    assert tokens_of(server.calls_to(TOLD)) == [REFRESH, ACCESS, "CANARY-refresh-2", "CANARY-access-2"]
    assert [call.form["refresh_token"] for call in server.calls_to(RENEWED)] == [REFRESH, "CANARY-refresh-2"]


@pytest.mark.slow
def test_a_server_that_revokes_nothing_is_asked_once_an_attempt_and_never_called_done(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(RENEWED).always(json=walks.token_answer(2))
    revocation = promised(amira, northwind)
    for attempt in range(1, 7):
        deliver(revocation)
        assert len(server.calls_to(RENEWED)) == attempt
    done = Revocation.objects.get()
    assert (done.state, done.last_answer) == ("failed", "still active")


def test_a_refusal_after_a_lost_answer_proves_nothing(server: HostileServer, amira: User, northwind: Alias) -> None:
    """The refresh token may have been spent by the call whose answer was lost, and its successor lives."""
    server.on(RENEWED).answer(close=True).always(status=400, json={"error": "invalid_grant"})
    revocation = promised(amira, northwind)
    Revocation.objects.update(access_token_expires_at=timezone.now() - timedelta(seconds=1))
    done = deliver(revocation)
    assert done.state == "confirmed"
    assert done.start_over()
    assert deliver(done).state == "confirmed"


def test_a_renewal_under_way_spends_the_refresh_token_so_its_refusal_proves_nothing(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(RENEWED).always(status=400, json={"error": "invalid_grant"})
    soon = timezone.now() + timedelta(seconds=20)
    Token.objects.update(lease_owner="f" * 32, lease_expires_at=soon)
    revocation = promised(amira, northwind)
    Revocation.objects.update(access_token_expires_at=timezone.now() - timedelta(seconds=1))
    assert deliver(revocation).state == "confirmed"


# What was accepted, and no more ---------------------------------------------------------------------------------------


def test_what_was_accepted_can_be_told_again_while_its_copies_are_there(
    server: HostileServer, amira: User, admin: User, as_amira: Client, client: Client, northwind: Alias
) -> None:
    done = deliver(promised(amira, northwind))
    cast.signed_in(amira, northwind, access_token="CANARY-access-9", refresh_token="CANARY-refresh-9")
    client.force_login(admin)
    client.post("/admin/integrations/revocation/", {"action": "try_again", "_selected_action": str(done.pk)})
    started = Revocation.objects.get()
    assert (started.state, started.told, started.settled_at) == ("pending", [], None)
    card = integration_of(amira, northwind.pk)
    assert card is not None
    assert card.state == "connected"  # a newer sign-in is not covered by what an administrator does again
    assert deliver(started).state == "confirmed"
    assert tokens_of(server.calls_to(TOLD)) == [REFRESH, ACCESS] * 2


@pytest.mark.parametrize(("days", "is_held"), [(29, True), (31, False)])
def test_copies_of_what_was_only_accepted_are_wiped_after_their_time(
    days: int, is_held: bool, amira: User, northwind: Alias
) -> None:
    done = deliver(promised(amira, northwind))
    Revocation.objects.update(settled_at=timezone.now() - timedelta(days=days))
    tasks.purge_revocations()
    kept = Revocation.objects.get()
    assert (kept.holds_copies, kept.is_retryable, kept.purged_at is None) == (is_held, is_held, is_held)
    assert done.start_over() == is_held


def test_what_is_verified_is_neither_kept_nor_tried_again(server: HostileServer, amira: User, northwind: Alias) -> None:
    registry_has(token_introspection_url=f"{server.url}/introspect")
    server.on(ASKED).then(ALIVE, ALIVE).always(DEAD)
    done = deliver(promised(amira, northwind))
    assert (done.state, done.holds_copies, done.is_retryable, done.start_over()) == ("verified", False, False, False)
    tasks.purge_revocations()
    assert Revocation.objects.get().purged_at is None


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"status": 401}, "verified"),
        ({"status": 401, "json": {"error": "invalid_token"}}, "verified"),
        ({"json": {"sub": "a-1"}}, "pending"),
        ({"json": {"ok": False, "error": "token_revoked"}}, "confirmed"),
        ({"status": 403}, "confirmed"),
        ({"status": 404}, "confirmed"),
        ({"status": 500}, "confirmed"),
        ({"close": True}, "confirmed"),
        ({"text": "<html>"}, "confirmed"),
    ],
)
def test_how_the_account_takes_the_token_is_a_proof_too(
    answer: dict[str, Any], state: str, server: HostileServer, amira: User, northwind: Alias
) -> None:
    registry_has(userinfo_url=f"{server.url}/userinfo")
    server.on(SHOWN).answer(json={"sub": "a-1"}).always(**answer)
    revocation = promised(amira, northwind)
    Revocation.objects.update(refresh_token=None)
    done = deliver(revocation)
    assert done.state == state
    assert done.last_answer == ("still active" if state == "pending" else "")
    assert server.calls_to(SHOWN)[0].headers["authorization"] == f"Bearer {ACCESS}"


def test_a_token_that_still_opens_the_account_is_waited_for(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    registry_has(userinfo_url=f"{server.url}/userinfo")
    server.on(SHOWN).always(json={"sub": "a-1"})
    revocation = promised(amira, northwind)
    for _ in range(5):
        deliver(revocation)
    card = integration_of(amira, northwind.pk)
    assert card is not None
    assert card.state == "revoke_failed"
    Revocation.objects.update(access_token_expires_at=timezone.now() - timedelta(seconds=1))
    assert deliver(revocation).state == "confirmed"
    assert len(server.calls_to(SHOWN)) == 10


def test_introspection_that_says_nothing_leaves_it_to_the_account(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    registry_has(token_introspection_url=f"{server.url}/introspect", userinfo_url=f"{server.url}/userinfo")
    server.on(ASKED).always(status=403)
    server.on(SHOWN).answer(json={"sub": "a-1"}).always(status=401)
    server.on(RENEWED).always(status=400, json={"error": "invalid_grant"})
    assert deliver(promised(amira, northwind)).state == "verified"


def test_the_promise_remembers_how_to_prove_it(server: HostileServer, amira: User, northwind: Alias) -> None:
    dialect = {"hint": False}
    registry_has(
        token_introspection_url=f"{server.url}/introspect",
        userinfo_url=f"{server.url}/userinfo",
        revocation_request=dialect,
    )
    revocation = promised(amira, northwind)
    registry_has(token_introspection_url="", userinfo_url="", revocation_request={}, token_revocation_url="")
    server.on(ASKED).then(ALIVE, ALIVE).always(DEAD)
    assert deliver(revocation).state == "verified"
    assert server.calls_to(TOLD)[0].form == {"token": REFRESH}


# Tokens that must speak for themselves --------------------------------------------------------------------------------


@pytest.fixture
def as_person(northwind: Alias, amira: User) -> Revocation:
    """A promise at a provider that is told with the person's own access token, of which nothing is left."""
    registry_has(revocation_request={"client_authentication": "bearer", "send": ["access_token"], "hint": False})
    revocation = promised(amira, northwind)
    Revocation.objects.update(access_token_expires_at=timezone.now() - timedelta(hours=1))
    return revocation


def test_a_dead_access_token_is_renewed_so_that_it_can_speak(server: HostileServer, as_person: Revocation) -> None:
    server.on(RENEWED).answer(json=walks.token_answer(2))
    server.on(TOLD).answer(status=503)
    half = deliver(as_person)
    assert (half.access_token, half.refresh_token) == ("CANARY-access-2", "CANARY-refresh-2")
    assert deliver(half).state == "confirmed"
    assert [call.form["refresh_token"] for call in server.calls_to(RENEWED)] == [REFRESH, "CANARY-refresh-2"]
    assert {call.headers["authorization"] for call in server.calls_to(TOLD)} == {"Bearer CANARY-access-2"}


def test_what_the_provider_does_not_renew_is_dead_already(server: HostileServer, as_person: Revocation) -> None:
    server.on(RENEWED).answer(status=400, json={"error": "invalid_grant"})
    done = deliver(as_person)
    assert (done.state, done.last_answer) == ("verified", "invalid_grant")
    assert server.calls_to(TOLD) == []


def test_a_vague_refusal_of_the_refresh_leaves_the_promise_open(server: HostileServer, as_person: Revocation) -> None:
    server.on(RENEWED).answer(status=403, json={})
    waiting = deliver(as_person)
    assert (waiting.state, waiting.last_answer, waiting.told) == ("pending", "403", [])


def test_an_access_token_that_died_before_its_time_is_renewed_at_the_next_attempt(
    server: HostileServer, as_person: Revocation
) -> None:
    Revocation.objects.update(access_token_expires_at=timezone.now() + timedelta(hours=1))
    server.on(TOLD).answer(status=401)
    server.on(RENEWED).answer(json=walks.token_answer(2))
    waiting = deliver(as_person)
    assert (waiting.state, waiting.last_answer) == ("pending", "401")
    assert ApplicationRegistry.objects.get().misconfigured_code == ""
    assert deliver(waiting).state == "confirmed"


@pytest.mark.parametrize(("seconds", "state"), [(-60, "confirmed"), (3600, "pending")])
def test_where_nothing_can_be_renewed_only_time_makes_a_refusal_believable(
    seconds: int, state: str, server: HostileServer, as_person: Revocation
) -> None:
    expires_at = timezone.now() + timedelta(seconds=seconds)
    Revocation.objects.update(access_token_expires_at=expires_at, refresh_token=None)
    server.on(TOLD).always(status=401)
    assert deliver(as_person).state == state


def test_a_call_that_would_lack_something_is_never_made(server: HostileServer, amira: User, northwind: Alias) -> None:
    registry_has(token_revocation_url=f"{server.url}/accounts/{{account_id}}/revoke")
    given_up = deliver(promised(amira, northwind))
    assert (given_up.state, given_up.last_answer) == ("abandoned", "no account id")
    assert given_up.is_retryable
    assert server.calls == []


def test_a_dialect_nobody_can_read_is_the_administrators_to_mend(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    registry_has(revocation_request={"verb": "DELETE"})
    waiting = deliver(promised(amira, northwind))
    assert (waiting.state, waiting.last_answer) == ("pending", "bad revocation request")
    assert ApplicationRegistry.objects.get().misconfigured_code == "bad_revocation_request"
    registry_has(revocation_request={})
    assert waiting.start_over()
    assert deliver(waiting).state == "confirmed"


def test_the_kind_of_token_it_wants_may_not_be_there(server: HostileServer, amira: User, northwind: Alias) -> None:
    registry_has(revocation_request={"send": ["refresh_token"]})
    revocation = promised(amira, northwind)
    Revocation.objects.update(refresh_token=None)
    done = deliver(revocation)
    assert (done.state, done.last_answer) == ("unsupported", "no refresh token")
    assert server.calls == []


# What the provider refuses to revoke ----------------------------------------------------------------------------------

REFUSED = Answer(status=400, body=b"")
NAMED = {"account_id": "a-1", "account_label": "amira@northwind.example"}


@pytest.mark.parametrize("headers", [{}, {"Accept": "application/json"}])
def test_a_refusal_to_revoke_what_the_account_calls_dead_is_verified(
    headers: dict[str, str], server: HostileServer, amira: User, northwind: Alias
) -> None:
    registry_has(userinfo_url=f"{server.url}/userinfo", call_headers=headers)
    Token.objects.update(**NAMED, has_userinfo=True)
    server.on(TOLD).always(REFUSED)
    server.on(SHOWN).always(status=401, json={"error": "invalid_token"})
    done = deliver(promised(amira, northwind))
    assert (done.state, done.attempts) == ("verified", 1)
    assert copies(done) == [None, None, None]


@pytest.mark.parametrize(
    ("shown", "known"),
    [
        (Answer(json={"sub": "a-1"}), {"has_userinfo": True}),
        (Answer(status=401), NAMED),  # named by the id token, or by what the person typed
        (Answer(status=500), {"has_userinfo": True}),
    ],
    ids=["alive", "never known to work", "no answer"],
)
def test_a_refusal_to_revoke_what_nobody_calls_dead_is_tried_again(
    shown: Answer, known: dict[str, Any], server: HostileServer, amira: User, northwind: Alias
) -> None:
    registry_has(userinfo_url=f"{server.url}/userinfo")
    Token.objects.update(**known)
    server.on(TOLD).always(REFUSED)
    server.on(SHOWN).always(shown)
    assert (deliver(promised(amira, northwind)).state) == "pending"


@pytest.mark.parametrize(
    ("renewed", "state"),
    [
        (Answer(status=400, json={"error": "invalid_grant"}), "verified"),
        (Answer(json=walks.token_answer(2)), "pending"),
        (Answer(status=400, json={"error": "invalid_request"}), "pending"),
    ],
    ids=["dead", "alive", "vague"],
)
def test_a_refused_refresh_proves_that_there_is_nothing_to_revoke(
    renewed: Answer, state: str, server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(TOLD).always(REFUSED)
    server.on(RENEWED).always(renewed)
    revocation = promised(amira, northwind)
    assert deliver(revocation).state == state
    deliver(revocation)
    assert len(server.calls_to(RENEWED)) == 1


@pytest.mark.parametrize("refusal", [REFUSED, Answer(status=401, json={"error": "invalid_client"})])
def test_one_accepted_token_of_a_grant_settles_it(
    refusal: Answer, server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(TOLD).answer(status=200).always(refusal)
    done = deliver(promised(amira, northwind))
    assert (done.state, done.told) == ("confirmed", ["refresh_token"])
    assert len(server.calls_to(TOLD)) == 2


def test_a_second_call_that_stumbles_is_repeated_and_never_becomes_a_failure(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(TOLD).answer(status=200).always(status=503)
    revocation = promised(amira, northwind)
    for _ in range(QUICK_ATTEMPTS - 1):
        assert deliver(revocation).state == "pending"
    assert deliver(revocation).state == "confirmed"
    assert tokens_of(server.calls_to(TOLD)) == [REFRESH, *[ACCESS] * QUICK_ATTEMPTS]


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        ({"status": 400, "means": "already_gone"}, "confirmed"),
        ({"status": 400, "when": [{"text": True, "matches": "gone"}], "means": "already_gone"}, "pending"),
    ],
)
def test_a_provider_may_call_it_an_error_that_the_grant_is_gone(
    rule: dict[str, Any], state: str, server: HostileServer, amira: User, northwind: Alias
) -> None:
    registry_has(provider_profile={"rules": [{"request": "revocation", **rule}]})
    server.on(TOLD).always(REFUSED)
    assert deliver(promised(amira, northwind)).state == state


def test_an_error_inside_a_200_is_none_that_confirms(server: HostileServer, amira: User, northwind: Alias) -> None:
    rule = {"request": "revocation", "when": [{"at": "/error"}], "means": "temporary"}
    registry_has(provider_profile={"rules": [rule]})
    server.on(TOLD).always(json={"error": "unsupported"})
    assert deliver(promised(amira, northwind)).state == "pending"
