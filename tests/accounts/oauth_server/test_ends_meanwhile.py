"""What ends a person's grants also ends a request for tokens that is under way: it must not finish after them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from oauth2_provider.models import AccessToken, RefreshToken

from accounts.access_tokens import operations
from accounts.models import User
from accounts.oauth_server import application_changes, grants, validator
from accounts.oauth_server.models import Application
from tests import cast
from tests.accounts import programs, proofs
from tests.accounts.programs import ask, exchange, program

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def digest(db: None) -> Application:
    return program()


def change_password(user: User) -> None:
    user = User.objects.get(pk=user.pk)
    user.set_password("another correct horse battery")
    user.save()


def withdraw(user: User) -> None:
    [approved] = grants.load_grants(user).approved_scopes
    grants.end_approved(user, approved, who=user, address="")


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Have something happen after a request for tokens was checked, and before they are stored."""

    def happens(event: Callable[[], None]) -> None:
        lock = application_changes.lock_application

        def lock_later(**names: Any) -> Any:
            event()
            return lock(**names)

        monkeypatch.setattr(application_changes, "lock_application", lock_later)

    return happens


@pytest.mark.parametrize("end", [change_password, withdraw, validator.end_grants])
def test_a_code_that_is_being_exchanged(as_amira: Client, amira: User, meanwhile: Any, end: Any) -> None:
    code = ask(as_amira)["code"]
    meanwhile(lambda: end(amira))
    assert exchange(code).json()["error"] == "invalid_grant"
    assert not AccessToken.objects.exists()
    assert not RefreshToken.objects.exists()


def password_grant(password: str) -> Any:
    form = {"grant_type": "password", "username": "amira", "password": password}
    return Client(headers=programs.basic("script")).post("/o/token/", form)


def deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


@pytest.mark.parametrize("end", [change_password, deactivate])
def test_a_password_that_was_just_checked(amira: User, meanwhile: Any, end: Any) -> None:
    program(client_id="script", authorization_grant_type="password", first_party=True)
    meanwhile(lambda: end(amira))
    assert password_grant(cast.PASSWORD).json()["error"] == "invalid_grant"
    assert not AccessToken.objects.exists()


def test_an_application_password_that_was_just_checked(amira: User, meanwhile: Any) -> None:
    program(client_id="script", authorization_grant_type="password", first_party=True)
    proofs.app_of(amira)
    row, secret = operations.make_application_password(amira, name="Tablet", scopes=["integrations:read"])
    meanwhile(lambda: operations.end_secret(row, who=amira) and None)
    assert password_grant(secret).json()["error"] == "invalid_grant"
    assert not AccessToken.objects.exists()
