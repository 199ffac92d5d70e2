"""Repetitions of a call: only on request, only of what can be repeated, and when the server wants them."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from accounts.models import User
from foundation.oauth_client import announced_waits
from foundation.oauth_client.errors import Unreachable
from integrations import calls
from integrations.calls import retries
from integrations.models import HttpConnection
from tests import cast
from tests.servers.hostile import HostileServer

API = "/api/contacts"
NOW = {"Retry-After": "0"}


@pytest.fixture
def connection(server: HostileServer, amira: User) -> HttpConnection:
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    return HttpConnection.objects.select_related("credential__profile__registry").get()


def send(user: User, connection: HttpConnection, method: str = "GET", retries: int = 2, timeout: float = 30) -> int:
    return calls.send(user, connection, method, "/contacts", retries=retries, timeout=timeout).status_code


@pytest.mark.parametrize("status", [408, 425, 429, 502, 503, 504])
def test_what_may_pass_is_asked_again(
    status: int, server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    server.on(f"GET {API}").answer(status=status, headers=NOW).answer(status=200)
    assert send(amira, connection) == 200
    assert len(server.calls) == 2


def test_nothing_is_repeated_that_nobody_asked_for(
    server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    server.on(f"GET {API}").answer(status=429, headers=NOW).answer(close=True)
    assert send(amira, connection, retries=0) == 429
    with pytest.raises(Unreachable):
        send(amira, connection, retries=0)
    assert len(server.calls) == 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_could_happen_twice_is_sent_once(
    method: str, server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    server.on(f"{method} {API}").answer(status=429, headers=NOW).answer(close=True)
    assert send(amira, connection, method) == 429
    with pytest.raises(Unreachable):
        send(amira, connection, method)
    assert len(server.calls) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 409, 500, 501])
def test_what_will_not_pass_is_the_answer(
    status: int, server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    server.on(f"GET {API}").always(status=status)
    assert send(amira, connection) == status
    assert len(server.calls) == 1


@pytest.mark.slow
def test_a_server_that_hangs_up_is_asked_again(server: HostileServer, amira: User, connection: HttpConnection) -> None:
    server.on(f"GET {API}").answer(close=True).answer(status=200)
    assert send(amira, connection) == 200
    assert len(server.calls) == 2


def test_it_is_not_asked_more_often_than_was_wanted(
    server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    server.on(f"GET {API}").always(status=429, headers=NOW)
    assert send(amira, connection, retries=3) == 429
    assert len(server.calls) == 4
    assert send(amira, connection, retries=100) == 429
    assert len(server.calls) == 4 + 1 + calls.MOST_RETRIES


def test_a_wait_that_would_last_too_long_is_the_answer(
    server: HostileServer, amira: User, connection: HttpConnection
) -> None:
    server.on(f"GET {API}").always(status=429, headers={"Retry-After": "3600"})
    assert send(amira, connection) == 429
    assert len(server.calls) == 1


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "3600"},
        {"Retry-After": lambda: format_datetime(in_an_hour(), usegmt=True)},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": lambda: str(int(in_an_hour().timestamp()))},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": lambda: str(int(in_an_hour().timestamp() * 1000))},
        {"X-RateLimit-Reset": "3600"},
        {"Retry-After": lambda: in_an_hour().isoformat().replace("+00:00", "Z")},
        {"RateLimit-Remaining": "0", "RateLimit-Reset": "3600"},
        {"RateLimit": '"default";r=0;t=3600'},
        {"Retry-After": "1", "RateLimit-Remaining": "0", "RateLimit-Reset": "3600"},
        {"Retry-After": '"3600"'},
        {"RateLimit": "limit=100, remaining=0, reset=3600"},  # draft-ietf-httpapi-ratelimit-headers-07
        {"RateLimit": '"burst";r=10;t=5, "daily";r=0;t=3600'},
        {"RateLimit": '"daily";r=0;t=3600, "month";r=9;t=86400'},
        {
            "Beta-RateLimit": '"global-app-quota";r=0;t=3600'
        },  # https://developer.atlassian.com/cloud/jira/platform/rate-limiting/
        {"X-RateLimit-Reset": lambda: in_an_hour().strftime("%Y-%m-%d %H:%M:%S UTC"), "X-RateLimit-Remaining": "0"},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": lambda: str(int(in_an_hour().timestamp() * 10**6))},
        {"X-RateLimit-Remaining": "0.0", "X-RateLimit-Reset": "3600"},  # Reddit
        # https://api-dashboard.search.brave.com/documentation/guides/rate-limiting
        {"X-RateLimit-Remaining": "1, 0", "X-RateLimit-Reset": "1, 3600"},
        {"X-RateLimit-Remaining": "0, 1000", "X-RateLimit-Reset": "3600, 1419704"},
        # https://linear.app/developers/rate-limiting
        {
            "X-RateLimit-Requests-Remaining": "0",
            "X-RateLimit-Requests-Reset": lambda: str(int(in_an_hour().timestamp() * 1000)),
        },
        # https://platform.openai.com/docs/guides/rate-limits
        {
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "1h0m0s",
            "x-ratelimit-remaining-tokens": "90",
            "x-ratelimit-reset-tokens": "6ms",
        },
        # https://github.com/plhery/node-twitter-api-v2/issues/495
        {
            "x-rate-limit-remaining": "49",
            "x-rate-limit-reset": "60",
            "x-app-limit-24hour-remaining": "0",
            "x-app-limit-24hour-reset": lambda: str(int(in_an_hour().timestamp())),
        },
    ],
)
def test_every_dialect_of_a_wait_is_understood(headers: dict[str, str | Callable[[], str]]) -> None:
    """Moments are made when the test runs, which may be long after its import."""
    values = {name: value() if callable(value) else value for name, value in headers.items()}
    assert 3500 < retries.pause(values, 1) <= 3600


@pytest.mark.parametrize("text", ["", "soon", "-5", "1e9", "9" * 30, "0x10", "Mon, 99 Foo 2026", "nan"])
def test_a_wait_that_nobody_understands_is_a_guess(text: str) -> None:
    assert 0 < retries.pause({"Retry-After": text, "RateLimit-Reset": text}, 1) <= retries.FIRST_PAUSE
    assert retries.pause({"Retry-After": text}, 50) <= retries.LONGEST_PAUSE


def test_a_limit_that_is_not_used_up_makes_nobody_wait() -> None:
    later = {"X-RateLimit-Remaining": "10", "X-RateLimit-Reset": str(int(time.time()) + 3600)}
    assert retries.pause({"Retry-After": "1", **later}, 1) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (
            {
                "Retry-After": "1",
                "X-RateLimit-Remaining-Second": "0",
                "X-RateLimit-Remaining-Month": "900",
                "X-RateLimit-Reset-Month": "1419704",
            },
            1,
        ),
        (
            {
                "Retry-After": "1",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "250ms",
                "x-ratelimit-remaining-requests": "99",
                "x-ratelimit-reset-requests": "8m38s",
            },
            1,
        ),
        ({"Retry-After": "1", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon", "RateLimit-Reset": "99"}, 1),
        ({"X-RateLimit-Remaining-Minute": "0", "RateLimit-Reset": "9"}, 9),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "250ms"}, 0.25),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m1.5s"}, 61.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1s500ms"}, 1.5),
        ({"X-RateLimit-Remaining-Second": "0", "X-RateLimit-Remaining-Month": "9", "X-RateLimit-Reset-Month": "9999"},
         None),
        ({"X-RateLimit-Remaining-Minute": "9", "X-RateLimit-Reset-Minute": "7"}, 7),
    ],
    ids=str,
)  # fmt: skip
def test_another_limit_than_the_used_up_one_makes_nobody_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert announced_waits.announced_wait(headers) == seconds


@pytest.mark.parametrize(
    "name", ["Seat", "Storage", "Disk-Space", "Diskspace", "File-Size", "Members", "Record", "Item"]
)
def test_a_limit_that_no_wait_changes_is_none_of_calls(name: str) -> None:
    assert not retries.is_transient(403, {f"X-{name}-Limit-Remaining": "0"})
    assert not retries.is_transient(403, {f"X-RateLimit-Remaining-{name}": "0"})


def test_a_limit_of_calls_is_one_whatever_it_is_named_after() -> None:
    assert retries.is_transient(403, {"X-Workspace-RateLimit-Remaining": "0"})
    assert retries.is_transient(403, {"X-RateLimit-Requests-Remaining": "0"})


def test_a_used_up_limit_is_told_as_403_as_well() -> None:
    assert retries.is_transient(403, {"X-RateLimit-Remaining": "0"})
    assert retries.is_transient(403, {"Retry-After": "3"})
    assert not retries.is_transient(403, {"X-RateLimit-Remaining": "7"})
    assert retries.is_transient(403, {"RateLimit": "limit=5, remaining=0, reset=9"})
    assert not retries.is_transient(403, {"RateLimit": '"burst";r=4;t=9'})
    assert not retries.is_transient(403, {"X-Storage-Limit-Remaining": "0"})


@pytest.mark.parametrize("text", ["9999999999999999", "99999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wait_of_centuries_stays_one_that_can_be_added_to_a_moment(text: str) -> None:
    asked = announced_waits.announced_wait({"Retry-After": text})
    assert asked == announced_waits.LONGEST_ASKED
    assert (datetime.now(UTC) + timedelta(seconds=asked)).year < 3000
