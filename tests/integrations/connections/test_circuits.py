"""A provider that does not answer: counted from real calls, held back from, asked once a minute, and let in again."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client import transport
from foundation.oauth_client.errors import OAuthError, Unreachable
from integrations import circuit_breaker
from integrations.connections import renewal, tasks
from integrations.models import Alias, ApplicationRegistry, Token
from integrations.personal_auth import PersonalAuthAPI
from tests import cast, walks
from tests.integrations.renewing import ASKED, GRANTED, current, in_threads
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db
API = "GET /api/contacts"


@pytest.fixture
def northwind(server: HostileServer, db: None) -> Alias:
    return cast.integration_at(cast.registry_at(server.url))


def call(user: User, alias: Alias, **options: Any) -> int:
    return PersonalAuthAPI(user).request(alias.name, "GET", "/contacts", **options).status_code


def health() -> ApplicationRegistry:
    return ApplicationRegistry.objects.get()


def pass_time(**passed: float) -> None:
    """As if so much time had gone by since the row was written."""
    row = health()
    moved = ("failing_since", "down_since", "next_check_at")
    moments = {name: getattr(row, name) - timedelta(**passed) for name in moved if getattr(row, name)}
    ApplicationRegistry.objects.update(**moments)


def go_down(**fields: Any) -> None:
    """As three failures have left it, and not due for a trial."""
    since = timezone.now() - timedelta(minutes=1)
    told = {"failures": 3, "failing_since": since, "down_since": since, "next_check_at": since + timedelta(minutes=5)}
    ApplicationRegistry.objects.update(**{**told, "failing_url": health().token_url, **fields})


# What opens it --------------------------------------------------------------------------------------------------------


def by_calling(user: User, alias: Alias) -> None:
    with suppress(OAuthError):
        call(user, alias)


def by_renewing(user: User, alias: Alias) -> None:
    Token.objects.update(lease_expires_at=None, expires_at=timezone.now() - timedelta(seconds=1))
    with suppress(OAuthError):
        current(user, alias)


@pytest.mark.parametrize(
    ("act", "where", "answer"),
    [
        (by_calling, API, {"status": 503}),
        (by_calling, API, {"status": 502, "text": "<h1>Bad gateway</h1>"}),
        (by_calling, API, {"close": True}),
        (by_renewing, ASKED, {"status": 500}),
        (by_renewing, ASKED, {"close": True}),
    ],
    ids=["503", "502", "hang up", "500 to a renewal", "hang up at a renewal"],
)
def test_three_failures_in_two_minutes_open_it_and_it_calls_nobody(
    act: Callable[[User, Alias], None],
    where: str,
    answer: dict[str, Any],
    server: HostileServer,
    amira: User,
    northwind: Alias,
) -> None:
    cast.signed_in(amira, northwind)
    server.on(where).always(**answer)
    for _ in range(2):
        act(amira, northwind)
    assert health().down_since is None
    act(amira, northwind)
    found = health()
    assert found.down_since == found.failing_since
    assert len(server.calls) == 3
    with pytest.raises(Unreachable, match="provider_down"):
        call(amira, northwind)
    assert len(server.calls) == 3


@pytest.mark.parametrize(
    ("act", "where", "answer"),
    [
        (by_calling, API, {"status": 500}),
        (by_calling, API, {"status": 429, "headers": {"Retry-After": "30"}}),
        (by_calling, API, {"status": 404}),
        (by_renewing, ASKED, {"status": 429}),
        (by_renewing, ASKED, {"status": 401, "json": {"error": "invalid_client"}}),
        (by_renewing, ASKED, {"status": 200, "text": "<h1>Welcome</h1>"}),
    ],
    ids=["500 of one path", "429", "404", "429 to a renewal", "invalid_client", "a page"],
)
def test_an_answer_of_any_kind_does_not_open_it(
    act: Callable[[User, Alias], None],
    where: str,
    answer: dict[str, Any],
    server: HostileServer,
    amira: User,
    northwind: Alias,
) -> None:
    cast.signed_in(amira, northwind)
    server.on(where).always(**answer)
    for _ in range(3):
        act(amira, northwind)
    assert (health().failures, health().down_since) == (0, None)
    assert len(server.calls) >= 3


@pytest.mark.slow
def test_failures_far_apart_or_with_an_answer_between_do_not_open_it(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind)
    server.on(API).always(status=503)
    for _ in range(2):
        call(amira, northwind)
    pass_time(minutes=2)
    call(amira, northwind)
    assert (health().failures, health().down_since) == (1, None)
    server.on(API).answer(status=503).answer(status=200).answer(status=503)
    for _ in range(3):
        call(amira, northwind)
    assert (health().failures, health().down_since) == (1, None)


def test_a_500_between_two_failures_says_nothing_either_way(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind)
    server.on(API).answer(status=503).answer(status=500).always(status=503)
    for _ in range(4):
        call(amira, northwind)
    assert health().down_since


@pytest.mark.slow
def test_who_gives_a_server_little_time_says_nothing_about_it(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    """Else one program that is impatient with one slow page would take the provider away from everybody."""
    cast.signed_in(amira, northwind)
    server.on(API).always(status=200, delay=20)
    with pytest.raises(Unreachable, match="timeout"):
        call(amira, northwind, timeout=2.2)
    assert health().failures == 0
    with transport.deadline(0.5), pytest.raises(Unreachable, match="timeout"):
        call(amira, northwind, timeout=30)
    assert health().failures == 1


@pytest.mark.slow
def test_sign_ins_that_nobody_answers_open_it(
    server: HostileServer, as_amira: Any, amira: User, northwind: Alias
) -> None:
    server.on("POST /token").answer(close=True).answer(status=503).answer(status=500)
    for _ in range(3):
        walks.sign_in(as_amira, northwind)
    assert health().down_since
    walks.grants(server)
    walks.sign_in(as_amira, northwind)  # a person who is there is a trial of his own
    assert health().down_since is None


def test_another_server_of_the_same_registry_is_not_held_back(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    go_down(failing_url="https://login.northwind.example/token")
    cast.signed_in(amira, northwind)
    server.on(API).always(status=200)
    assert call(amira, northwind) == 200
    assert health().down_since  # and what it says tells nothing about the one that failed


# While it is open -----------------------------------------------------------------------------------------------------


def test_a_token_that_lives_is_still_given_out(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, expires_in=30)  # due, and alive
    go_down()
    assert current(amira, northwind) == "CANARY-access-1"
    assert server.calls == []
    assert Token.objects.get().lease_expires_at is None  # it was not even tried


def test_once_a_minute_one_call_is_let_through(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    go_down()
    pass_time(minutes=6)
    server.on(API).always(status=503)
    assert call(amira, northwind) == 503
    for _ in range(2):
        with pytest.raises(Unreachable, match="provider_down"):
            call(amira, northwind)
    assert len(server.calls) == 1
    pass_time(seconds=61)
    assert call(amira, northwind) == 503
    assert len(server.calls) == 2


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_one_of_many_that_come_at_once_is_the_trial(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    go_down(next_check_at=timezone.now())
    server.on(API).always(status=503, delay=0.3)

    def outcome() -> str:
        try:
            return str(call(amira, northwind))
        except OAuthError as error:
            return error.code

    assert sorted(in_threads(6, outcome)) == ["503", *["provider_down"] * 5]
    assert len(server.calls) == 1


@pytest.mark.parametrize(("asked", "seconds"), [("", 60), ("5", 60), ("200", 200), ("86400", 300)])
def test_the_server_may_ask_for_a_longer_pause_within_reason(
    asked: str, seconds: int, server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind)
    go_down(next_check_at=timezone.now())
    server.on(API).answer(status=503, headers={"Retry-After": asked} if asked else {})
    call(amira, northwind)
    next_check_at = health().next_check_at
    assert next_check_at
    assert abs((next_check_at - timezone.now()).total_seconds() - seconds) < 5


@pytest.mark.parametrize("status", [200, 404, 401])
def test_the_first_answer_lets_everybody_in_again(
    status: int, server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind)
    go_down(next_check_at=timezone.now())
    server.on(API).always(status=status)
    server.on(ASKED).always(json=GRANTED)
    for _ in range(2):
        assert call(amira, northwind) == status
    found = health()
    assert (found.failures, found.failing_url, found.down_since, found.next_check_at) == (0, "", None, None)


def test_a_renewal_that_is_the_trial_lets_the_call_behind_it_through(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    go_down(next_check_at=timezone.now())
    server.on(ASKED).answer(json=GRANTED)
    server.on(API).answer(status=200)
    assert call(amira, northwind) == 200


def test_a_refusal_is_an_answer_too(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    go_down(next_check_at=timezone.now())
    server.on(ASKED).answer(status=400, json={"error": "invalid_grant"})
    with pytest.raises(renewal.NoUsableToken):
        current(amira, northwind)
    assert health().down_since is None


def test_nothing_is_written_while_all_is_well(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, last_used_at=timezone.now())
    server.on(API).always(status=200)
    with connection.execute_wrapper(no_write_to_registries):
        assert call(amira, northwind) == 200


def no_write_to_registries(execute: Any, sql: str, *rest: Any) -> Any:
    assert not sql.startswith('UPDATE "integrations_applicationregistry"')
    return execute(sql, *rest)


def test_what_an_administrator_saves_leaves_alone_what_is_known_meanwhile(northwind: Alias) -> None:
    opened_in_a_form = health()
    go_down()
    health().note_misconfigured("invalid_client")
    opened_in_a_form.comments = "Ring Tomás about it."
    opened_in_a_form.save()
    found = health()
    assert (found.comments, found.failures, found.misconfigured_code) == (
        "Ring Tomás about it.",
        3,
        "invalid_client",
    )


# Asking whether it is back --------------------------------------------------------------------------------------------


@pytest.fixture
def down(northwind: Alias) -> ApplicationRegistry:
    go_down(next_check_at=timezone.now())
    return health()


@pytest.mark.parametrize(
    ("answer", "is_back"),
    [
        ({"status": 405}, True),
        ({"status": 302, "headers": {"Location": "/login"}}, True),
        ({"body": b"x" * 3_000_000}, True),
        ({"status": 503}, False),
        ({"status": 500, "body": b"x" * 3_000_000}, False),
        ({"close": True}, False),
        ({"raw": b"what?\r\n\r\n"}, False),
    ],
    ids=["405", "redirect", "large", "503", "large 500", "hang up", "nonsense"],
)
@pytest.mark.django_db(transaction=True)
def test_the_beat_asks_what_is_down(
    answer: dict[str, Any], is_back: bool, server: HostileServer, down: ApplicationRegistry
) -> None:
    server.on("GET /token").always(**answer)
    tasks.check_providers()
    tasks.check_providers()
    (asked,) = server.calls
    assert "authorization" not in asked.headers
    assert (health().down_since is None) == is_back


def test_nobody_is_asked_while_all_is_well_or_before_the_time(server: HostileServer, northwind: Alias) -> None:
    tasks.check_providers()
    go_down()
    tasks.check_providers()
    go_down(active=False, next_check_at=timezone.now())
    tasks.check_providers()
    assert server.calls == []


def test_a_person_who_asks_is_not_kept_waiting_for_the_minute_but_for_ten_seconds(
    server: HostileServer, down: ApplicationRegistry
) -> None:
    server.on("GET /token").always(status=503)
    assert not circuit_breaker.check_now(health())
    for _ in range(2):
        with pytest.raises(circuit_breaker.TooSoon):
            circuit_breaker.check_now(health())
    assert len(server.calls) == 1
    pass_time(seconds=11)
    server.on("GET /token").always(status=200)
    assert circuit_breaker.check_now(health())
    assert circuit_breaker.check_now(health())
    assert len(server.calls) == 2
