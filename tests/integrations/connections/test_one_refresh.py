"""However many want the token at once, and whatever happens meanwhile: the provider is asked once, nothing is lost."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections, transaction
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client import transport
from foundation.oauth_client.errors import Unreachable
from integrations.connections import renewal, tasks
from integrations.models import Alias, ApplicationRegistry, Event, Revocation, Token
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI
from tests import cast, walks
from tests.conftest import client_of
from tests.integrations.renewing import ASKED, GRANTED, after, credential_of, current, in_processes, in_threads
from tests.integrations.revoking import deliver, tokens_of
from tests.servers.hostile import Answer, HostileServer
from tests.servers.worker import eventually

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def expired(server: HostileServer, amira: User) -> Token:
    """Amira's, at a server whose refresh tokens work once: a second use gets a refusal."""
    alias = cast.integration_at(cast.registry_at(server.url))
    token = cast.signed_in(amira, alias, expires_in=-10)
    server.on(ASKED).always(status=400, json={"error": "invalid_grant"})
    return token


def test_two_hundred_threads_ask_once(server: HostileServer, expired: Token) -> None:
    server.on(ASKED).answer(json=GRANTED, delay=0.3)
    got = in_threads(200, lambda: renewal.current(expired.user, expired.credential).access_token)
    assert got == ["CANARY-access-2"] * 200
    assert len(server.calls) == 1


@pytest.mark.slow
def test_two_hundred_callers_in_four_processes_ask_once(server: HostileServer, expired: Token, tmp_path: Path) -> None:
    server.on(ASKED).answer(json=GRANTED, delay=0.5)
    assert in_processes(4, 50, tmp_path) == ["CANARY-access-2"] * 200
    assert len(server.calls) == 1
    stored = Token.objects.get()
    assert (stored.version, stored.refresh_token, stored.state) == (2, "CANARY-refresh-2", "valid")


def test_a_failed_renewal_fails_for_all_who_waited_and_asks_once(server: HostileServer, expired: Token) -> None:
    server.on(ASKED).answer(status=503, delay=0.3).always(json=GRANTED)

    def call() -> str:
        try:
            return current(expired.user, Alias.objects.get())
        except Unreachable as error:
            return error.code

    assert set(in_threads(10, call)) <= {"http_503", "renewal_postponed"}
    assert len(server.calls) == 1


def test_the_lease_outlives_the_longest_call_and_no_crash_outlasts_half_a_minute_of_grace() -> None:
    assert renewal.LEASE.total_seconds() >= transport.DEADLINE + 5
    assert renewal.LEASE.total_seconds() < 30 < renewal.WAIT_SECONDS


def test_a_dead_holders_lease_runs_out(server: HostileServer, amira: User, expired: Token) -> None:
    until = timezone.now() + timedelta(seconds=0.7)
    Token.objects.update(lease_owner="a process that was killed", lease_expires_at=until)
    server.on(ASKED).answer(json=GRANTED)
    assert current(amira, Alias.objects.get()) == "CANARY-access-2"
    assert timezone.now() >= until
    assert len(server.calls) == 1


def test_while_somebody_renews_a_living_token_is_used_at_once(
    server: HostileServer, amira: User, expired: Token
) -> None:
    Token.objects.update(
        expires_at=timezone.now() + timedelta(seconds=60),
        lease_owner="another process",
        lease_expires_at=timezone.now() + timedelta(seconds=40),
    )
    began = time.monotonic()
    assert current(amira, Alias.objects.get()) == "CANARY-access-1"
    assert time.monotonic() - began < 15  # of the forty that the other has
    assert server.calls == []


def test_no_connection_and_no_transaction_is_held_while_the_server_is_asked(
    server: HostileServer, amira: User, expired: Token
) -> None:
    ours, seen = connections["default"], []

    def look() -> None:
        seen.append(ours.connection)
        cast.person("written-meanwhile")

    server.on(ASKED).then(after(look))
    assert current(amira, Alias.objects.get()) == "CANARY-access-2"
    assert seen == [None]
    assert User.objects.filter(username="written-meanwhile").exists()


