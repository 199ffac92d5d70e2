"""A process that dies while it renews loses as little as the provider allows, and Keyrack says whose fault it was."""

import signal
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.errors import OAuthError, Unreachable
from integrations.connections import renewal, tasks
from integrations.connections.renewal import leases
from integrations.models import Alias, Event, Renewal, Token
from integrations.models.card import integration_of
from integrations.personal_auth import PersonalAuthAPI
from tests import cast, walks
from tests.integrations.renewing import ASKED, GRANTED, Rotation, after, current, doomed
from tests.servers.hostile import Answer, HostileServer

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    return cast.integration_at(cast.registry_at(server.url))


@pytest.fixture
def expired(amira: User, northwind: Alias) -> Token:
    return cast.signed_in(amira, northwind, expires_in=-10)


def the_lease_runs_out() -> None:
    Token.objects.update(lease_expires_at=timezone.now() - timedelta(hours=1))


def interrupt(token: Token) -> None:
    """What a process that was killed leaves behind, once its lease is over."""
    assert leases.take(token)
    the_lease_runs_out()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "grace", "survives"),
    [
        ("before", False, True),
        ("while", False, False),
        ("while", True, True),
        ("after", False, False),
        ("after", True, True),
    ],
)
def test_a_holder_that_is_killed(
    point: str,
    grace: bool,
    survives: bool,
    server: HostileServer,
    amira: User,
    northwind: Alias,
    expired: Token,
    tmp_path: Path,
) -> None:
    child = doomed(point, tmp_path)
    server.on(ASKED).always(Rotation(grace=grace, then=child.kill if point == "while" else lambda: None))
    assert child.wait(100) == -signal.SIGKILL
    asked = 0 if point == "before" else 1
    assert len(server.calls) == asked
    [entry] = Renewal.objects.all()
    left = Token.objects.get()
    assert (entry.outcome, entry.settled_at, left.lease_owner) == ("asked", None, entry.hex)
    assert (left.version, left.access_token) == (1, "CANARY-access-1")

    the_lease_runs_out()
    for _ in range(3):
        if survives:
            assert current(amira, northwind) == "CANARY-access-2"
        else:
            with pytest.raises(renewal.NoUsableToken) as gone:
                current(amira, northwind)
            assert gone.value.code == "renewal_interrupted"
    assert len(server.calls) == asked + 1, "one retry, and no more"
    stored = Token.objects.get()
    assert (stored.state, stored.failure_code) == (
        ("valid", "") if survives else ("needs_reauth", "renewal_interrupted")
    )
    assert stored.refresh_token == ("CANARY-refresh-2" if survives else "CANARY-refresh-1")


def note_on(client: Client, alias: Alias) -> str:
    return walks.words(client.get(f"/integrations/{alias.hex}/"))


@pytest.mark.slow
def test_what_the_interruption_left_is_used_to_its_end(
    server: HostileServer, amira: User, as_amira: Client, northwind: Alias
) -> None:
    interrupt(cast.signed_in(amira, northwind, expires_in=30))
    server.on(ASKED).always(status=400, json={"error": "invalid_grant"})
    for _ in range(3):
        assert current(amira, northwind) == "CANARY-access-1"
    assert len(server.calls) == 1
    assert PersonalAuthAPI(amira).is_token_valid("northwind")
    before = integration_of(amira, northwind.pk)
    assert before
    assert (before.state, before.renews_itself) == ("expiring", False)
    assert "Keyrack was interrupted while it renewed this sign-in" in note_on(as_amira, northwind)

    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    for _ in range(3):
        with pytest.raises(renewal.NoUsableToken) as gone:
            current(amira, northwind)
        assert gone.value.code == "renewal_interrupted"
    assert len(server.calls) == 1
    after = integration_of(amira, northwind.pk)
    assert after
    assert after.state == "needs_reauth"
    assert "The fault is ours, but you have to sign in again" in note_on(as_amira, northwind)
    assert [event.kind for event in Event.objects.all()] == ["renewal_interrupted"]
    assert Token.objects.get().refresh_token == "CANARY-refresh-1", "nothing is deleted in silence"


