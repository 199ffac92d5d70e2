"""The kill switch: all at one provider ends here at once, and the provider is told no faster than it can bear."""

import os
import pty
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from itertools import pairwise

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from foundation import secrets_at_rest
from integrations.connections import endings, kill_switch, renewal, tasks
from integrations.management.commands import revoke_tokens
from integrations.models import Alias, ApplicationRegistry, AuthorizationAttempt, Event, Revocation, Token
from tests import cast, walks
from tests.servers.hostile import Answer, Call, HostileServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    server.on("POST /revoke").always(status=200)
    return walks.northwind(server)


@pytest.fixture
def signed_in(amira: User, bob: User, northwind: Alias) -> list[Token]:
    return [cast.signed_in(amira, northwind), cast.signed_in(bob, northwind, access_token="CANARY-bob")]


def run(*options: str) -> str:
    out = StringIO()
    call_command("revoke_tokens", "--registry", "Northwind", *options, stdout=out, stderr=out)
    return out.getvalue()


def refused(*options: str) -> CommandError:
    with pytest.raises(CommandError) as error:
        run(*options)
    return error.value


def many(northwind: Alias, number: int) -> None:
    """So many more people who are signed in."""
    people = User.objects.bulk_create(User(username=f"person-{number}") for number in range(number))
    for user in people:
        cast.signed_in(user, northwind)


def test_a_dry_run_only_says_what_would_end(signed_in: list[Token], amira: User, northwind: Alias) -> None:
    walks.under_way(amira, northwind)
    told = run("--dry-run")
    assert "ends 2 sign-ins at Northwind (127.0.0.1" in told
    assert "of 2 people" in told
    assert "1 sign-ins that are under way" in told
    assert Token.objects.count() == 2
    assert not Event.objects.exists()


def test_every_sign_in_there_ends_at_once_and_no_other(
    signed_in: list[Token], amira: User, northwind: Alias, server: HostileServer
) -> None:
    fabrikam = cast.integration_at(cast.registry_at(server.url, name="Fabrikam"), name="fabrikam")
    shared = cast.integration_at(walks.registry_of(northwind), name="shared", integration_type="system")
    cast.signed_in(None, shared)  # type: ignore[arg-type]  # the system's
    elsewhere = cast.signed_in(amira, fabrikam)
    told = run("--yes")
    assert "3 sign-ins ended" in told
    assert "1 of them are the system's own." in told
    assert list(Token.objects.all()) == [elsewhere]
    with pytest.raises(renewal.NoUsableToken):
        renewal.current(amira, walks.credential_of(northwind))
    promised = Revocation.objects.values_list("username", "reason", "by_the_person")
    assert set(promised) == {(name, "kill_switch", False) for name in ("amira", "bob", "")}


def test_one_persons_sign_ins_can_be_ended_alone(signed_in: list[Token], bob: User) -> None:
    run("--yes", "--user", "bob")
    assert [token.user.username for token in Token.objects.all() if token.user] == ["amira"]
    assert Event.objects.get(kind="kill_switch").whose == bob


def test_the_provider_is_told(signed_in: list[Token], server: HostileServer) -> None:
    run("--yes")
    Revocation.objects.update(next_attempt_at=timezone.now())
    for revocation in Revocation.objects.due():
        tasks.deliver_revocation(revocation.hex)
    assert {call.form["token"] for call in server.calls_to("POST /revoke")} >= {"CANARY-access-1", "CANARY-bob"}


def test_a_registry_that_is_turned_off_is_no_obstacle(signed_in: list[Token]) -> None:
    ApplicationRegistry.objects.update(active=False)
    assert "can sign in again at once" not in run("--yes")
    assert not Token.objects.exists()


# Asking ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A terminal, with somebody at it."""
    keyboard, screen = pty.openpty()
    with open(screen) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield lambda text: void(os.write(keyboard, text.encode()))
    os.close(keyboard)


def void(_written: int) -> None: ...


@pytest.mark.parametrize(("answer", "left"), [("yes\n", 0), ("no\n", 2), ("\n", 2), ("y\n", 2)])
def test_a_person_is_asked_and_only_yes_is_yes(
    answer: str, left: int, typing: Callable[[str], None], signed_in: list[Token]
) -> None:
    typing(answer)
    if left:
        assert refused().returncode == 1
    else:
        run()
    assert Token.objects.count() == left


def test_without_a_terminal_and_without_yes_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, signed_in: list[Token]
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("yes\n"))
    error = refused()
    assert (error.returncode, str(error)) == (
        2,
        "There is no terminal for the confirmation. Add --yes, or --dry-run to look first.",
    )
    assert Token.objects.count() == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--registry", "Northwnd"], "There is no Application Registry named “Northwnd”. There are: Northwind."),
        (["--user", "carol"], "There is no user named “carol”."),
    ],
)
def test_a_name_that_is_not_there_is_told(options: list[str], told: str, signed_in: list[Token]) -> None:
    error = refused("--yes", *options)
    assert (error.returncode, str(error)) == (2, told)
    assert Token.objects.count() == 2


@pytest.mark.parametrize("typed", ["0", "-1", "nan", "inf", "fast", "1e9"])
def test_a_rate_that_is_none_is_refused(typed: str, signed_in: list[Token]) -> None:
    assert "a number above 0" in str(refused("--yes", "--per-second", typed))
    assert Token.objects.count() == 2


