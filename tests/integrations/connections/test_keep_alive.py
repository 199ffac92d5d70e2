"""Tokens are renewed before anybody waits for them: those in use, and those that lie idle. In measure."""

import time
from collections import Counter
from datetime import timedelta
from threading import Event, Lock
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from integrations.connections import keep_alive, renewal, tasks
from integrations.connections.keep_alive import queue, worker
from integrations.models import Alias, ApplicationRegistry, OAuth2Credential, Token
from integrations.models.heartbeats import Heartbeat
from integrations.models.tokens import deadlines
from tests import cast, walks
from tests.integrations.renewing import ASKED, GRANTED, current, due_tokens
from tests.servers.hostile import Answer, Call, HostileServer
from tests.servers.worker import eventually

pytestmark = pytest.mark.slow

HOUR = 3600


@pytest.fixture
def northwind(server: HostileServer, db: None) -> Alias:
    return walks.northwind(server)


def in_use(user: User | None, alias: Alias, **fields: Any) -> Token:
    """An hour's token in its last minutes, used a moment ago. Moments are given by their distance from now."""
    now = timezone.now()
    lived = {"expires_in": 120, "signed_in_at": timedelta(minutes=-58), "last_used_at": timedelta(), **fields}
    moments = {name: now + value for name, value in lived.items() if isinstance(value, timedelta)}
    return cast.signed_in(user, alias, **{**lived, **moments})  # type: ignore[arg-type]  # nobody: a System token


def limit(alias: Alias, **limits: int) -> None:
    ApplicationRegistry.objects.update(provider_profile={"limits": limits}, renewals_paced_until=None)


def many(count: int, alias: Alias, **fields: Any) -> None:
    for number in range(count):
        in_use(User.objects.create(username=f"person {number}"), alias, **fields)


# What is due ----------------------------------------------------------------------------------------------------------


def ago(**passed: float) -> timedelta:
    return -timedelta(**passed)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "is_due"),
    [
        ({}, True),
        ({"expires_in": -5 * HOUR, "signed_in_at": ago(hours=6)}, True),  # used today, and its next caller would wait
        ({"expires_in": 30 * 60}, False),
        ({"last_used_at": None}, False),
        ({"last_used_at": ago(hours=25)}, False),
        ({"expires_in": 30, "signed_in_at": ago(minutes=4)}, False),  # lives for minutes: not worth it
        ({"refresh_token": ""}, False),
        ({"state": "needs_reauth"}, False),
        ({"lease_expires_at": ago(minutes=-1)}, False),  # under way, or pausing
        ({"refresh_expires_at": ago(seconds=1), "refresh_expiry": "known"}, False),
        # Not used for long, and the refresh token is near its end:
        ({"last_used_at": None, "refresh_expires_at": ago(days=-1), "signed_in_at": ago(days=90)}, True),
        ({"last_used_at": None, "refresh_expires_at": ago(days=-8), "signed_in_at": ago(days=90)}, False),
        ({"last_used_at": None, "refresh_expires_at": ago(days=-1), "signed_in_at": ago(days=1)}, False),
        ({"last_used_at": None, "refresh_expires_at": ago(minutes=-30), "signed_in_at": ago(days=1)}, True),
    ],
)
def test_what_is_used_lately_or_idle_for_long_is_renewed(
    fields: dict[str, Any], is_due: bool, amira: User, northwind: Alias
) -> None:
    token = in_use(amira, northwind, **fields)
    assert due_tokens() == ([token] if is_due else [])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rows", "change"),
    [
        (User.objects, {"is_active": False}),
        (OAuth2Credential.objects, {"active": False}),
        (OAuth2Credential.objects, {"integration_type": "system"}),
        (ApplicationRegistry.objects, {"active": False}),
    ],
    ids=["a deactivated person", "a credential that is off", "another type now", "a registry that is off"],
)
def test_what_may_not_be_used_is_left_alone(rows: Any, change: dict[str, Any], amira: User, northwind: Alias) -> None:
    in_use(amira, northwind)
    rows.update(**change)
    assert due_tokens() == []


