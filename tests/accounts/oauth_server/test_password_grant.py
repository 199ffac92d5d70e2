"""The password grant at our token endpoint does not bypass two-step sign-in."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.access_tokens import operations
from accounts.access_tokens.models import ApplicationPassword
from accounts.audit import log
from accounts.audit.log import Event, Kind
from accounts.models import TokenFamily, User
from tests import cast
from tests.accounts import programs, proofs
from tests.accounts.programs import introspect, program

pytestmark = pytest.mark.django_db

BOTH = "integrations:read integrations:revoke"


@pytest.fixture(autouse=True)
def script(db: None) -> None:
    fields = {"authorization_grant_type": "password", "first_party": True, "may_introspect": True}
    program(name="Night script", client_id="script", **fields)


def grant(password: str, *, username: str = "amira", **fields: Any) -> Any:
    form = {"grant_type": "password", "username": username, "password": password, **fields}
    return Client(headers=programs.basic("script")).post("/o/token/", form)


def renew(refresh_token: str) -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return Client(headers=programs.basic("script")).post("/o/token/", form)


def application_password(user: User, scopes: str = BOTH) -> tuple[ApplicationPassword, str]:
    return operations.make_application_password(user, name="Old tablet", scopes=scopes.split())


def test_the_password_of_the_account_opens_where_there_is_no_second_step(amira: User) -> None:
    answer = grant(cast.PASSWORD).json()
    assert answer["scope"] == "integrations:read"
    assert renew(answer["refresh_token"]).status_code == 200
    [event] = log.latest_events(amira, 9)
    assert (event.kind, event.subject, event.address) == (Kind.GRANTED, "Night script", "127.0.0.1")


def test_with_two_step_sign_in_only_an_application_password_opens(amira: User) -> None:
    proofs.app_of(amira)
    refused = grant(cast.PASSWORD)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert refused.json() == grant("CANARY-wrong").json() == grant("CANARY-wrong", username="nobody").json()
    _row, secret = application_password(amira)
    answer = grant(secret).json()
    assert introspect(answer["access_token"], **programs.basic("script")).json()["username"] == "amira"
    assert grant(secret.replace(" ", "")).status_code == 200
    assert grant(secret, username="bob").status_code == 400


def test_an_application_password_gives_no_more_than_it_was_made_for(amira: User) -> None:
    proofs.app_of(amira)
    _row, narrow = application_password(amira, "integrations:revoke")
    assert grant(narrow).json()["scope"] == "integrations:revoke"
    assert grant(narrow, scope=BOTH).json()["error"] == "invalid_scope"


@pytest.mark.slow
def test_what_an_application_password_gave_dies_with_it(amira: User) -> None:
    proofs.app_of(amira)
    row, secret = application_password(amira)
    _other, others = application_password(amira)
    answer, other_tokens = grant(secret).json(), grant(others).json()
    renewed = renew(answer["refresh_token"]).json()
    operations.end_secret(row, who=amira)
    assert not introspect(renewed["access_token"], **programs.basic("script")).json()["active"]
    assert renew(renewed["refresh_token"]).json()["error"] == "invalid_grant"
    assert grant(secret).json()["error"] == "invalid_grant"
    assert renew(other_tokens["refresh_token"]).status_code == 200
    assert TokenFamily.objects.filter(made_with=row.pk).count() == 1


@pytest.mark.slow
@pytest.mark.parametrize("second_step", [False, True])
def test_after_too_many_wrong_ones_none_is_looked_at_and_the_answer_says_how_long(
    amira: User, second_step: bool
) -> None:
    right = cast.PASSWORD
    if second_step:
        proofs.app_of(amira)
        _row, right = application_password(amira)
    for _ in range(settings.SIGN_IN_ATTEMPTS):
        assert grant("CANARY-wrong").status_code == 400
    locked = grant(right)
    assert (locked.status_code, locked["Retry-After"]) == (429, "900")
    assert locked.json()["error"] == "invalid_grant"
    assert grant(right).content == locked.content
    counts = {kind: Event.objects.filter(kind=kind, whose=amira).count() for kind in Kind}
    assert (counts[Kind.SIGN_IN_REFUSED], counts[Kind.LOCKED_OUT]) == (settings.SIGN_IN_ATTEMPTS, 1)


@pytest.mark.parametrize("password", ["a\x00b", "p" * 4096, "Pässwörd ☃", f" {cast.PASSWORD}", f"{cast.PASSWORD} "])
def test_odd_passwords_are_compared_as_they_are(amira: User, password: str) -> None:
    assert grant(password).json()["error"] == "invalid_grant"
    amira.set_password(password)
    amira.save()
    assert grant(password).status_code == 200


def test_a_deactivated_person_gets_nothing(amira: User) -> None:
    proofs.app_of(amira)
    _row, secret = application_password(amira)
    for password in (secret, cast.PASSWORD):
        User.objects.update(is_active=False)
        assert grant(password).json()["error"] == "invalid_grant"
