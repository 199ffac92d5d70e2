"""Wrong passwords are counted everywhere, by name and by address, and no caller can reset the count."""

from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.sign_in.models import AttemptCounter
from tests import cast
from tests.accounts import programs

pytestmark = pytest.mark.django_db

WRONG = "CANARY-wrong-password"
Door = Callable[..., Any]


def login(username: str, password: str, **where: Any) -> Any:
    return Client().post("/accounts/login/", {"username": username, "password": password}, **where)


def grant(username: str, password: str, **where: Any) -> Any:
    fields = {"grant_type": "password", "username": username, "password": password}
    return Client(headers=programs.basic("script")).post("/o/token/", fields, **where)


@pytest.fixture(params=[login, grant])
def door(request: pytest.FixtureRequest, admin: User) -> Door:
    programs.program(client_id="script", authorization_grant_type="password", first_party=True)
    return request.param  # type: ignore[no-any-return]  # one of the above


def let_in(answer: Any) -> bool:
    return answer.status_code == 302 or (answer.status_code == 200 and b"access_token" in answer.content)


def try_wrongly(door: Door, times: int = settings.SIGN_IN_ATTEMPTS, **where: Any) -> None:
    for _ in range(times):
        assert not let_in(door("admin", WRONG, **where))


def test_the_admin_has_no_door_of_its_own(admin: User) -> None:
    answer = Client().post("/admin/login/", {"username": "admin", "password": cast.PASSWORD})
    assert answer["Location"].startswith("/accounts/login/")


def test_the_right_password_opens(door: Door) -> None:
    assert let_in(door("admin", cast.PASSWORD))


@pytest.mark.slow
def test_after_too_many_wrong_ones_the_right_one_is_refused_too_until_time_has_passed(door: Door) -> None:
    try_wrongly(door)
    assert not let_in(door("admin", cast.PASSWORD))
    assert not let_in(door("admin", cast.PASSWORD, REMOTE_ADDR="198.51.100.7"))  # a name is locked everywhere
    with time_machine.travel(timezone.now() + settings.SIGN_IN_LOCK):
        assert let_in(door("admin", cast.PASSWORD))


@pytest.mark.slow
def test_trying_while_it_is_locked_does_not_lock_it_for_longer(door: Door) -> None:
    try_wrongly(door)
    with time_machine.travel(timezone.now() + settings.SIGN_IN_LOCK * 0.9):
        assert not let_in(door("admin", cast.PASSWORD))
    with time_machine.travel(timezone.now() + settings.SIGN_IN_LOCK):
        assert let_in(door("admin", cast.PASSWORD))


@pytest.mark.slow
def test_an_address_that_tries_many_names_is_locked(door: Door) -> None:
    for number in range(settings.SIGN_IN_ATTEMPTS):
        door(f"nobody-{number}", WRONG)
    assert not let_in(door("admin", cast.PASSWORD))
    assert let_in(door("admin", cast.PASSWORD, REMOTE_ADDR="198.51.100.7"))


@pytest.mark.slow
def test_neither_a_made_up_address_nor_a_success_in_between_resets_the_count(door: Door) -> None:
    half = settings.SIGN_IN_ATTEMPTS // 2
    for number in range(half):
        door("admin", WRONG, HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")
    assert let_in(door("admin", cast.PASSWORD))
    for number in range(half):
        door("admin", WRONG, HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")
    assert not let_in(door("admin", cast.PASSWORD))


@pytest.mark.slow
def test_who_is_locked_out_reads_why_and_for_how_long(admin: User) -> None:
    try_wrongly(login)
    for name in ("admin", "nobody-of-this-name"):
        page = login(name, cast.PASSWORD)
        assert (page.status_code, page["Retry-After"]) == (429, "900")
        assert b"Wait 15 minutes" in page.content


def test_no_password_and_no_client_secret_is_written_down(admin: User) -> None:
    programs.program(client_id="script", authorization_grant_type="password", first_party=True)
    login("admin", WRONG)
    fields = {"grant_type": "password", "username": "admin", "password": WRONG}
    Client().post("/o/token/", {**fields, "client_id": "script", "client_secret": programs.SECRET})
    assert AttemptCounter.objects.get(pk="name admin").failures == 2
    assert "CANARY" not in str(AttemptCounter.objects.values())


@pytest.mark.parametrize(
    ("count", "forwarded_for", "counted_as"),
    [
        (0, "203.0.113.9", "127.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "made-up, 203.0.113.9", "203.0.113.9"),
        (2, "made-up, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", "127.0.0.1"),
        (1, "no address at all", "127.0.0.1"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        (1, "203.0.113.9:4711", "203.0.113.9"),
        (1, "[2001:db8:1:2:3:4:5:6]:443", "2001:db8:1:2::"),
        (1, "[2001:db8:1:2:3:4:5:6]", "2001:db8:1:2::"),
        (1, "[::ffff:203.0.113.9]:443", "203.0.113.9"),
        (1, "203.0.113.9:", "127.0.0.1"),
        (1, "[203.0.113.9", "127.0.0.1"),
    ],
)
def test_the_address_is_what_our_own_proxies_saw(
    count: int, forwarded_for: str, counted_as: str, settings: Any
) -> None:
    settings.PROXY_COUNT = count
    login("admin", WRONG, HTTP_X_FORWARDED_FOR=forwarded_for)
    assert AttemptCounter.objects.filter(pk=f"address {counted_as}").exists()


@pytest.mark.slow
def test_a_locked_address_leaves_no_rows_for_the_names_it_makes_up(door: Door) -> None:
    for number in range(settings.SIGN_IN_ATTEMPTS):
        door(f"nobody-{number}", WRONG)
    rows = AttemptCounter.objects.count()
    for number in range(5):
        door(f"somebody-{number}", WRONG)
    assert AttemptCounter.objects.count() == rows


@pytest.mark.slow
@pytest.mark.parametrize("written", ["::ffff:203.0.113.9", "::FFFF:cb00:7109", "203.0.113.9"])
def test_an_ipv4_address_within_ipv6_is_counted_as_itself(door: Door, written: str) -> None:
    """A site that listens on "::" would otherwise lock out everybody who comes by IPv4."""
    for number in range(settings.SIGN_IN_ATTEMPTS):
        door(f"nobody-{number}", WRONG, REMOTE_ADDR="::ffff:203.0.113.9")
    assert not let_in(door("admin", cast.PASSWORD, REMOTE_ADDR=written))
    assert let_in(door("admin", cast.PASSWORD, REMOTE_ADDR="::ffff:198.51.100.7"))