# In steps, and in time ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.database
def test_the_provider_hears_of_so_many_a_second_and_a_second_run_waits_for_the_first(northwind: Alias) -> None:
    many(northwind, 5)
    began = timezone.now()
    told = run("--yes", "--per-second", "4", "--user", "person-0") + run("--yes", "--per-second", "4")
    assert "4 revocations are sent to Northwind, 4 per second, until" in told
    moments = [each.next_attempt_at or began for each in Revocation.objects.order_by("next_attempt_at")]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert gaps == [timedelta(seconds=0.25)] * 4
    assert moments[0] >= began
    assert Revocation.objects.due().count() < 5


@pytest.mark.database
def test_stopped_half_way_it_goes_on_where_it_was_and_does_nothing_twice(
    northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_command: object, _tally: object) -> None:
        raise KeyboardInterrupt

    many(northwind, 5)
    monkeypatch.setattr(endings, "AT_ONCE", 2)
    with monkeypatch.context() as stopping:
        stopping.setattr(revoke_tokens.Command, "note", stop)
        assert refused("--yes").returncode == 1
    assert (Token.objects.count(), Revocation.objects.count()) == (3, 2)
    assert "3 sign-ins ended" in run("--yes")
    assert not Token.objects.exists()
    assert sorted(Revocation.objects.values_list("username", flat=True)) == [f"person-{n}" for n in range(5)]
    assert "There are no sign-ins at Northwind" in run("--yes")
    assert Event.objects.filter(kind="kill_switch").count() == 2


@pytest.mark.slow
@pytest.mark.database
def test_a_hundred_take_few_statements(northwind: Alias) -> None:
    def statements(number: int) -> int:
        many(northwind, number)
        with CaptureQueriesContext(
            connection,
        ) as found:
            run("--yes")
        return len(found)

    few = statements(10)
    User.objects.filter(username__startswith="person").delete()
    assert (statements(110) - few) / 100 <= 2.2  # a promise and a deletion, and now and then a step


def test_it_is_on_record_who_did_it_and_everybody_can_read_what_happened(signed_in: list[Token], amira: User) -> None:
    run("--yes")
    by = revoke_tokens.operator_name()
    assert by
    assert Event.objects.get(kind="kill_switch").detail == f"Northwind. Sign-ins: 2, people: 2, by {by}"
    line = Event.objects.get(whose=amira)
    assert (line.kind, line.detail) == ("revoked", "together with others at Northwind, by an administrator")
    assert Event.objects.count() == 3


def test_it_is_on_record_before_the_first_one_ends(signed_in: list[Token], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(kill_switch, "end", fail)
    with pytest.raises(RuntimeError):
        run("--yes")
    assert Event.objects.get().kind == "kill_switch"


# Without keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [[], ["another:" + secrets_at_rest.new_key()]], ids=["none", "another"])
def test_what_cannot_be_opened_ends_all_the_same_and_is_named(
    keys: list[str], signed_in: list[Token], settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = keys
    assert "2 cannot be opened with the keys that are set" in run("--dry-run")
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("revoke_tokens", "--registry", "Northwind", "--yes", stdout=out, stderr=out)
    assert error.value.returncode == 1
    assert "Cannot be opened: Northwind / amira" in out.getvalue()
    assert not Token.objects.exists()
    assert set(Revocation.objects.values_list("last_answer", flat=True)) == {"unreadable"}


# Sign-ins under way ---------------------------------------------------------------------------------------------------


def test_a_sign_in_under_way_is_cancelled(as_amira: Client, northwind: Alias, server: HostileServer) -> None:
    state = walks.begin(as_amira, northwind)
    assert "0 sign-ins ended, 1 under way cancelled." in run("--yes")
    back = walks.come_back(as_amira, northwind, state)
    assert "Sign-in cancelled" in walks.words(as_amira.get(back["Location"]))
    assert server.calls_to("POST /token") == []


@pytest.mark.slow
def test_tokens_that_wait_for_a_choice_of_account_are_given_back(
    as_amira: Client, amira: User, server: HostileServer
) -> None:
    alias = walks.northwind(server, userinfo_url=f"{server.url}/userinfo")
    cast.signed_in(amira, alias, account_id="a-1", access_token="CANARY-access-0")
    walks.grants(server)
    server.on("GET /userinfo").answer(json={"sub": "b-2"})
    walks.sign_in(as_amira, alias)
    run("--yes")
    promised = {revocation.access_token for revocation in Revocation.objects.all()}
    assert promised == {"CANARY-access-0", "CANARY-access-1"}
    attempt = AuthorizationAttempt.objects.get()
    assert (attempt.status, attempt.answer) == ("cancelled", "")
    as_amira.post(f"/integrations/done/{attempt.hex}/", {"choice": "switch"})
    assert not Token.objects.exists()


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_sign_in_that_is_being_answered_is_not_kept(
    as_amira: Client, northwind: Alias, server: HostileServer
) -> None:
    def pulled(_call: Call) -> Answer:
        try:
            run("--yes")
        finally:
            connection.close()
        return walks.answered()

    server.on("POST /token").then(pulled)
    assert "Sign-in cancelled" in walks.words(walks.sign_in(as_amira, northwind))
    assert not Token.objects.exists()
    assert Revocation.objects.get().access_token == "CANARY-access-1"
