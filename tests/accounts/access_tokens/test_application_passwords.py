"""Application passwords: for programs that cannot ask for a second step, without weakening it."""

import base64
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from accounts.access_tokens import operations
from accounts.access_tokens.models import ApplicationPassword
from accounts.audit.models import Event
from accounts.models import User
from accounts.sign_in.models import AttemptCounter
from tests import cast
from tests.accounts import proofs
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

BASE = "/api/v1/integrations/"


@pytest.fixture
def careful(amira: User) -> User:
    """Amira, with two-step sign-in."""
    proofs.app_of(amira)
    return amira


def make_password(user: User, *scopes: str) -> tuple[ApplicationPassword, str]:
    return operations.make_application_password(user, name="Old tablet", scopes=scopes or ["integrations:read"])


def ask(name: str, password: str, path: str = BASE, **where: Any) -> Any:
    credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
    return Client(headers={"Authorization": f"Basic {credentials}"}).get(path, **where)


@pytest.mark.slow
def test_one_is_long_random_and_stored_as_a_hash(careful: User) -> None:
    row, secret = make_password(careful)
    assert [len(group) for group in secret.split(" ")] == [4] * 6
    assert len(operations.LETTERS) ** operations.PASSWORD > 2**112
    stored = str(ApplicationPassword.objects.values().get())
    assert not any(group in stored for group in (secret, secret.replace(" ", "")))
    assert row.keyed_hash


@pytest.mark.slow
def test_it_opens_the_api_and_only_within_its_scopes(careful: User) -> None:
    _row, secret = make_password(careful)
    assert ask("amira", secret).status_code == 200
    assert ask("amira", secret.replace(" ", "-").upper()).status_code == 200  # as people type it
    assert ask("amira@hub.example", secret).status_code == 200
    assert ask("amira", secret, f"{BASE}northwind/token/").status_code in (403, 404)
    assert ask("amira", secret, "/admin/").status_code == 302
    assert ask("amira", secret, "/accounts/security/").status_code == 302
    row = ApplicationPassword.objects.get()
    assert (row.last_used_at is not None, row.last_used_from) == (True, "127.0.0.1")
    assert Event.objects.filter(kind="app_password_first_used").count() == 1


def test_neither_the_password_of_the_account_nor_that_of_somebody_else_opens(careful: User, bob: User) -> None:
    _row, secret = make_password(careful)
    for name, password in (("amira", cast.PASSWORD), ("bob", secret), ("nobody", secret), ("amira", ""), ("", secret)):
        answer = ask(name, password)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith('Bearer realm="keyrack", scope="integrations:read"')


@pytest.mark.parametrize("header", ["Basic", "Basic ", "Basic %%%", "Basic YQ==", "Basic //79"])
def test_a_broken_header_is_refused(header: str, careful: User) -> None:
    assert Client(headers={"Authorization": header}).get(BASE).status_code == 401


def test_it_takes_two_step_sign_in(amira: User) -> None:
    with pytest.raises(PermissionDenied):
        make_password(amira)
    proofs.app_of(amira)
    _row, secret = make_password(amira)
    Authenticator.objects.all().delete()  # however that came
    assert ask("amira", secret).status_code == 401


def test_turning_two_step_sign_in_off_ends_them_for_good(careful: User) -> None:
    _row, secret = make_password(careful)
    proofs.recovery_codes(careful)  # a spare key is no second factor
    proofs.just_shown(client_of(careful), careful).post(reverse("mfa_deactivate_totp"))
    assert ApplicationPassword.objects.get().ended_because == "second_factor"
    proofs.app_of(careful)
    assert ask("amira", secret).status_code == 401
    assert "turned off" in Event.objects.get(kind="app_password_deleted").words


def test_deleting_it_and_deactivating_its_owner_work_at_once(careful: User) -> None:
    row, secret = make_password(careful)
    other = make_password(careful)[1]
    assert operations.end_secret(row, who=careful)
    assert ask("amira", secret).status_code == 401
    assert ask("amira", other).status_code == 200
    User.objects.update(is_active=False)
    assert ask("amira", other).status_code == 401


@pytest.mark.slow
def test_wrong_ones_are_counted_with_those_of_every_other_door(careful: User) -> None:
    _row, secret = make_password(careful)
    for _ in range(settings.SIGN_IN_ATTEMPTS):
        answer = ask("amira", "CANARY-wrong")
    assert (answer.status_code, answer.json()["error"]) == (429, "too_many_requests")
    assert ask("amira", secret).status_code == 429
    assert int(ask("amira", secret, REMOTE_ADDR="198.51.100.7")["Retry-After"]) > 0
    page = Client().post("/accounts/login/", {"username": "amira", "password": cast.PASSWORD})
    assert page.status_code == 429
    assert "CANARY" not in str(AttemptCounter.objects.values())