@pytest.mark.django_db
def test_a_provider_that_is_down_is_left_alone(amira: User, northwind: Alias) -> None:
    in_use(amira, northwind)
    ApplicationRegistry.objects.update(down_since=timezone.now(), failing_url=walks.registry_of(northwind).token_url)
    assert due_tokens() == []


@pytest.mark.django_db
def test_a_fleet_is_spread_and_each_token_keeps_its_time(northwind: Alias) -> None:
    many(30, northwind, expires_in=12 * 60, signed_in_at=ago(minutes=48))
    first = {token.pk for token in due_tokens()}
    assert 0 < len(first) < 30
    assert {token.pk for token in due_tokens()} == first
    Token.objects.update(expires_at=timezone.now() + timedelta(minutes=8))
    assert len(due_tokens()) == 30


# Renewing -------------------------------------------------------------------------------------------------------------


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_what_was_renewed_in_time(server: HostileServer, amira: User, northwind: Alias) -> None:
    in_use(amira, northwind)
    server.on(ASKED).answer(json=GRANTED)
    tasks.keep_tokens_alive()
    tasks.keep_tokens_alive()
    assert len(server.calls) == 1
    assert current(amira, northwind) == "CANARY-access-2"
    assert len(server.calls) == 1


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_dead_sign_in_is_found_and_told_before_anybody_needs_it(
    server: HostileServer, amira: User, northwind: Alias, mailoutbox: list[Any]
) -> None:
    in_use(amira, northwind)
    server.on(ASKED).answer(status=400, json={"error": "invalid_grant"})
    tasks.keep_tokens_alive()
    tasks.send_notices()
    assert [(message.to, message.subject) for message in mailoutbox] == [
        (["amira@hub.example"], "[Keyrack] Sign in to Northwind CRM again")
    ]


