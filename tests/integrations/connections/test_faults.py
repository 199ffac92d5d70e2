"""Whatever an exception is: the attempt is counted, the next one waits, nothing stays claimed, and the others go on."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone

from accounts.models import User
from foundation import mail_outbox
from foundation.error_boundary import error_boundary
from foundation.mail_outbox import DeferredMail
from foundation.oauth_client.errors import OAuthError, Unusable
from foundation.secrets_at_rest import rotation
from integrations import circuit_breaker, flows
from integrations.connections import authorization, endings, keep_alive, notices, renewal, revocations, tasks
from integrations.connections.endings import NotAllEnded
from integrations.connections.revocations import delivery, results, verification
from integrations.flows import background, runs
from integrations.models import (
    Alias,
    ApplicationRegistry,
    AuthorizationAttempt,
    Renewal,
    Revocation,
    SubflowRun,
    Token,
    events,
)
from integrations.models.card import integration_of
from tests import cast, walks
from tests.foundation.rotating import NEW
from tests.integrations.flowing import open_incidents, subflow_of
from tests.integrations.renewing import ASKED, GRANTED, current
from tests.integrations.revoking import TOLD, deliver, promised
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.django_db(transaction=True)]

SECRET = "CANARY-in-a-message"
FAULTS = [
    ValueError(SECRET),
    KeyError(SECRET),
    RecursionError(SECRET),
    UnicodeDecodeError("utf-8", b"CANARY-in-a-message", 0, 1, "bad"),
    DatabaseError(SECRET),
    MemoryError(SECRET),
    AssertionError(SECRET),
]
each_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)


@pytest.fixture(autouse=True)
def _no_message_is_logged(caplog: pytest.LogCaptureFixture) -> Any:
    yield
    assert "CANARY" not in caplog.text


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    server.on(TOLD).always(status=200)
    return cast.integration_at(cast.registry_at(server.url))


def raising(fault: Exception, *, when: Callable[..., bool] = lambda *_a, **_k: True, otherwise: Any = None) -> Any:
    def broken(*arguments: Any, **options: Any) -> Any:
        if when(*arguments, **options):
            raise fault
        return otherwise(*arguments, **options)

    return broken


def test_the_boundary_logs_where_and_what_kind_and_no_message(caplog: pytest.LogCaptureFixture) -> None:
    with error_boundary("Revocation 1"):
        raise ValueError(SECRET)
    assert "Revocation 1 failed unexpectedly: ValueError at test_faults.py:" in caplog.text


# Revocations ----------------------------------------------------------------------------------------------------------


@each_fault
def test_a_revocation_counts_it_backs_off_and_is_told_of_after_five(
    fault: Exception, amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.signed_in(amira, northwind)
    revocation = promised(amira, northwind)
    with monkeypatch.context() as broken:
        broken.setattr("foundation.oauth_client.revocation.check_response", raising(fault))
        waits = []
        for attempt in range(1, 7):
            left = deliver(revocation)
            assert (left.attempts, left.claimed_until, left.last_answer) == (attempt, None, "internal error")
            assert left.next_attempt_at is not None
            waits.append((left.next_attempt_at - timezone.now()).total_seconds())
    assert min(waits) > 4
    assert waits[-1] > 60
    assert left.state == "failed"
    card = integration_of(amira, northwind.pk)
    assert card is not None
    assert card.state == "revoke_failed"
    assert deliver(revocation).state == "confirmed"


def test_a_fault_that_stays_is_given_up_after_two_weeks(
    amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.signed_in(amira, northwind)
    revocation = promised(amira, northwind)
    monkeypatch.setattr("foundation.oauth_client.revocation.check_response", raising(ValueError(SECRET)))
    Revocation.objects.update(pursued_since=timezone.now() - timedelta(days=15))
    assert deliver(revocation).state == "abandoned"


@pytest.mark.parametrize("place", ["delivery", "audit log", "settlement", "verification"])
def test_one_failing_revocation_does_not_stop_the_others_of_its_batch(
    place: str, amira: User, bob: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"amira": amira, "bob": bob, **{f"p{n}": cast.person(f"p{n}") for n in range(8)}}
    for user in names.values():
        cast.signed_in(user, northwind)
        promised(user, northwind)
    found: dict[str, Any] = {
        "delivery": (delivery, "revoke_tokens", lambda row: row.username == "amira"),
        "audit log": (events, "build_event", lambda user, *_rest: user and user.username == "amira"),
        "settlement": (results, "settle_together", lambda rows, _state: any(r.username == "amira" for r in rows)),
        "verification": (verification, "verify", lambda row: row.username == "amira"),
    }
    module, name, is_bad = found[place]
    monkeypatch.setattr(module, name, raising(ValueError(SECRET), when=is_bad, otherwise=getattr(module, name)))
    revocations.drain()
    left = Revocation.objects.get(username="amira")
    assert (left.state, left.last_answer, left.claimed_until) == ("pending", "internal error", None)
    assert left.next_attempt_at is not None
    assert left.next_attempt_at > timezone.now()
    assert set(Revocation.objects.exclude(pk=left.pk).values_list("state", flat=True)) == {"confirmed"}


def test_a_thread_survives_what_cannot_even_be_counted(
    amira: User, bob: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in (amira, bob):
        cast.signed_in(user, northwind)
        promised(user, northwind)
    bad = raising(ValueError(SECRET), when=lambda row: row.username == "amira", otherwise=delivery.attempt_claimed)
    monkeypatch.setattr(delivery, "attempt_claimed", bad)
    revocations.drain(threads=1)
    assert Revocation.objects.get(username="bob").state == "confirmed"
    left = Revocation.objects.get(username="amira")
    assert left.claimed_until is not None  # its claim runs out
    assert left.claimed_until < timezone.now() + timedelta(minutes=1)


# Renewals -------------------------------------------------------------------------------------------------------------


@each_fault
def test_a_renewal_ends_in_the_journal_gives_back_its_lease_and_pauses(
    fault: Exception, amira: User, northwind: Alias, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    with monkeypatch.context() as broken:
        broken.setattr("foundation.oauth_client.client.refresh", raising(fault))
        server.on(ASKED).always(json=GRANTED)
        with pytest.raises(OAuthError, match="internal_error"):
            current(amira, northwind)
        with pytest.raises(Unusable, match="internal_error"):  # within the pause, of which the reason is kept
            current(amira, northwind)
    [entry], left = Renewal.objects.all(), Token.objects.get()
    assert (entry.outcome, entry.code, entry.settled_at is None) == ("broken", "internal_error", False)
    assert left.lease_owner == ""
    assert left.lease_expires_at is not None
    assert 30 < (left.lease_expires_at - timezone.now()).total_seconds() < 61
    Token.objects.update(lease_expires_at=None)
    assert current(amira, northwind) == "CANARY-access-2"


def test_a_living_token_is_used_though_its_renewal_has_a_fault(
    amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.signed_in(amira, northwind, expires_in=60)
    monkeypatch.setattr("foundation.oauth_client.client.refresh", raising(ValueError(SECRET)))
    assert current(amira, northwind) == "CANARY-access-1"


def test_a_refusal_after_a_fault_of_ours_is_not_blamed_on_the_provider(
    amira: User, northwind: Alias, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).answer(json=GRANTED).always(status=400, json={"error": "invalid_grant"})
    with monkeypatch.context() as broken:
        broken.setattr(Token, "take", raising(ValueError(SECRET)))
        with pytest.raises(OAuthError):
            current(amira, northwind)
    Token.objects.update(lease_expires_at=None)
    with pytest.raises(renewal.NoUsableToken, match="renewal_interrupted"):
        current(amira, northwind)


def test_keep_alive_goes_on_past_a_token_with_a_fault(
    amira: User, northwind: Alias, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on(ASKED).always(json=GRANTED)
    people_of = [cast.person(f"p{number}") for number in range(6)]
    used: dict[str, Any] = {
        "last_used_at": timezone.now(),
        "signed_in_at": timezone.now() - timedelta(minutes=58),
        "expires_in": 120,
    }
    for user in [*people_of, amira]:
        cast.signed_in(user, northwind, **used)
    bad = Token.objects.get(user=amira)

    ApplicationRegistry.objects.update(provider_profile={"limits": {"ahead_at_once": 1}})
    for place in ("send_request", "find_obstacle"):
        Token.objects.update(version=1, lease_expires_at=None, expires_at=timezone.now() + timedelta(seconds=120))
        Token.objects.update(refreshed_at=None, due_at=timezone.now())
        Token.objects.filter(pk=bad.pk).update(due_at=timezone.now() - timedelta(hours=1))  # comes first
        ApplicationRegistry.objects.update(renewals_paced_until=None)
        with monkeypatch.context() as broken:
            module: Any = renewal.refresh_request if place == "send_request" else keep_alive.queue
            is_bad = lambda token: token.pk == bad.pk  # noqa: E731
            fault = raising(KeyError(SECRET), when=is_bad, otherwise=getattr(module, place))
            broken.setattr(module, place, fault)
            keep_alive.renew_due_tokens()
        assert set(Token.objects.exclude(pk=bad.pk).values_list("version", flat=True)) == {2}
        assert Token.objects.get(pk=bad.pk).version == 1


# Runs -----------------------------------------------------------------------------------------------------------------


@each_fault
def test_a_run_in_the_background_ends_and_says_that_keyrack_failed(
    fault: Exception, amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.signed_in(amira, northwind)
    subflow_of(open_incidents(northwind))
    run = flows.start_subflow("my_open_incidents", user=amira, inputs={"limit": 1})
    monkeypatch.setattr("integrations.flows.actions.run_action", raising(fault))
    runs.perform_later(run.hex)
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "internal_error")
    assert "CANARY" not in run.error


def test_an_end_that_cannot_be_written_is_written_as_a_failure(
    amira: User, northwind: Alias, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("GET /api/incidents").always(json={"result": []})
    cast.signed_in(amira, northwind)
    subflow_of(open_incidents(northwind))
    run = flows.start_subflow("my_open_incidents", user=amira, inputs={"limit": 1})
    calls: list[str] = []

    def finish(self: SubflowRun, status: str, **told: Any) -> bool:
        calls.append(status)
        if len(calls) == 1:
            raise ValueError(SECRET)
        return bool(original(self, status, **told))  # type: ignore[arg-type]

    original = SubflowRun.finish
    monkeypatch.setattr(SubflowRun, "finish", finish)
    runs.perform_later(run.hex)
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "internal_error")


def test_one_run_that_cannot_be_given_up_does_not_keep_the_others(
    amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = {"user": amira, "run_as": "user", "ends_by": timezone.now() - timedelta(hours=2)}
    first, second, third = (SubflowRun.objects.create(name=name, **over) for name in ("a", "b", "c"))
    is_bad = lambda run, *_a, **_k: run.pk == second.pk  # noqa: E731
    monkeypatch.setattr(SubflowRun, "finish", raising(ValueError(SECRET), when=is_bad, otherwise=SubflowRun.finish))
    background.give_up_overdue()
    assert set(SubflowRun.objects.filter(status="failed")) == {first, third}


# Sign-ins, checks, keys -----------------------------------------------------------------------------------------------


@each_fault
def test_a_sign_in_ends_in_words(
    fault: Exception, as_amira: Any, northwind: Alias, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foundation.oauth_client.client.exchange", raising(fault))
    walks.sign_in(as_amira, northwind)
    attempt = AuthorizationAttempt.objects.get()
    assert (attempt.status, attempt.failure_code) == ("failed", "internal_error")


def test_one_sign_in_that_cannot_be_purged_does_not_keep_the_others(
    amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = [walks.under_way(amira, northwind) for _number in range(3)]
    AuthorizationAttempt.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    bad = raising(
        TypeError(SECRET), when=lambda row, **_k: row.pk == attempts[1].pk, otherwise=AuthorizationAttempt.revoke_answer
    )
    monkeypatch.setattr(AuthorizationAttempt, "revoke_answer", bad)
    tasks.purge_attempts()
    assert list(AuthorizationAttempt.objects.all()) == [attempts[1]]


def test_one_provider_that_cannot_be_checked_does_not_keep_the_others(
    server: HostileServer, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.registry_at("http://127.0.0.1:9", name="Other")
    for registry in ApplicationRegistry.objects.all():
        since = timezone.now() - timedelta(minutes=5)
        ApplicationRegistry.objects.filter(pk=registry.pk).update(
            failures=3, failing_since=since, down_since=since, next_check_at=since, failing_url=registry.token_url
        )
    is_bad = lambda url: ":9/" in url  # noqa: E731
    monkeypatch.setattr(
        circuit_breaker, "probe", raising(ValueError(SECRET), when=is_bad, otherwise=circuit_breaker.probe)
    )
    circuit_breaker.check_due()
    assert ApplicationRegistry.objects.get(name="Northwind").down_since is None
    other = ApplicationRegistry.objects.get(name="Other")
    assert other.next_check_at is not None
    assert other.next_check_at > timezone.now()


def test_one_value_that_cannot_be_sealed_anew_is_named_and_the_others_are(
    amira: User, northwind: Alias, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = cast.signed_in(amira, northwind)
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, *settings.TOKEN_ENCRYPTION_KEYS]
    is_bad = lambda row: row.pk == token.pk  # noqa: E731
    monkeypatch.setattr(Token, "sealing_context", raising(ValueError(SECRET), when=is_bad))
    found = rotation.rotate()
    assert len(found.unreadable) == 2
    assert found.moved == 1


# Ending many ----------------------------------------------------------------------------------------------------------


def broken_for(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    is_bad = lambda token, **_k: token.user == user  # noqa: E731
    monkeypatch.setattr(Token, "end", raising(ValueError(SECRET), when=is_bad, otherwise=Token.end))


def test_the_kill_switch_ends_all_others_and_says_that_one_is_left(
    amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "AT_ONCE", 3)
    for user in [amira, *(cast.person(f"p{number}") for number in range(7))]:
        cast.signed_in(user, northwind)
    broken_for(amira, monkeypatch)
    with pytest.raises(CommandError, match="1 could not be ended"):
        call_command("revoke_tokens", "--registry", "Northwind", "--yes")
    assert Token.objects.get().user == amira
    assert Revocation.objects.count() == 7


def test_a_person_whose_revoke_fails_is_not_told_that_it_worked(
    amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.signed_in(amira, northwind)
    broken_for(amira, monkeypatch)
    with pytest.raises(NotAllEnded):
        authorization.revoke(amira, northwind)
    assert Token.objects.exists()
    assert not Revocation.objects.exists()


def test_a_sign_in_under_way_that_cannot_be_cancelled_does_not_keep_the_tokens(
    amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.signed_in(amira, northwind)
    walks.under_way(amira, northwind)
    monkeypatch.setattr(endings, "cancel_one", raising(ValueError(SECRET)))
    with pytest.raises(NotAllEnded):
        authorization.revoke(amira, northwind)
    assert not Token.objects.exists()
    assert Revocation.objects.exists()


def test_one_deactivated_person_with_a_fault_does_not_keep_the_others(
    amira: User, bob: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in (amira, bob):
        cast.signed_in(user, northwind)
    User.objects.update(is_active=False)
    broken_for(amira, monkeypatch)
    assert sum(len(promised) for promised in endings.end_deactivated()) == 1
    assert Token.objects.get().user == amira


# Mails ----------------------------------------------------------------------------------------------------------------


def refused(user: User, alias: Alias) -> Token:
    return cast.signed_in(user, alias, state="needs_reauth", failure_code="invalid_grant", failed_at=timezone.now())


def sent() -> list[str]:
    mail.outbox.clear()
    tasks.send_notices()
    return [message.to[0] for message in mail.outbox]


@each_fault
@pytest.mark.parametrize("place", ["compose", "send"])
def test_a_mail_counts_it_backs_off_and_lets_the_others_pass(
    place: str, fault: Exception, amira: User, bob: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in (amira, bob):
        refused(user, northwind)
    with monkeypatch.context() as broken:
        if place == "compose":
            is_bad: Any = lambda user: user == amira  # noqa: E731
            broken.setattr(notices, "cards_of", raising(fault, when=is_bad, otherwise=notices.cards_of))
        else:
            send = mail.EmailMessage.send
            is_bad = lambda message, *_a: "amira" in message.to[0]  # noqa: E731
            broken.setattr(mail.EmailMessage, "send", raising(fault, when=is_bad, otherwise=send))
        assert sent() == ["bob@hub.example"]
        assert sent() == []  # the next run does not try again yet
        [row] = DeferredMail.objects.all()
        assert (row.attempts, row.next_attempt_at > timezone.now()) == (1, True)
        for attempts in (2, 3):
            DeferredMail.objects.update(next_attempt_at=timezone.now())
            assert sent() == []
            row.refresh_from_db()
            assert row.attempts == attempts
        assert row.next_attempt_at > timezone.now() + timedelta(minutes=3)
    assert Token.objects.get(user=amira).notice == ""
    DeferredMail.objects.update(next_attempt_at=timezone.now())
    assert sent() == ["amira@hub.example"]
    assert not DeferredMail.objects.exists()


def test_a_deferral_of_a_mail_that_nobody_is_owed_any_more_is_forgotten(db: None) -> None:
    mail_outbox.defer_mail("day:1")
    DeferredMail.objects.update(next_attempt_at=timezone.now() - timedelta(days=8))
    assert mail_outbox.next_attempts() == {}
    assert not DeferredMail.objects.exists()
