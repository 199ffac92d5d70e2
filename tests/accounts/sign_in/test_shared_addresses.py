"""Two accounts with one email address: nobody gets into another's account, and none is locked out."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.core import mail
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.sign_in import backends
from tests import cast
from tests.accounts import programs, proofs
from tests.accounts.programs import program
from tests.admin.forms import submitted
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

TEAM = "team@hub.example"
ADDRESSES = "/accounts/email/"


@pytest.fixture(autouse=True)
def mail_server(settings: Settings, tasks_run_at_once: None) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def person(username: str, email: str) -> User:
    user = cast.person(username)
    user.email = email
    user.save()
    return user


def forget_password(address: str) -> set[str]:
    """The accounts for which a link to set a password was mailed, after someone typed this address."""
    mail.outbox.clear()
    Client().post("/accounts/password/reset/", {"email": address})
    return {words[1] for each in mail.outbox if (words := re.search(r"your account \W*(\w+)", str(each.body)))}


def sign_in(name: str) -> bool:
    browser = Client()
    browser.post("/accounts/login/", {"username": name, "password": cast.PASSWORD})
    return "_auth_user_id" in browser.session


def own_addresses(user: User) -> Client:
    return proofs.just_shown(client_of(user), user)


def test_an_address_that_was_only_typed_is_not_the_account_s(amira: User, bob: User) -> None:
    browser = own_addresses(bob)
    browser.post(ADDRESSES, {"action_add": "", "email": amira.email})
    assert EmailAddress.objects.filter(user=bob, email=amira.email, verified=False).exists()
    assert forget_password(amira.email) == {"amira"}
    browser.post(ADDRESSES, {"action_primary": "", "email": amira.email})
    bob.refresh_from_db()
    assert bob.email == "bob@hub.example"
    assert 'name="action_primary"' not in browser.get(ADDRESSES).content.decode()
    assert sign_in(amira.email)


def test_an_address_that_another_account_has_is_not_confirmed(amira: User, bob: User) -> None:
    browser = own_addresses(bob)
    browser.post(ADDRESSES, {"action_add": "", "email": amira.email})
    address = EmailAddress.objects.get(user=bob, email=amira.email)
    link = f"/accounts/confirm-email/{EmailConfirmationHMAC(address).key}/"
    for page in (Client().get(link), Client().post(link)):
        assert "Another account has this address" in page.content.decode()
    address.refresh_from_db()
    assert not address.verified
    User.objects.filter(pk=amira.pk).update(email="amira@elsewhere.example")
    assert Client().post(link).status_code == 302
    address.refresh_from_db()
    assert address.verified


def test_a_link_for_one_account_signs_nobody_out_of_another(amira: User, bob: User) -> None:
    """Anybody may add an address and send the link to others: opening or answering it ends no session."""
    link = f"/accounts/confirm-email/{EmailConfirmationHMAC(EmailAddress.objects.create(user=bob, email=TEAM)).key}/"
    browser = client_of(amira)
    assert "belong to bob" in browser.get(link).content.decode()
    assert browser.session["_auth_user_id"] == str(amira.pk)
    assert browser.post(link).status_code == 302
    assert browser.session["_auth_user_id"] == str(amira.pk)
    assert EmailAddress.objects.get(user=bob, email=TEAM).verified


def test_of_two_accounts_each_gets_its_own_link_and_the_name_signs_in(amira: User) -> None:
    person("team_reader", TEAM)
    person("team_writer", "Team@Hub.example")
    EmailAddress.objects.create(user=User.objects.get(username="team_reader"), email=TEAM, verified=True)
    assert forget_password(TEAM) == {"team_reader", "team_writer"}
    assert forget_password("TEAM@hub.example") == {"team_reader", "team_writer"}
    assert not sign_in(TEAM)
    assert sign_in("team_reader")
    assert sign_in("team_writer")


def test_an_address_with_capitals_gets_its_link() -> None:
    person("maria", "Maria.Rossi@Hub.example")
    assert forget_password("maria.rossi@hub.example") == {"maria"}
    assert sign_in("maria.rossi@hub.example")


def test_bots_and_people_who_left_do_not_count(amira: User) -> None:
    cast.bot("robot", amira, email=amira.email)
    person("amira_before", amira.email)
    User.objects.filter(username="amira_before").update(is_active=False)
    assert backends.find_user(amira.email) == amira
    assert forget_password(amira.email) == {"amira"}


def test_nor_do_programs_with_a_password(amira: User) -> None:
    program(client_id="script", authorization_grant_type="password", first_party=True)
    form = {"grant_type": "password", "username": TEAM, "password": cast.PASSWORD}

    def grant() -> Any:
        return Client(headers=programs.basic("script")).post("/o/token/", form)

    person("team_reader", TEAM)
    assert grant().status_code == 200
    person("team_writer", TEAM)
    assert grant().json()["error"] == "invalid_grant"


def test_an_administrator_is_told(amira: User, bob: User, admin: User) -> None:
    address = f"/admin/accounts/user/{bob.pk}/change/"
    answer = submitted(client_of(admin), address, {"Email address": "AMIRA@hub.example"})
    assert "The account amira has this address too" in answer.content.decode()
    assert "has this address too" not in submitted(client_of(admin), address, {"First name": "Bob"}).content.decode()