@pytest.mark.slow
def test_a_third_party_that_ends_the_rest_of_it_does_not_change_the_reason(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    interrupt(cast.signed_in(amira, northwind, expires_in=30))
    server.on(ASKED).always(status=400, json={"error": "invalid_grant"})
    server.on("GET /api/x").always(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    assert PersonalAuthAPI(amira).request("northwind", "GET", "/x").status_code == 401
    stored = Token.objects.get()
    assert (stored.state, stored.failure_code) == ("needs_reauth", "renewal_interrupted")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "code"),
    [
        (Answer(close=True), "answer_lost"),
        (Answer(json={"token_type": "Bearer"}), "answer_lost"),
        (Answer(status=503), "invalid_grant"),
        (Answer(status=400, json={"error": "unknown", "message": "Rate limit reached"}), "invalid_grant"),
    ],
    ids=["no answer", "no tokens", "down", "limited"],
)
def test_a_refusal_after_a_lost_answer_is_not_told_as_removed_access(
    first: Answer, code: str, server: HostileServer, amira: User, as_amira: Client, northwind: Alias, expired: Token
) -> None:
    server.on(ASKED).then(first).always(status=400, json={"error": "invalid_grant"})
    with pytest.raises(OAuthError):
        current(amira, northwind)
    the_lease_runs_out()
    with pytest.raises(renewal.NoUsableToken) as gone:
        current(amira, northwind)
    assert gone.value.code == code
    note = note_on(as_amira, northwind)
    assert ("An earlier renewal got no usable answer" in note) is (code == "answer_lost")
    assert ("when access is removed there" in note) is (code != "answer_lost")


@pytest.mark.slow
def test_a_retry_that_stumbles_is_tried_again(
    server: HostileServer, amira: User, northwind: Alias, expired: Token
) -> None:
    interrupt(expired)
    server.on(ASKED).answer(status=503).always(status=400, json={"error": "invalid_grant"})
    with pytest.raises(Unreachable):
        current(amira, northwind)
    the_lease_runs_out()
    with pytest.raises(renewal.NoUsableToken) as gone:
        current(amira, northwind)
    assert gone.value.code == "renewal_interrupted"
    assert sorted(Renewal.objects.values_list("outcome", flat=True)) == ["asked", "failed", "refused"]


@pytest.mark.parametrize("other", [{"refresh_token_hash": "0" * 64}, {"version": 9}, {"outcome": "failed"}])
def test_an_interruption_of_something_else_explains_nothing(
    other: dict[str, object], server: HostileServer, amira: User, northwind: Alias, expired: Token
) -> None:
    interrupt(expired)
    Renewal.objects.update(**other)
    server.on(ASKED).always(status=400, json={"error": "invalid_grant"})
    with pytest.raises(renewal.NoUsableToken) as gone:
        current(amira, northwind)
    assert gone.value.code == "invalid_grant"


OUTCOMES = [
    (Answer(json=GRANTED), "renewed", ""),
    (Answer(status=400, json={"error": "invalid_grant"}), "refused", "invalid_grant"),
    (Answer(status=503), "failed", "http_503"),
    (Answer(status=401, json={"error": "invalid_client"}), "failed", "invalid_client"),
]


@pytest.mark.parametrize(("answer", "outcome", "code"), OUTCOMES, ids=[f"{o} {c}" for _, o, c in OUTCOMES])
def test_the_journal_says_what_came_of_it(
    answer: Answer, outcome: str, code: str, server: HostileServer, amira: User, northwind: Alias, expired: Token
) -> None:
    asked: list[str] = []
    look = after(lambda: asked.extend(Renewal.objects.values_list("outcome", flat=True)), answer)
    server.on(ASKED).then(look)
    with suppress(OAuthError, renewal.NoUsableToken):
        current(amira, northwind)
    assert asked == ["asked"], "committed before anything was sent"
    [entry] = Renewal.objects.all()
    assert (entry.token_id, entry.version, entry.outcome, entry.code) == (expired.pk, 1, outcome, code)
    assert entry.settled_at is not None
    assert entry.settled_at >= entry.asked_at
    assert len(entry.refresh_token_hash) == 64


def test_the_journal_is_kept_for_a_month(expired: Token) -> None:
    interrupt(expired)
    tasks.purge_attempts()
    assert Renewal.objects.count() == 1
    Renewal.objects.update(asked_at=timezone.now() - timedelta(days=31))
    tasks.purge_attempts()
    assert Renewal.objects.count() == 0
