"""Tokens are renewed before anybody waits for them: those in use, and those that lie idle. In measure."""

import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from integrations.connections import keep_alive, tasks
from integrations.models import Alias, ApplicationRegistry, OAuth2Credential, Token
from tests import cast, walks
from tests.integrations.renewing import ASKED, GRANTED, current
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
    assert keep_alive.due(timezone.now()) == ([token] if is_due else [])


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
    assert keep_alive.due(timezone.now()) == []


@pytest.mark.django_db
def test_a_provider_that_is_down_is_left_alone(amira: User, northwind: Alias) -> None:
    in_use(amira, northwind)
    ApplicationRegistry.objects.update(down_since=timezone.now(), failing_url=walks.registry_of(northwind).token_url)
    assert keep_alive.due(timezone.now()) == []


@pytest.mark.django_db
def test_a_fleet_is_spread_and_each_token_keeps_its_time(northwind: Alias) -> None:
    many(30, northwind, expires_in=12 * 60, signed_in_at=ago(minutes=48))
    first = {token.pk for token in keep_alive.due(timezone.now())}
    assert 0 < len(first) < 30
    assert {token.pk for token in keep_alive.due(timezone.now())} == first
    Token.objects.update(expires_at=timezone.now() + timedelta(minutes=8))
    assert len(keep_alive.due(timezone.now())) == 30


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
    """Grants to everybody, and remembers how many asked at once."""

    def __init__(self, server: HostileServer, seconds: float = 0.05) -> None:
        self.at_once = self.most_at_once = 0
        self.seconds = seconds
        server.on(ASKED).always(self.grant)

    def grant(self, call: Call) -> Answer:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.seconds)
        self.at_once -= 1
        return Answer(json={**GRANTED, "refresh_token": f"{call.form['refresh_token']}+"})


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_provider_is_asked_in_measure_and_the_rest_comes_next(
    server: HostileServer, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(8, northwind)
    provider = Provider(server)
    monkeypatch.setattr(keep_alive, "MOST_PER_PROVIDER", 5)
    tasks.keep_tokens_alive()
    assert (len(server.calls), provider.most_at_once) == (5, 2)
    tasks.keep_tokens_alive()
    assert len(server.calls) == 8
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
    server.on(ASKED).always(**answer, delay=0.05)
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
    Provider(server, seconds=0.7)
    monkeypatch.setattr(keep_alive, "HAND_OUT_SECONDS", 0.6)
    tasks.keep_tokens_alive()
    assert len(server.calls) == 2
    assert Token.objects.filter(version=2).count() == 2


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_run_ends_by_itself_and_a_slow_provider_holds_up_no_other(
    server: HostileServer, amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(4, northwind)
    Provider(server, seconds=6.0)
    with HostileServer() as quick:
        other = cast.integration_at(cast.registry_at(quick.url, name="Orchard"), name="orchard")
        in_use(amira, other)
        quick.on(ASKED).answer(json=GRANTED)
        monkeypatch.setattr(keep_alive, "HAND_OUT_SECONDS", 0.6)
        monkeypatch.setattr(keep_alive, "RUN_SECONDS", 0.8)
        began = time.monotonic()
        tasks.keep_tokens_alive()
        assert time.monotonic() - began < 5
        assert len(quick.calls) == 1
    assert eventually(lambda: Token.objects.filter(version=2).count() == 3, 10)  # what was asked for is stored
    assert len(server.calls) == 2
