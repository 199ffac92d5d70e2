"""Two processes of one client may share a refresh token. Reuse by any other client ends the token family."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken, RefreshToken
from pytest_django import Settings

from accounts import tasks
from accounts.audit.models import Event
from accounts.models import RefreshReplay, User
from accounts.oauth_server import replays, validator
from accounts.oauth_server.models import Application
from accounts.oauth_server.validator import Validator
from foundation import secrets_at_rest
from foundation.secrets_at_rest import Unreadable
from tests.accounts import programs
from tests.accounts.programs import granted, introspect, program, refresh

pytestmark = [pytest.mark.django_db, pytest.mark.database]

WIDE = "integrations:read integrations:revoke"


@pytest.fixture(autouse=True)
def digest(db: None) -> Application:
    return program(may_introspect=True)


def lives(answer: dict[str, Any]) -> bool:
    return bool(introspect(answer["access_token"]).json()["active"])


def age(seconds: int) -> None:
    RefreshReplay.objects.update(at=timezone.now() - timedelta(seconds=seconds))


def tokens_of(answer: Any) -> tuple[str, str]:
    assert answer.status_code == 200, answer.content
    tokens = answer.json()
    return tokens["access_token"], tokens["refresh_token"]


def test_the_same_refresh_token_gives_the_same_tokens_within_the_window(as_amira: Client) -> None:
    first = granted(as_amira)["refresh_token"]
    once = refresh(first)
    AccessToken.objects.update(expires=timezone.now() + timedelta(seconds=540))
    again = refresh(first)
    assert tokens_of(again) == tokens_of(once)
    assert 530 <= again.json()["expires_in"] <= 540
    assert again.json()["scope"] == once.json()["scope"]
    assert again.json()["token_type"] == "Bearer"
    assert "no-store" in again["Cache-Control"]
    assert lives(again.json())
    assert RefreshToken.objects.filter(revoked=None).count() == 1
    assert not Event.objects.filter(kind="refresh_reused").exists()


def test_both_processes_renew_again_later(as_amira: Client) -> None:
    first = granted(as_amira)["refresh_token"]
    refresh(first)
    shared = refresh(first).json()["refresh_token"]
    age(61)
    assert tokens_of(refresh(shared)) == tokens_of(refresh(shared))


@pytest.mark.parametrize("seconds", [60, 86_400])
def test_a_later_repeat_ends_the_family(as_amira: Client, seconds: int) -> None:
    first = granted(as_amira)["refresh_token"]
    second = refresh(first).json()
    age(seconds)
    assert refresh(first).json()["error"] == "invalid_grant"
    assert not lives(second)
    assert refresh(second["refresh_token"]).json()["error"] == "invalid_grant"
    assert Event.objects.filter(kind="refresh_reused").count() == 1


@pytest.mark.parametrize("seconds", [0, 61])
@pytest.mark.slow
def test_an_older_one_ends_the_family_although_a_younger_one_was_just_replaced(seconds: int, as_amira: Client) -> None:
    first = granted(as_amira)["refresh_token"]
    second = refresh(first).json()["refresh_token"]
    age(seconds)
    third = refresh(second).json()
    assert refresh(first).json()["error"] == "invalid_grant"
    assert not lives(third)


def test_another_program_with_the_token_ends_the_family(as_amira: Client) -> None:
    program(client_id="other")
    first = granted(as_amira)["refresh_token"]
    second = refresh(first).json()
    fields = {"grant_type": "refresh_token", "refresh_token": first}
    answer = Client(headers=programs.basic("other")).post("/o/token/", fields)
    assert answer.json()["error"] == "invalid_grant"
    assert not lives(second)


def test_zero_seconds_turn_it_off(as_amira: Client, settings: Settings) -> None:
    settings.REFRESH_REPLAY_SECONDS = 0
    first = granted(as_amira)["refresh_token"]
    second = refresh(first).json()
    assert not RefreshReplay.objects.exists()
    assert refresh(first).json()["error"] == "invalid_grant"
    assert not lives(second)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how_many", [2, 5])
def test_all_who_come_at_once_get_the_same_tokens(
    as_amira: Client, monkeypatch: pytest.MonkeyPatch, how_many: int
) -> None:
    first, validate = granted(as_amira)["refresh_token"], Validator.validate_refresh_token
    all_are_let_in = threading.Barrier(how_many, timeout=30)

    def together(*arguments: Any, **names: Any) -> bool:
        is_valid = validate(*arguments, **names)
        all_are_let_in.wait()
        return is_valid

    def renew(_number: int) -> Any:
        try:
            return refresh(first)
        finally:
            connection.close()

    monkeypatch.setattr(Validator, "validate_refresh_token", together)
    with ThreadPoolExecutor(how_many) as pool:
        answers = list(pool.map(renew, range(how_many)))
    monkeypatch.undo()
    assert len({tokens_of(answer) for answer in answers}) == 1
    assert lives(answers[0].json())
    assert RefreshReplay.objects.count() == 1
    assert not Event.objects.filter(kind="refresh_reused").exists()


def test_a_refresh_token_that_is_replaced_while_it_is_looked_at_is_a_repeat(
    as_amira: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, once = granted(as_amira)["refresh_token"], []
    validate = Validator.validate_refresh_token

    def overtaken(*arguments: Any, **names: Any) -> bool:
        monkeypatch.undo()
        once.append(refresh(first))
        return validate(*arguments, **names)

    monkeypatch.setattr(Validator, "validate_refresh_token", overtaken)
    assert tokens_of(refresh(first)) == tokens_of(once[0])


@pytest.mark.parametrize(
    "ended", ["revoked", "revoked-access-token", "old-one-revoked", "all-ended", "deactivated", "deleted-application"]
)
def test_what_ends_within_the_window_stays_ended(as_amira: Client, amira: User, ended: str) -> None:
    first = granted(as_amira)["refresh_token"]
    second = refresh(first).json()
    as_program = Client(headers=programs.basic())
    revoked = {"revoked": second["refresh_token"], "revoked-access-token": second["access_token"]}
    if token := revoked.get(ended) or (ended == "old-one-revoked" and first):
        assert as_program.post("/o/revoke_token/", {"token": token}).status_code == 200
    elif ended == "all-ended":
        validator.end_grants(amira)
        assert not RefreshReplay.objects.exists()
    elif ended == "deactivated":
        User.objects.update(is_active=False)
    else:
        Application.objects.all().delete()
        assert not RefreshReplay.objects.exists()
    answer = refresh(first)
    assert answer.json()["error"] == ("invalid_client" if ended == "deleted-application" else "invalid_grant")


def test_a_repeat_that_asks_for_less_is_not_given_more(as_amira: Client) -> None:
    first = granted(as_amira, scope=WIDE)["refresh_token"]
    second = refresh(first).json()
    assert refresh(first, scope="integrations:read").json()["error"] == "invalid_scope"
    assert lives(second)
    assert tokens_of(refresh(first, scope=WIDE)) == (second["access_token"], second["refresh_token"])


def test_a_repeat_never_widens_what_the_first_asked_for(as_amira: Client) -> None:
    first = granted(as_amira, scope=WIDE)["refresh_token"]
    second = refresh(first, scope="integrations:read").json()
    again = refresh(first).json()
    assert (again["access_token"], again["scope"]) == (second["access_token"], "integrations:read")
    assert refresh(first, scope=WIDE).json()["error"] == "invalid_scope"
    assert lives(second)


def test_a_program_that_may_have_less_now_is_not_given_the_wider_tokens_again(as_amira: Client) -> None:
    first = granted(as_amira, scope=WIDE)["refresh_token"]
    refresh(first)
    Application.objects.update(allowed_scopes="integrations:read")
    assert refresh(first).json()["error"] == "invalid_scope"


def test_the_row_holds_nothing_that_opens_without_the_refresh_token(as_amira: Client) -> None:
    first = granted(as_amira)["refresh_token"]
    second = refresh(first).json()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {RefreshReplay._meta.db_table}")  # noqa: S608 - a table of ours
        rows = str(cursor.fetchall())
    assert not {first, second["access_token"], second["refresh_token"]} & {*rows.split("'")}
    sealed = RefreshReplay.objects.get().sealed_tokens
    with pytest.raises(Unreadable):
        secrets_at_rest.unseal_text(sealed, purpose=replays.PURPOSE)
    assert secrets_at_rest.unseal_text(sealed, purpose=replays.PURPOSE, also_needs=first)


def test_rows_go_soon_after_the_window(as_amira: Client) -> None:
    refresh(granted(as_amira)["refresh_token"])
    tasks.forget_refresh_replays()
    assert RefreshReplay.objects.count() == 1
    age(60)
    tasks.forget_refresh_replays()
    assert not RefreshReplay.objects.exists()


def test_a_key_that_is_gone_ends_nobodys_family(as_amira: Client, settings: Settings) -> None:
    first = granted(as_amira)["refresh_token"]
    second = refresh(first).json()
    key = settings.TOKEN_ENCRYPTION_KEYS[0].partition(":")[2]
    settings.TOKEN_ENCRYPTION_KEYS = [f"another:{key}"]
    assert refresh(first).json()["error"] == "invalid_grant"
    assert lives(second)


def test_without_keys_a_refresh_token_still_renews(as_amira: Client, settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = []
    assert refresh(granted(as_amira)["refresh_token"]).status_code == 200


def test_what_a_person_has_ended_is_not_called_a_reuse_afterwards(as_amira: Client, amira: User) -> None:
    """A second process that comes a moment later is no reuse."""
    first = granted(as_amira)["refresh_token"]
    refresh(first)
    validator.end_grants(amira)
    assert refresh(first).json()["error"] == "invalid_grant"
    assert not Event.objects.filter(kind="refresh_reused").exists()
