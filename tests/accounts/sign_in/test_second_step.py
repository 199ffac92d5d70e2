"""Two-step sign-in: when it is required, that codes can't be guessed or reused, and that its secrets are sealed."""

import base64
import secrets
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from accounts.sign_in import mfa
from tests import canaries, cast, walks
from tests.accounts import programs, proofs
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

STEP = "/accounts/2fa/authenticate/"
AGAIN = "/accounts/2fa/reauthenticate/"
SET_UP = "/accounts/2fa/totp/activate/"
CODES = "/accounts/2fa/recovery-codes/"


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def secret(amira: User) -> str:
    """The secret of Amira's app."""
    return proofs.app_of(amira)


def first_step(client: Client, next_page: str = "") -> Any:
    fields = {"username": "amira", "password": cast.PASSWORD, "next": next_page}
    return client.post("/accounts/login/", fields)


def second_step(client: Client, code: str) -> Any:
    return client.post(STEP, {"code": code})


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def half_way() -> Client:
    browser = Client()
    assert first_step(browser)["Location"] == STEP
    return browser


def test_the_password_alone_opens_nothing_and_the_code_leads_where_one_wanted_to_go(secret: str) -> None:
    browser = Client()
    assert first_step(browser, "/admin/")["Location"] == STEP
    assert browser.get("/integrations/")["Location"].startswith("/accounts/login/")
    assert not is_in(browser)
    before = browser.cookies["keyrack"].value
    assert second_step(browser, proofs.code(secret))["Location"] == "/admin/"
    assert is_in(browser)
    assert browser.cookies["keyrack"].value != before


def test_the_admin_lets_nobody_in_by_the_password_alone(admin: User) -> None:
    proofs.app_of(admin)
    browser = Client()
    for door in ("/admin/login/", "/accounts/login/?next=/admin/"):
        browser.post(door, {"username": "admin", "password": cast.PASSWORD})
    assert browser.get("/admin/")["Location"].startswith("/admin/login/")
    assert not is_in(browser)


def test_a_code_opens_once_and_an_older_one_not_at_all(secret: str) -> None:
    before, now = proofs.code(secret, steps=-1), proofs.code(secret)
    assert second_step(half_way(), now).status_code == 302
    cache.clear()  # another process remembers nothing
    for used in (now, before):
        assert "This code is not right" in walks.words(second_step(half_way(), used))
    assert second_step(half_way(), proofs.code(secret, steps=1)).status_code == 302


def test_wrong_codes_are_limited_with_the_right_password_in_hand(secret: str, settings: Settings) -> None:
    browser = half_way()
    for _ in range(5):
        second_step(browser, proofs.wrong_code(secret))
    assert "Too many wrong codes" in walks.words(second_step(browser, proofs.code(secret)))


@pytest.mark.slow
def test_wrong_codes_lock_the_name_as_wrong_passwords_do_in_all_processes(secret: str, settings: Settings) -> None:
    settings.SIGN_IN_ATTEMPTS = 4
    browser = half_way()
    for _ in range(4):
        cache.clear()
        answer = second_step(browser, proofs.wrong_code(secret))
    assert answer.status_code == 429
    assert second_step(browser, proofs.code(secret)).status_code == 429
    assert first_step(Client()).status_code == 429
    with time_machine.travel(timezone.now() + settings.SIGN_IN_LOCK, tick=False):
        assert second_step(half_way(), proofs.code(secret)).status_code == 302


def test_recovery_codes_open_once_each(amira: User, secret: str) -> None:
    one, other, *_rest = proofs.recovery_codes(amira)
    assert second_step(half_way(), one).status_code == 302
    assert second_step(half_way(), one).status_code == 200
    assert second_step(half_way(), other).status_code == 302


@pytest.mark.slow
def test_giving_up_half_way_forgets_the_first_step(secret: str) -> None:
    browser = half_way()
    browser.post("/accounts/logout/", {"next": "/accounts/login/"})
    assert second_step(browser, proofs.code(secret))["Location"] == "/accounts/login/"
    assert not is_in(browser)


def test_deactivated_half_way_one_stays_outside(amira: User, secret: str) -> None:
    browser = half_way()
    User.objects.update(is_active=False)
    second_step(browser, proofs.code(secret))
    assert browser.get("/integrations/").status_code == 302


# Setting it up and taking it down


def test_setting_up_an_app_turns_it_on_and_shows_recovery_codes_once(amira: User) -> None:
    browser = proofs.just_shown(client_of(amira), amira)
    assert not mfa.is_on(amira)
    page = browser.get(SET_UP)
    secret = page.context["form"].secret
    assert secret.encode() not in str(browser.session[SECRET_SESSION_KEY]).encode()  # sealed while it waits
    assert "This code is not right" in walks.words(browser.post(SET_UP, {"code": proofs.wrong_code(secret)}))
    assert browser.post(SET_UP, {"code": proofs.code(secret)})["Location"] == CODES
    assert mfa.is_on(amira)
    proofs.just_shown(browser, amira)
    codes = proofs.stored(amira, Authenticator.Type.RECOVERY_CODES).wrap().get_unused_codes()
    once, again = browser.get(CODES), browser.get(CODES)
    assert all(code in walks.words(once) for code in codes)
    assert not any(code in walks.words(again) for code in codes)
    assert "no-store" in once["Cache-Control"]
    assert canaries.finds(secret, page.content)
    assert not any(canaries.finds(secret, content) for _place, content in canaries.database())