class Provider:
    """Grants to everybody, and remembers how many asked at once. It answers nobody before `crowd` have asked."""

    def __init__(self, server: HostileServer, seconds: float = 0.05, crowd: int = 1) -> None:
        self.at_once = self.most_at_once = 0
        self.server, self.seconds, self.crowd, self.lock = server, seconds, crowd, Lock()
        server.on(ASKED).always(self.grant)

    def grant(self, call: Call) -> Answer:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.server.wait_for_calls(self.crowd)
        time.sleep(self.seconds)
        with self.lock:
            self.at_once -= 1
        return Answer(json={**GRANTED, "refresh_token": f"{call.form['refresh_token']}+"})


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_provider_is_asked_in_measure_and_the_rest_comes_next(
    server: HostileServer, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(8, northwind)
    provider = Provider(server, crowd=2)
    registry = walks.registry_of(northwind)
    limit(northwind, ahead_per_second=1)
    assert [queue.reserve_places(registry.pk, 8, 1), queue.reserve_places(registry.pk, 8, 1)] == [5, 0]
    monkeypatch.setattr(worker, "HAND_OUT_SECONDS", 0.4)
    tasks.keep_tokens_alive()
    assert len(server.calls) == 0, "the places of the next five seconds are taken, by whichever worker"
    monkeypatch.undo()
    limit(northwind, ahead_per_second=1000)
    tasks.keep_tokens_alive()
    assert (len(server.calls), provider.most_at_once) == (8, 2)
    assert Counter(Token.objects.values_list("version", flat=True)) == {2: 8}


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        ({"status": 429}, 2),
        ({"status": 401, "json": {"error": "invalid_client"}}, 2),
        ({"close": True}, 2),
        ({"status": 400, "json": {"error": "invalid_grant"}}, 6),  # about that person, not about the provider
    ],
    ids=["429", "misconfigured", "hang up", "refused"],
)
def test_a_provider_in_trouble_is_not_asked_for_everybody(
    answer: dict[str, Any], calls: int, server: HostileServer, northwind: Alias
) -> None:
    many(6, northwind)

    def reply(_call: Call) -> Answer:
        server.wait_for_calls(2)  # the second is sent before the first is answered, however slow the machine
        return Answer(**answer)

    server.on(ASKED).always(reply)
    tasks.keep_tokens_alive()
    assert len(server.calls) == calls


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_one_token_asks_whether_a_set_up_works_again(server: HostileServer, northwind: Alias) -> None:
    many(4, northwind)
    walks.registry_of(northwind).note_misconfigured("invalid_client")
    Provider(server)
    tasks.keep_tokens_alive()
    assert len(server.calls) == 1
    assert walks.registry_of(northwind).misconfigured_code == ""
    tasks.keep_tokens_alive()
    assert len(server.calls) == 4


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_what_would_not_end_in_time_is_not_begun(
    server: HostileServer, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(4, northwind)
    Provider(server, seconds=2.5)
    monkeypatch.setattr(worker, "HAND_OUT_SECONDS", 2.0)
    tasks.keep_tokens_alive()
    assert len(server.calls) == 2
    assert Token.objects.filter(version=2).count() == 2
    assert Token.objects.filter(due_at__lte=timezone.now()).count() == 2, "the others are due as before"


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_run_ends_by_itself_and_a_slow_provider_holds_up_no_other(
    server: HostileServer, amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(4, northwind)
    provider, may_answer = Provider(server, seconds=0), Event()

    def grant_late(call: Call) -> Answer:
        may_answer.wait(30)
        return provider.grant(call)

    server.on(ASKED).always(grant_late)
    with HostileServer() as quick:
        other = cast.integration_at(cast.registry_at(quick.url, name="Orchard"), name="orchard")
        in_use(amira, other)
        quick.on(ASKED).answer(json=GRANTED)
        monkeypatch.setattr(worker, "HAND_OUT_SECONDS", 2.0)
        monkeypatch.setattr(worker, "RUN_SECONDS", 2.5)
        began = time.monotonic()
        tasks.keep_tokens_alive()
        assert time.monotonic() - began < 20, "the run waited for the slow provider"
        assert len(quick.calls) == 1
    may_answer.set()
    assert eventually(lambda: Token.objects.filter(version=2).count() == 3)  # what was asked for is stored
    assert len(server.calls) == 2


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_what_is_claimed_while_the_last_thread_of_a_lane_ends_gets_another_one(
    server: HostileServer, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(northwind, ahead_at_once=1, ahead_per_second=1000)
    Provider(server, seconds=0)
    is_ending, may_end = Event(), Event()

    def close() -> None:
        if not is_ending.is_set():
            is_ending.set()
            may_end.wait(10)
        connection.close()

    monkeypatch.setattr(worker, "connection", SimpleNamespace(close=close))
    many(1, northwind)
    run = worker.Run()
    (source,) = queue.due_sources(timezone.now())
    lane = run.lane_of(source)
    assert run.fill(lane, source)
    assert is_ending.wait(10), "it has found no other token"
    in_use(User.objects.create(username="late"), northwind)
    assert run.fill(lane, source)
    assert eventually(lambda: Token.objects.filter(version=2).count() == 2, 5)
    may_end.set()
    run.end()
    assert (run.active, lane.threads, run.waiting) == (0, 0, 0)


# The queue ------------------------------------------------------------------------------------------------------------


def stored_deadlines() -> list[tuple[Any, Any]]:
    return list(Token.objects.values_list("due_at", "idle_due_at"))


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_each_change_of_a_token_stores_when_it_is_due(server: HostileServer, amira: User, northwind: Alias) -> None:
    token = cast.signed_in(amira, northwind)
    assert stored_deadlines() == [(None, None)], "neither used nor about to idle out"
    renewal.note_use(token, "a program")
    (due_at, _idle), *_rest = stored_deadlines()
    assert due_at is not None
    assert token.expires_at is not None
    assert due_at <= token.expires_at - timedelta(minutes=15)
    server.on(ASKED).answer(json={**GRANTED, "refresh_expires_in": 30 * 24 * HOUR}, delay=0)
    server.on(ASKED).always(status=400, json={"error": "invalid_grant"})
    renewed = renewal.renew(Token.objects.get())
    ((due_at, idle_due_at),) = stored_deadlines()
    assert due_at is not None
    assert idle_due_at is not None
    assert due_at < idle_due_at < timezone.now() + timedelta(days=27)
    assert (due_at, idle_due_at) == deadlines.deadlines_of(renewed, timezone.now())
    with pytest.raises(renewal.NoUsableToken):
        renewal.renew(Token.objects.get(), is_rejected=True)
    assert stored_deadlines() == [(None, None)], "nothing renews what was refused"


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_those_that_would_end_come_first_and_each_is_claimed_once(northwind: Alias) -> None:
    idle = {"last_used_at": None, "signed_in_at": ago(days=90)}
    many(3, northwind)
    ending = [
        in_use(User.objects.create(username=f"idle {days}"), northwind, refresh_expires_at=ago(days=-days), **idle)
        for days in (2, 1)
    ]
    now = timezone.now()
    (source,) = queue.due_sources(now)
    assert source.idles_out
    credential = source.credential_id
    first = queue.claim(credential, 3, now)
    assert [token.pk for token in first[:2]] == [token.pk for token in reversed(ending)]
    assert len(queue.claim(credential, 9, now)) == 2
    assert queue.claim(credential, 9, now) == []
    assert len(queue.claim(credential, 9, now + queue.CLAIM)) == 5, "a process that died has left them for a minute"


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_pause_after_a_failure_is_waited_for(server: HostileServer, amira: User, northwind: Alias) -> None:
    token = in_use(amira, northwind)
    server.on(ASKED).always(status=429, headers={"Retry-After": "600"})
    tasks.keep_tokens_alive()
    token.refresh_from_db()
    assert token.due_at is not None
    assert token.lease_expires_at is not None
    assert token.due_at >= token.lease_expires_at > timezone.now() + timedelta(minutes=9)
    tasks.keep_tokens_alive()
    assert len(server.calls) == 1


@pytest.mark.django_db
def test_deadlines_that_something_else_wrote_are_repaired_within_a_day(amira: User, northwind: Alias) -> None:
    token = in_use(amira, northwind)
    right = stored_deadlines()
    midnight = timezone.now().replace(hour=0, minute=0)
    minutes = [midnight + timedelta(minutes=number) for number in range(24 * 60)]
    for wrong in (None, timezone.now() + timedelta(days=3)):
        Token.objects.update(due_at=wrong)
        width = 2**128 // (24 * 60)
        its_minute = minutes[min(token.pk.int // width, 24 * 60 - 1)]
        assert queue.repair_slice(its_minute + timedelta(minutes=1)) == 0
        assert queue.repair_slice(its_minute.replace(second=0)) in {0, 1}
        queue.repair_deadlines(Token.objects.all(), timezone.now())
        assert stored_deadlines() == right


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_workers_help_each_other_with_much_work_and_each_place_is_taken_once(
    server: HostileServer, northwind: Alias, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KEEP_ALIVE_WORKERS = 3
    called: list[int] = []
    monkeypatch.setattr(tasks, "publish_task", lambda _task, place, **_options: called.append(place))
    monkeypatch.setattr(worker, "BACKLOG_FROM", 4)
    many(6, northwind)
    Provider(server, seconds=0.01)
    tasks.keep_tokens_alive()
    assert called == [2, 3]
    assert len(server.calls) == 6
    many_more = [in_use(User.objects.create(username=f"more {number}"), northwind) for number in range(6)]
    Heartbeat.objects.filter(name="integrations.keep_tokens_alive 2").delete()
    Heartbeat.objects.create(name="integrations.keep_tokens_alive 2", holder="another", at=timezone.now())
    tasks.keep_tokens_alive(2)
    assert len(server.calls) == 6
    called.clear()
    monkeypatch.setattr(worker, "HAND_OUT_SECONDS", 0.05)
    Provider(server, seconds=0.2)
    tasks.keep_tokens_alive(3)
    assert called == [3], "it goes on, as there is more to do"
    assert Token.objects.filter(pk__in=[token.pk for token in many_more], version=1).exists()


@pytest.mark.database
@pytest.mark.django_db
def test_the_backlog_is_counted_without_what_is_turned_off(amira: User, bob: User, northwind: Alias) -> None:
    in_use(amira, northwind)
    in_use(bob, northwind, last_used_at=None, refresh_expires_at=ago(days=-1), signed_in_at=ago(days=90))
    counted = keep_alive.count_backlog(timezone.now())
    assert (counted.due, counted.would_end) == (2, 1)
    assert counted.oldest is not None
    OAuth2Credential.objects.update(active=False)
    assert keep_alive.count_backlog(timezone.now()) == keep_alive.Backlog(due=0, would_end=0, oldest=None)
