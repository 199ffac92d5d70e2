"""Events of an account have the address of the client, and never a secret."""

from collections import Counter

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext

from accounts.access_tokens import operations
from accounts.access_tokens.models import WHY_ENDED, LongLivedModel
from accounts.audit import log
from accounts.audit.log import Event, Kind
from accounts.models import RefreshReplay, User
from accounts.oauth_server.models import Application
from tests import cast
from tests.accounts import programs, proofs
from tests.accounts.programs import ask, exchange, granted, program, refresh

pytestmark = pytest.mark.django_db

SECRET = "CANARY new-horse-battery"


@pytest.fixture(autouse=True)
def digest(db: None) -> Application:
    return program()


def kinds(user: User) -> list[str]:
    """Kinds of events of the account, the oldest first."""
    return [event.kind for event in reversed(log.latest_events(user, 50))]


def log_in(client: Client, password: str = cast.PASSWORD) -> None:
    client.post("/accounts/login/", {"username": "amira", "password": password}, REMOTE_ADDR="192.0.2.7")


def test_signing_in_and_out_is_noted_with_the_address(amira: User, client: Client) -> None:
    log_in(client, "CANARY-wrong")
    log_in(client)
    client.post("/accounts/logout/")
    assert kinds(amira) == [Kind.SIGN_IN_REFUSED, Kind.SIGNED_IN, Kind.SIGNED_OUT]
    assert [(event.address, event.who) for event in log.latest_events(amira, 3)][1:] == [
        ("192.0.2.7", amira), ("192.0.2.7", None)
    ]  # fmt: skip


def test_a_name_that_nobody_has_is_not_kept(client: Client) -> None:
    client.post("/accounts/login/", {"username": SECRET, "password": "CANARY-wrong"})
    assert not Event.objects.exists()


@pytest.mark.slow
def test_a_lock_out_is_noted_once_however_long_somebody_goes_on(amira: User) -> None:
    for _ in range(settings.SIGN_IN_ATTEMPTS + 3):
        log_in(Client(), "CANARY-wrong")
    counts = Counter(kinds(amira))
    assert counts == {Kind.SIGN_IN_REFUSED: settings.SIGN_IN_ATTEMPTS, Kind.LOCKED_OUT: 1}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_new_password_and_a_second_step_are_noted(amira: User, client: Client) -> None:
    log_in(client)
    proofs.just_shown(client, amira)
    secret = client.get("/accounts/2fa/totp/activate/").context["form"].secret
    client.post("/accounts/2fa/totp/activate/", {"code": proofs.code(secret)})
    proofs.just_shown(client, amira)
    client.post("/accounts/2fa/totp/deactivate/")
    proofs.just_shown(client, amira)
    typed = {"oldpassword": cast.PASSWORD, "password1": SECRET, "password2": SECRET}
    client.post("/accounts/password/change/", typed)
    assert kinds(amira) == [
        Kind.SIGNED_IN, Kind.SECOND_FACTOR_ADDED, Kind.SECOND_FACTOR_REMOVED, Kind.PASSWORD_CHANGED
    ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_what_is_noted_is_english_whatever_the_person_reads(amira: User, client: Client) -> None:
    User.objects.update(language="de")
    log_in(client)
    proofs.just_shown(client, amira)
    secret = client.get("/accounts/2fa/totp/activate/").context["form"].secret
    client.post("/accounts/2fa/totp/activate/", {"code": proofs.code(secret)})
    operations.make_application_password(amira, name="mail", scopes=["integrations:read"])
    proofs.just_shown(client, amira)
    client.post("/accounts/2fa/totp/deactivate/")
    ended = Event.objects.get(kind=Kind.APPLICATION_PASSWORD_DELETED)
    assert ended.detail == "Two-step sign-in was turned off"
    assert Event.objects.get(kind=Kind.SECOND_FACTOR_ADDED).detail == "TOTP Authenticator"
    with translation.override("ja"):
        assert "認証アプリ (TOTP)" in Event.objects.get(kind=Kind.SECOND_FACTOR_REMOVED).words
        assert ended.words.endswith(gettext("Two-step sign-in was turned off"))


def test_every_ending_of_a_token_has_its_words_in_the_audit_log() -> None:
    assert {*WHY_ENDED} == {*LongLivedModel.Ending} - {LongLivedModel.Ending.DELETED}


def test_what_programs_are_allowed_and_given_is_noted_once(as_amira: Client, amira: User) -> None:
    answer = granted(as_amira)
    refresh(answer["refresh_token"])
    granted(as_amira)
    assert kinds(amira) == [Kind.APPROVED, Kind.GRANTED, Kind.GRANTED]
    granted(as_amira, scope="integrations:read integrations:revoke")
    assert kinds(amira)[3:] == [Kind.APPROVED, Kind.GRANTED]
    event = log.latest_events(amira, 2)[1]
    assert event.subject == "Weekly digest"
    assert "Revoke your sign-ins at other services" in event.detail


def test_a_refresh_token_and_a_code_that_come_twice_are_noted_once(as_amira: Client, amira: User) -> None:
    answer = granted(as_amira)
    for _ in range(3):
        refresh(answer["refresh_token"])
        RefreshReplay.objects.all().delete()  # as when the window is over
    code = ask(as_amira)["code"]
    for _ in range(3):
        exchange(code)
    assert kinds(amira)[2:] == [Kind.REFRESH_REUSED, Kind.GRANTED, Kind.CODE_REPLAYED]


def test_a_program_that_was_signed_out_and_tries_again_is_no_thief(as_amira: Client, amira: User) -> None:
    answer = granted(as_amira)
    Client(headers=programs.basic()).post("/o/revoke_token/", {"token": answer["refresh_token"]})
    assert refresh(answer["refresh_token"]).status_code == 400
    assert Kind.REFRESH_REUSED not in kinds(amira)


def test_no_secret_is_written_down(as_amira: Client, amira: User) -> None:
    answer, code = granted(as_amira), ask(as_amira)["code"]
    log_in(Client(), "CANARY-wrong")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_event")
        rows = str(cursor.fetchall())
    for secret in (answer["access_token"], answer["refresh_token"], code, "CANARY"):
        assert secret not in rows