def test_removing_the_last_one_turns_it_off_with_its_recovery_codes(amira: User, secret: str) -> None:
    proofs.recovery_codes(amira)
    browser = proofs.just_shown(client_of(amira), amira)
    assert browser.get("/accounts/2fa/totp/deactivate/").status_code == 200
    browser.post("/accounts/2fa/totp/deactivate/")
    assert not mfa.is_on(amira)
    assert not Authenticator.objects.exists()


def test_recovery_codes_alone_are_no_second_step(amira: User) -> None:
    proofs.recovery_codes(amira)
    assert not mfa.is_on(amira)


@pytest.mark.parametrize("on", [True, False])
def test_turning_it_on_or_off_ends_what_programs_hold(amira: User, on: bool) -> None:
    if not on:
        proofs.app_of(amira)
    programs.program()
    tokens = programs.granted(client_of(amira))
    browser = proofs.just_shown(client_of(amira), amira)
    if on:
        browser.post(SET_UP, {"code": proofs.code(browser.get(SET_UP).context["form"].secret)})
    else:
        browser.post("/accounts/2fa/totp/deactivate/")
    assert mfa.is_on(amira) is on
    assert programs.refresh(tokens["refresh_token"]).status_code == 400


def test_keys_of_others_cannot_be_touched(amira: User, bob: User) -> None:
    key = Authenticator.objects.create(user=amira, type=Authenticator.Type.WEBAUTHN, data={"name": "Hers"})
    browser = proofs.just_shown(client_of(bob), bob)
    for action in ("remove", "edit"):
        assert browser.post(f"/accounts/2fa/webauthn/keys/{key.pk}/{action}/", {"name": "His"}).status_code == 404
    assert proofs.stored(amira, Authenticator.Type.WEBAUTHN).data == {"name": "Hers"}


def test_a_credential_that_makes_no_sense_signs_nobody_in(amira: User, secret: str) -> None:
    for credential in (
        "",
        "[]",
        "{}",
        "null",
        '"x"',
        '{"response": {"userHandle": "MQ"}}',
        '{"id": "x", "response": null}',
    ):
        browser = Client()
        browser.get("/accounts/2fa/webauthn/login/", headers={"Accept": "application/json"})
        assert browser.post("/accounts/2fa/webauthn/login/", {"credential": credential}).status_code == 302, credential
        assert not is_in(browser)
        cache.clear()


# Asking again


def test_what_is_sensitive_asks_for_both_steps_again_after_five_minutes(amira: User, secret: str) -> None:
    browser = proofs.just_shown(client_of(amira), amira, seconds_ago=310)
    to_password = browser.get(CODES + "generate/")["Location"]
    assert to_password == "/accounts/reauthenticate/?next=%2Faccounts%2F2fa%2Frecovery-codes%2Fgenerate%2F"
    assert browser.get(to_password).status_code == 200
    fields = {"password": cast.PASSWORD, "next": CODES + "generate/"}
    assert browser.post("/accounts/reauthenticate/", fields)["Location"] == CODES + "generate/"
    to_code = browser.get(CODES + "generate/")["Location"]
    assert to_code.startswith(f"{AGAIN}?next=")
    assert browser.get(to_code).status_code == 200
    assert browser.post(AGAIN, {"code": proofs.code(secret), "next": CODES + "generate/"}).status_code == 302
    assert browser.get(CODES + "generate/").status_code == 200


def test_signing_in_counts_as_having_shown_both(amira: User, secret: str) -> None:
    browser = half_way()
    second_step(browser, proofs.code(secret))
    assert browser.get(CODES + "generate/").status_code == 200


@pytest.mark.parametrize("seconds_ago", [310, 86_400])
@pytest.mark.parametrize(
    "path", ["totp/activate/", "webauthn/add/", "recovery-codes/", "recovery-codes/generate/", "totp/deactivate/"]
)
def test_no_page_of_the_second_step_forgets_to_ask(path: str, seconds_ago: int, amira: User) -> None:
    browser = proofs.just_shown(client_of(amira), amira, seconds_ago=seconds_ago)
    for answer in (browser.get(f"/accounts/2fa/{path}"), browser.post(f"/accounts/2fa/{path}", {"code": "1"})):
        assert (answer.status_code, answer["Location"][:25]) == (302, "/accounts/reauthenticate/")


def test_wrong_answers_when_asked_again_are_counted(amira: User, secret: str, settings: Settings) -> None:
    settings.SIGN_IN_ATTEMPTS = 3
    browser = client_of(amira)
    browser.post("/accounts/reauthenticate/", {"password": "CANARY"})
    browser.post(AGAIN, {"code": proofs.wrong_code(secret)})
    assert browser.post("/accounts/reauthenticate/", {"password": "CANARY"}).status_code == 429
    assert browser.post(AGAIN, {"code": proofs.code(secret)}).status_code == 429


