"""No one can lock a user out for good: known devices and passkeys still work."""

from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts import tasks
from accounts.access_tokens import operations
from accounts.models import User
from accounts.sign_in import middleware
from accounts.sign_in.models import AttemptCounter, KnownDevice
from tests import cast
from tests.accounts import programs, proofs

pytestmark = pytest.mark.django_db

WRONG = "CANARY-wrong-password"
NEW = "CANARY-a-new-passphrase"


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    cache.clear()


def sign_in(client: Client, password: str = cast.PASSWORD, name: str = "amira") -> Any:
    return client.post("/accounts/login/", {"username": name, "password": password})


def signed_out_again(user: User, client: Client | None = None) -> Client:
    """A browser that this user has signed in with before."""
    client = client or Client()
    assert sign_in(client, name=user.username).status_code == 302
    client.post("/accounts/logout/")
    return client


def lock(name: str = "amira") -> None:
    for _ in range(settings.SIGN_IN_ATTEMPTS):
        sign_in(Client(), WRONG, name)
    assert sign_in(Client(), name=name).status_code == 429


@pytest.mark.slow
def test_a_browser_that_the_person_used_before_gets_in_while_the_name_is_locked(amira: User) -> None:
    browser = signed_out_again(amira)
    lock()
    assert sign_in(browser).status_code == 302


@pytest.mark.slow
def test_guesses_from_a_known_browser_are_limited_by_themselves(amira: User) -> None:
    browser = signed_out_again(amira)
    for _ in range(settings.SIGN_IN_ATTEMPTS):
        sign_in(browser, WRONG)
    assert sign_in(browser).status_code == 429
    assert sign_in(Client()).status_code == 302


@pytest.mark.slow
def test_a_browser_is_known_for_who_signed_in_with_it_and_nobody_else(amira: User, bob: User) -> None:
    browser = signed_out_again(amira)
    lock("bob")
    assert sign_in(browser, name="bob").status_code == 429
    AttemptCounter.objects.all().delete()
    signed_out_again(bob, browser)
    lock("bob")
    assert sign_in(browser, name="bob").status_code == 302
    assert sign_in(browser, name="amira").status_code == 302


@pytest.mark.slow
@pytest.mark.parametrize("value", ["", "x", "a:b:c", "é", "x" * 5000])
def test_a_made_up_cookie_makes_no_browser_known(value: str, amira: User) -> None:
    signed_out_again(amira)
    browser = Client()
    browser.cookies[settings.DEVICE_COOKIE_NAME] = value
    lock()
    assert sign_in(browser).status_code == 429


def test_the_cookie_opens_nothing_and_is_kept_from_scripts(amira: User) -> None:
    cookie = signed_out_again(amira).cookies[settings.DEVICE_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    browser = Client()
    browser.cookies[settings.DEVICE_COOKIE_NAME] = cookie.value
    assert browser.get("/accounts/sessions/").status_code == 302


@pytest.mark.slow
def test_the_second_step_of_a_known_browser_is_not_held_up_by_who_has_the_password(amira: User) -> None:
    browser = signed_out_again(amira)
    secret = proofs.app_of(amira)
    stranger = Client()
    sign_in(stranger)
    for _ in range(6):
        stranger.post("/accounts/2fa/authenticate/", {"code": proofs.wrong_code(secret)})
    sign_in(browser)
    assert browser.post("/accounts/2fa/authenticate/", {"code": proofs.code(secret)})["Location"] == "/integrations/"


def test_the_password_alone_makes_no_browser_known_where_a_second_step_follows(amira: User) -> None:
    proofs.app_of(amira)
    sign_in(Client())
    assert not KnownDevice.objects.exists()


@pytest.mark.slow
def test_a_new_password_makes_all_other_browsers_strangers(amira: User) -> None:
    other, browser = signed_out_again(amira), Client()
    sign_in(browser)
    typed = {"oldpassword": cast.PASSWORD, "password1": NEW, "password2": NEW}
    assert browser.post("/accounts/password/change/", typed).status_code == 302
    lock_with_new_password()
    assert sign_in(other, NEW).status_code == 429
    browser.post("/accounts/logout/")
    assert sign_in(browser, NEW).status_code == 302


def lock_with_new_password() -> None:
    for _ in range(settings.SIGN_IN_ATTEMPTS):
        sign_in(Client(), WRONG)
    assert sign_in(Client(), NEW).status_code == 429


@pytest.mark.slow
def test_signing_out_elsewhere_makes_those_browsers_strangers(amira: User) -> None:
    other, browser = signed_out_again(amira), Client()
    sign_in(browser)
    browser.post("/accounts/sessions/")
    assert KnownDevice.objects.get().device_id == middleware.device_id_in(request_of(browser))
    lock()
    assert sign_in(other).status_code == 429


def request_of(client: Client) -> Any:
    return client.get("/accounts/sessions/").wsgi_request


def test_an_administrators_new_password_forgets_them_too(amira: User) -> None:
    signed_out_again(amira)
    amira.set_password(NEW)
    amira.save()
    assert not KnownDevice.objects.exists()


def test_unused_browsers_are_forgotten(amira: User) -> None:
    signed_out_again(amira)
    sign_in(Client(), WRONG)
    with time_machine.travel(timezone.now() + middleware.DEVICE_LIFETIME):
        tasks.forget_long_ended()
    assert not KnownDevice.objects.exists()
    assert not AttemptCounter.objects.exists()


@pytest.mark.slow
def test_a_program_goes_on_from_where_it_was_used_before(amira: User) -> None:
    proofs.app_of(amira)
    _row, secret = operations.make_application_password(amira, name="Script", scopes=["integrations:read"])

    def ask(password: str, address: str) -> int:
        client = Client(headers=programs.basic("amira", password), REMOTE_ADDR=address)
        return client.get("/api/v1/integrations/").status_code

    assert ask(secret, "192.0.2.7") == 200
    for _ in range(settings.SIGN_IN_ATTEMPTS):
        ask(WRONG, "198.51.100.9")
    assert ask(secret, "198.51.100.9") == 429
    assert ask(secret, "192.0.2.7") == 200


def test_an_error_in_the_middle_counts_as_no_guess(amira: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(User, "check_password", lambda *_arguments: 1 / 0)
    client = Client(raise_request_exception=False)
    assert sign_in(client).status_code == 500
    assert not AttemptCounter.objects.exclude(failures=0, running=0).exists()
