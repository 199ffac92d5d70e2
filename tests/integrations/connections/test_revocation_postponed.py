"""A provider that answers again hears at once of what it was not told, unless it asked for patience itself."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import User
from integrations import circuit_breaker
from integrations.connections import tasks
from integrations.models import Alias, ApplicationRegistry, Revocation
from integrations.models.tokens import RevocationState
from tests import cast
from tests.integrations.revoking import TOLD, deliver, promised
from tests.servers.hostile import HostileServer

FAR = timedelta(hours=5)


@pytest.fixture
def northwind(server: HostileServer, db: None) -> Alias:
    return cast.integration_at(cast.registry_at(server.url))


def postponed(user: User, alias: Alias, **fields: Any) -> Revocation:
    """A promise that failed so often that it is due in hours."""
    cast.signed_in(user, alias)
    revocation = promised(user, alias)
    due = timezone.now() + FAR
    told = {"state": RevocationState.FAILED, "attempts": 9, "next_attempt_at": due, **fields}
    Revocation.objects.filter(pk=revocation.pk).update(**told)
    return Revocation.objects.get(pk=revocation.pk)


def goes_down(**fields: Any) -> ApplicationRegistry:
    since = timezone.now() - timedelta(minutes=10)
    url = ApplicationRegistry.objects.get().token_url
    told = {"failures": 3, "failing_since": since, "down_since": since, "next_check_at": since, "failing_url": url}
    ApplicationRegistry.objects.update(**{**told, **fields})
    return ApplicationRegistry.objects.get()


def due_at(revocation: Revocation) -> datetime:
    moment = Revocation.objects.get(pk=revocation.pk).next_attempt_at
    assert moment is not None
    return moment


def test_a_provider_that_answers_again_is_told_what_was_postponed_at_once(
    server: HostileServer,
    amira: User,
    northwind: Alias,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    waiting = postponed(amira, northwind)
    published: list[object] = []
    monkeypatch.setattr(tasks.sweep_revocations, "apply_async", lambda *_args, **_names: published.append("sweep"))
    registry = goes_down()
    with django_capture_on_commit_callbacks(execute=True):
        circuit_breaker.record_result(registry, registry.token_url)
    assert due_at(waiting) <= timezone.now()
    assert published == ["sweep"]
    server.on(TOLD).always(status=200)
    tasks.deliver_revocation(waiting.hex)
    assert Revocation.objects.get().state == "confirmed"


@pytest.mark.slow
def test_check_now_makes_postponed_revocations_due(
    server: HostileServer, amira: User, as_amira: Client, northwind: Alias
) -> None:
    waiting = postponed(amira, northwind)
    goes_down()
    as_amira.post(f"/integrations/{northwind.hex}/check/")
    assert due_at(waiting) <= timezone.now()


def test_who_asked_for_patience_is_left_alone_until_it_is_over(amira: User, northwind: Alias) -> None:
    until = timezone.now() + timedelta(minutes=20)
    waiting = postponed(amira, northwind, left_alone_until=until)
    registry = goes_down()
    circuit_breaker.record_result(registry, registry.token_url)
    assert due_at(waiting) == until
    past = timezone.now() - timedelta(seconds=1)
    Revocation.objects.update(left_alone_until=past, next_attempt_at=timezone.now() + FAR)
    registry = goes_down()
    circuit_breaker.record_result(registry, registry.token_url)
    assert due_at(waiting) <= timezone.now()


def test_retry_after_is_remembered_for_all_that_wait_there(
    server: HostileServer, amira: User, bob: User, northwind: Alias
) -> None:
    server.on(TOLD).always(status=503, headers={"Retry-After": "600"})
    other = postponed(bob, northwind, next_attempt_at=timezone.now() + timedelta(seconds=1))
    cast.signed_in(amira, northwind)
    revocation = promised(amira, northwind)
    tasks.deliver_revocation(revocation.hex)
    for each in (revocation, other):
        Revocation.objects.filter(pk=each.pk).update(next_attempt_at=timezone.now() + FAR)
    registry = goes_down()
    circuit_breaker.record_result(registry, registry.token_url)
    for each in (revocation, other):
        assert 590 < (due_at(each) - timezone.now()).total_seconds() < 601


def test_promises_of_a_kill_switch_keep_their_moments(amira: User, northwind: Alias) -> None:
    spread = postponed(amira, northwind, state=RevocationState.PENDING, attempts=0)
    registry = goes_down()
    circuit_breaker.record_result(registry, registry.token_url)
    assert due_at(spread) > timezone.now() + timedelta(hours=4)


def test_another_providers_revocations_stay_postponed(
    server: HostileServer, amira: User, bob: User, northwind: Alias
) -> None:
    other = cast.integration_at(cast.registry_at(server.url, name="Other"), name="other")
    theirs = postponed(bob, other)
    registry = ApplicationRegistry.objects.get(name="Northwind")
    since = timezone.now()
    ApplicationRegistry.objects.filter(pk=registry.pk).update(
        failures=3, failing_since=since, down_since=since, next_check_at=since, failing_url=registry.token_url
    )
    registry.refresh_from_db()
    circuit_breaker.record_result(registry, registry.token_url)
    assert due_at(theirs) > timezone.now() + timedelta(hours=4)


def test_one_that_is_kept_late_makes_the_others_there_due(
    server: HostileServer, amira: User, bob: User, northwind: Alias
) -> None:
    """Nobody called the provider meanwhile, so no circuit knew that it was down."""
    server.on(TOLD).always(status=200)
    others = postponed(bob, northwind)
    first = postponed(amira, northwind)
    Revocation.objects.filter(pk=first.pk).update(next_attempt_at=timezone.now())
    tasks.deliver_revocation(first.hex)
    assert due_at(others) <= timezone.now()


@pytest.mark.slow
def test_one_promise_asks_every_five_minutes_for_all_where_nobody_answers(
    server: HostileServer, amira: User, bob: User, northwind: Alias
) -> None:
    server.on(TOLD).always(close=True)
    first, second = postponed(amira, northwind), postponed(bob, northwind)
    for each in (first, second):
        Revocation.objects.filter(pk=each.pk).update(next_attempt_at=timezone.now())
        tasks.deliver_revocation(each.hex)
    waits = sorted((due_at(each) - timezone.now()).total_seconds() for each in (first, second))
    assert waits[0] < 301
    assert waits[1] > 600


@pytest.mark.parametrize("answer", [{"status": 400, "json": {"error": "invalid_grant"}}, {"status": 404}])
def test_a_provider_that_answers_and_refuses_is_asked_as_seldom_as_before(
    answer: dict[str, Any], server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(TOLD).always(**answer)
    waiting = postponed(amira, northwind)
    again = deliver(waiting)
    assert again.state == "failed"
    assert due_at(again) > timezone.now() + timedelta(minutes=10)
