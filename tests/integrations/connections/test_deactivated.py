"""People who leave: what they had is refused at once, ended soon, and the providers are told."""

from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.answers import TokenAnswer
from integrations.connections import endings, renewal
from integrations.models import Alias, AuthorizationAttempt, Event, Revocation, Token
from integrations.models.tokens import AttemptStatus
from tests import cast, walks
from tests.admin.forms import submitted
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    server.on("POST /revoke").always(status=200)
    return walks.northwind(server)


@pytest.fixture
def at_once(tasks_run_at_once: None, django_capture_on_commit_callbacks: Any) -> Any:
    """What is published when something is committed is done in this process, in this block."""
    return partial(django_capture_on_commit_callbacks, execute=True)


def by_a_statement(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def by_a_program(user: User) -> None:
    user.is_active = False
    user.save()


def by_a_program_that_writes_little(user: User) -> None:
    user.is_active = False
    user.save(update_fields=["is_active"])


@pytest.mark.parametrize("deactivate", [by_a_program, by_a_program_that_writes_little])
def test_the_providers_are_told_as_soon_as_it_is_saved(
    deactivate: Any, at_once: Any, amira: User, bob: User, northwind: Alias, server: HostileServer
) -> None:
    cast.signed_in(amira, northwind)
    kept = cast.signed_in(bob, northwind)
    with at_once():
        deactivate(amira)
    assert list(Token.objects.all()) == [kept]
    assert [call.form["token"] for call in server.calls_to("POST /revoke")] == ["CANARY-refresh-1", "CANARY-access-1"]
    assert Revocation.objects.get().state == "confirmed"


@pytest.mark.database
def test_whoever_was_deactivated_by_a_statement_is_found(amira: User, bob: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    kept = cast.signed_in(bob, northwind)
    by_a_statement(amira)
    with pytest.raises(renewal.NoUsableToken):
        renewal.current(amira, walks.credential_of(northwind))
    endings.end_sign_ins_of_deactivated()
    assert list(Token.objects.all()) == [kept]
    revocation = Revocation.objects.get()
    assert (revocation.user, revocation.reason, revocation.state) == (amira, "deactivated", "pending")
    assert Event.objects.get(kind="revoked").words == "Revoked here: the account was deactivated"


def test_their_sign_ins_under_way_are_cancelled_and_what_was_fetched_is_given_back(
    amira: User, northwind: Alias, server: HostileServer
) -> None:
    pending = walks.under_way(amira, northwind)
    waiting = walks.under_way(amira, northwind, status="claimed")
    waiting.hold(TokenAnswer(access_token="CANARY-held", token_type="Bearer"))
    waiting.finish(AttemptStatus.OTHER_ACCOUNT)
    by_a_statement(amira)
    endings.end_sign_ins_of_deactivated()
    assert set(AuthorizationAttempt.objects.values_list("pk", "status")) == {
        (pending.pk, "cancelled"),
        (waiting.pk, "cancelled"),
    }
    assert Revocation.objects.get().access_token == "CANARY-held"


def test_one_run_takes_only_so_many_people_and_the_next_goes_on(
    amira: User, bob: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "PEOPLE_AT_ONCE", 1)
    for user in (amira, bob):
        cast.signed_in(user, northwind)
        by_a_statement(user)
    left = []
    for _run in range(3):
        endings.end_sign_ins_of_deactivated()
        left.append(Token.objects.count())
    assert left == [1, 0, 0]
    assert Revocation.objects.count() == 2


@pytest.mark.parametrize("fields", [None, ["last_login"]])
def test_saving_anything_else_ends_nothing(fields: Any, at_once: Any, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    amira.last_login = timezone.now()
    with at_once() as published:
        amira.save(update_fields=fields)
    assert published == []
    assert Token.objects.exists()


def test_whoever_comes_back_signs_in_again(at_once: Any, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    with at_once():
        by_a_program(amira)
    User.objects.update(is_active=True)
    with pytest.raises(renewal.NoUsableToken) as gone:
        renewal.current(User.objects.get(), walks.credential_of(northwind))
    assert gone.value.code == "not_connected"


@pytest.mark.slow
def test_the_page_of_a_user_does_it_too(at_once: Any, admin: User, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    with at_once():
        submitted(client_of(admin), f"/admin/accounts/user/{amira.pk}/change/", {"Active": []})
    assert not User.objects.get(pk=amira.pk).is_active
    assert not Token.objects.exists()