def test_a_slow_provider_keeps_nobody_else_waiting(
    server: HostileServer, amira: User, bob: User, expired: Token
) -> None:
    cast.signed_in(bob, Alias.objects.get(), access_token="CANARY-bob")
    server.on(ASKED).answer(json=GRANTED, delay=4)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(in_threads, 1, lambda: current(amira, Alias.objects.get()))
        assert eventually(lambda: bool(server.calls))
        assert current(bob, Alias.objects.get()) == "CANARY-bob"
        User.objects.filter(pk=bob.pk).update(first_name="Bob")
        assert not slow.done()
        assert slow.result() == ["CANARY-access-2"]


def test_inside_a_transaction_it_is_refused_before_anything_is_sent(
    server: HostileServer, amira: User, expired: Token
) -> None:
    with pytest.raises(RuntimeError, match="inside a transaction"), transaction.atomic():
        current(amira, Alias.objects.get())
    assert server.calls == []
    assert Token.objects.get().lease_owner == ""

    Token.objects.update(expires_at=None)
    with transaction.atomic():
        assert current(amira, Alias.objects.get()) == "CANARY-access-1"


def test_revoked_meanwhile_it_ends_revoked_and_the_new_tokens_too(
    server: HostileServer, amira: User, expired: Token
) -> None:
    server.on(ASKED).then(after(lambda: PersonalAuthAPI(amira).revoke_token("northwind")))
    server.on("POST /revoke").always(status=200)
    with pytest.raises(renewal.NoUsableToken):
        current(amira, Alias.objects.get())
    assert not Token.objects.exists()
    for revocation in Revocation.objects.all():
        tasks.deliver_revocation(revocation.hex)
    assert {call.form["token"] for call in server.calls_to("POST /revoke")} == {
        "CANARY-refresh-1",
        "CANARY-access-1",
        "CANARY-refresh-2",
        "CANARY-access-2",
    }
    assert set(Revocation.objects.values_list("state", flat=True)) == {"confirmed"}


def authenticate_anew() -> None:
    theirs = Token.objects.get()
    theirs.access_token, theirs.refresh_token, theirs.version = "CANARY-theirs", "CANARY-their-refresh", 2
    theirs.expires_at, theirs.lease_owner, theirs.lease_expires_at = None, "", None
    theirs.save()


def test_authenticated_anew_meanwhile_theirs_counts(server: HostileServer, amira: User, expired: Token) -> None:
    server.on(ASKED).then(after(authenticate_anew))
    assert current(amira, Alias.objects.get()) == "CANARY-theirs"
    assert Token.objects.get().refresh_token == "CANARY-their-refresh"
    assert not Revocation.objects.exists()


@pytest.mark.parametrize(
    ("reach", "account", "is_revoked"),
    [
        ("token", "amira", True),
        ("grant", "amira", False),
        ("unknown", "amira", False),
        ("grant", "another", True),
        ("unknown", "another", True),
    ],
)
def test_tokens_renewed_while_the_person_signed_in_anew_are_revoked_unless_that_could_end_the_new_sign_in(
    reach: str, account: str, is_revoked: bool, server: HostileServer, amira: User, expired: Token
) -> None:
    ApplicationRegistry.objects.update(revocation_reach=reach)
    Token.objects.update(account_id="amira")

    def sign_in_anew() -> None:
        authenticate_anew()
        Token.objects.update(account_id=account, signed_in_at=timezone.now())

    server.on(ASKED).then(after(sign_in_anew))
    assert current(amira, Alias.objects.get()) == "CANARY-theirs"
    revoked = [(row.refresh_token, row.account_id) for row in Revocation.objects.all()]
    assert revoked == ([("CANARY-refresh-2", "amira")] if is_revoked else [])


def test_tokens_renewed_after_the_end_are_not_revoked_once_that_would_end_a_new_sign_in(
    server: HostileServer, amira: User, expired: Token
) -> None:
    ApplicationRegistry.objects.update(revocation_reach="grant")
    server.on(ASKED).then(after(lambda: PersonalAuthAPI(amira).revoke_token("northwind")), walks.answered(3))
    with pytest.raises(renewal.NoUsableToken):
        current(amira, Alias.objects.get())
    renewed = Revocation.objects.get(reason="renewed_after_end")
    assert (renewed.refresh_token, renewed.user, renewed.registry) == (
        "CANARY-refresh-2",
        amira,
        expired.credential.registry,
    )
    walks.sign_in(client_of(amira), Alias.objects.get())
    for revocation in Revocation.objects.all():
        assert deliver(revocation).state == "superseded"
    assert server.calls_to("POST /revoke") == []