def test_a_form_of_htmx_is_led_away_as_a_whole(amira: User) -> None:
    browser = client_of(amira)
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/accounts/2fa/?a=b"}
    answer = browser.post(SET_UP, {"code": "1"}, headers=headers)
    assert answer["HX-Redirect"] == "/accounts/reauthenticate/?next=%2Faccounts%2F2fa%2F%3Fa%3Db"


@pytest.mark.parametrize("referer", ["https://evil.example/accounts/2fa/", ""])
def test_a_form_from_nowhere_comes_back_to_itself(referer: str, amira: User) -> None:
    """Without a Referer of this site, the user returns to the form."""
    answer = client_of(amira).post(SET_UP, {"code": "1"}, headers={"Referer": referer})
    assert answer["Location"] == f"/accounts/reauthenticate/?{urlencode({'next': SET_UP})}"


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_dialog_comes_back_with_the_page_that_it_is_on(method: str, amira: User) -> None:
    browser = client_of(amira)
    page, form = "/accounts/security/", "/accounts/security/tokens/new/"
    target = "dialog" if method == "get" else "security"
    headers = {"HX-Request": "true", "HX-Target": target, "HX-Current-URL": f"http://testserver{page}?a=b"}
    led_to = getattr(browser, method)(form, headers=headers)["HX-Redirect"]
    back = f"{page}?a=b#{form}"
    assert led_to == f"/accounts/reauthenticate/?{urlencode({'next': back})}"
    assert browser.post("/accounts/reauthenticate/", {"password": cast.PASSWORD, "next": back})["Location"] == back


# At rest


@pytest.mark.slow
def test_the_database_holds_neither_the_apps_secret_nor_recovery_codes(amira: User, secret: str) -> None:
    codes = proofs.recovery_codes(amira)
    seed = mfa.unseal_secret(proofs.stored(amira, Authenticator.Type.RECOVERY_CODES).data["seed"])
    contents = [content for _place, content in canaries.database()]
    for value in (secret, seed, *codes):
        assert not any(canaries.finds(value, content) for content in contents)


def key(name: str) -> str:
    return f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def test_a_new_key_takes_over_and_the_old_one_may_go(amira: User, secret: str, settings: Settings) -> None:
    codes = proofs.recovery_codes(amira)
    old, new = settings.TOKEN_ENCRYPTION_KEYS[0], key("new")
    settings.TOKEN_ENCRYPTION_KEYS = [new, old]
    assert second_step(half_way(), proofs.code(secret)).status_code == 302
    assert mfa.take_census()[0] == {"test": 2}
    assert mfa.seal_anew() == 2
    assert mfa.seal_anew() == 0
    settings.TOKEN_ENCRYPTION_KEYS = [new]
    assert mfa.take_census() == ({"new": 2}, [])
    assert second_step(half_way(), codes[0]).status_code == 302


def test_without_its_key_no_code_opens_and_the_page_says_why(amira: User, secret: str, settings: Settings) -> None:
    proofs.recovery_codes(amira)
    settings.TOKEN_ENCRYPTION_KEYS = [key("other")]
    assert "the key it was stored with is missing" in walks.words(second_step(half_way(), proofs.code(secret)))
    browser = proofs.just_shown(client_of(amira), amira)
    assert browser.get("/accounts/2fa/").status_code == 200
    assert mfa.take_census()[1]


def test_a_sealed_value_that_was_changed_does_not_open(settings: Settings) -> None:
    sealed = mfa.seal_secret("CANARY")
    key_id, _, encoded = sealed.partition(":")
    for broken in (
        "",
        "CANARY",
        f"{key_id}:",
        f"{key_id}:AAAA",
        f"other:{encoded}",
        f"{key_id}:{encoded[:-8]}AAAAAAA=",
    ):
        with pytest.raises(mfa.SecretUnreadable):
            mfa.unseal_secret(broken)


# What administrators see of it


@pytest.mark.slow
def test_an_administrator_takes_away_a_lost_app_without_seeing_its_secret(
    amira: User, admin: User, secret: str
) -> None:
    proofs.recovery_codes(amira)
    sealed = proofs.stored(amira).data["secret"]
    browser, row = client_of(admin), proofs.stored(amira)
    base = "/admin/mfa/authenticator/"
    pages = [browser.get(f"{base}{path}") for path in ("", f"{row.pk}/change/", f"{row.pk}/history/")]
    for page in pages:
        assert page.status_code == 200
        for value in (secret, sealed):
            assert value not in walks.words(page)
    assert browser.get(f"{base}?data__secret__startswith=a").status_code in (302, 400)
    assert browser.get(f"{base}add/").status_code == 403
    assert browser.post(f"{base}{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not mfa.is_on(amira)
    assert not Authenticator.objects.exists()
    address = EmailAddress.objects.create(user=admin, email="mine@evil.example")  # nor make an address confirmed
    assert browser.post(f"/admin/account/emailaddress/{address.pk}/change/", {"verified": "on"}).status_code == 403
    assert browser.get("/admin/usersessions/usersession/").status_code == 404  # it would show what opens a session