@pytest.mark.parametrize("of_what", ["a person", "a credential"])
def test_tokens_renewed_after_a_deletion_are_revoked(
    of_what: str, server: HostileServer, amira: User, expired: Token
) -> None:
    def delete() -> None:
        if of_what == "a person":
            User.objects.filter(pk=amira.pk).delete()
        else:
            Alias.objects.all().delete()
            expired.credential.delete()

    server.on(ASKED).then(after(delete))
    server.on("POST /revoke").always(status=200)
    with pytest.raises(renewal.NoUsableToken):
        renewal.renew(expired)
    deliver(Revocation.objects.get(reason="renewed_after_end"))
    assert tokens_of(server.calls_to("POST /revoke")) == ["CANARY-refresh-2", "CANARY-access-2"]


def test_a_refusal_of_the_old_token_says_nothing_about_a_newer_one(
    server: HostileServer, amira: User, expired: Token
) -> None:
    server.on(ASKED).then(after(authenticate_anew, Answer(status=400, json={"error": "invalid_grant"})))
    assert current(amira, Alias.objects.get()) == "CANARY-theirs"
    assert Token.objects.get().state == "valid"
    assert not Event.objects.exists()


def turn_off_alias() -> None:
    Alias.objects.update(active=False)


def take_role_away() -> None:
    User.objects.get(username="amira").groups.clear()


def deactivate_person() -> None:
    User.objects.filter(username="amira").update(is_active=False)


@pytest.mark.parametrize("end_access", [turn_off_alias, take_role_away, deactivate_person])
def test_access_that_ends_meanwhile_gives_nobody_the_new_token(
    server: HostileServer, amira: User, expired: Token, end_access: Callable[[], None]
) -> None:
    """What is handed out once lives as long as the provider says."""
    server.on(ASKED).then(after(end_access))
    with pytest.raises(renewal.NoUsableToken):
        renewal.current(amira, credential_of(Alias.objects.get()))
    assert len(server.calls_to(ASKED)) == 1
    assert Token.objects.get().access_token == "CANARY-access-2"  # not lost: a sweep ends it, or it is turned on again


@pytest.mark.parametrize("end_access", [turn_off_alias, take_role_away, deactivate_person])
def test_access_that_ends_meanwhile_gives_programs_nothing(
    server: HostileServer, amira: User, expired: Token, end_access: Callable[[], None]
) -> None:
    Alias.objects.update(allow_token_export=True)
    server.on(ASKED).then(after(end_access))
    api = PersonalAuthAPI(amira)
    with pytest.raises(NotAuthenticated) as refused:
        api.get_token("northwind")
    assert refused.value.code == "not_available"
    assert len(server.calls_to(ASKED)) == 1
    assert Token.objects.get().access_token == "CANARY-access-2"


def test_a_call_goes_nowhere_if_access_ends_while_its_token_is_renewed(
    server: HostileServer, amira: User, expired: Token
) -> None:
    server.on(ASKED).then(after(take_role_away))
    with pytest.raises(NotAuthenticated):
        PersonalAuthAPI(amira).request("northwind", "GET", "items")
    assert len(server.calls) == len(server.calls_to(ASKED)) == 1


def test_a_token_that_lives_for_seconds_is_renewed_once(server: HostileServer, amira: User, expired: Token) -> None:
    server.on(ASKED).always(json={**GRANTED, "expires_in": 1})
    assert PersonalAuthAPI(amira).get_token("northwind", minimum_seconds=600).access_token == "CANARY-access-2"
    assert len(server.calls_to(ASKED)) == 1


def test_deactivated_meanwhile_the_next_use_is_refused(server: HostileServer, amira: User, expired: Token) -> None:
    server.on(ASKED).then(after(lambda: User.objects.update(is_active=False)))
    renewal.renew(expired)
    with pytest.raises(renewal.NoUsableToken) as gone:
        renewal.current(amira, credential_of(Alias.objects.get()))
    assert gone.value.code == "deactivated"
