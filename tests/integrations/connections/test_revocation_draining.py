"""Many promises at once: all are kept, none twice, and no provider suffers for it or makes the others wait."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from integrations.connections import revocations, tasks
from integrations.connections.revocations import delivery, sweep
from integrations.models import Alias, Event, Revocation
from integrations.models.tokens import RevocationState
from tests import cast
from tests.integrations.revoking import TOLD
from tests.servers.hostile import Answer, Call, HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    return cast.integration_at(cast.registry_at(server.url))


def promise(alias: Alias, number: int, **fields: object) -> list[Revocation]:
    """So many people's access tokens, each to be told of."""
    credential = alias.effective_credential
    assert credential is not None
    registry = credential.registry
    row = {"provider": registry.name, "reason": "revoked", **registry.revocation_snapshot(), **fields}
    return [
        Revocation.objects.create(
            access_token=f"{registry.name}-{each}", credential=credential, registry=registry, **row
        )
        for each in range(number)
    ]


def in_background(work: Callable[[], object]) -> object:
    """As another process would: with a connection of its own."""
    try:
        return work()
    finally:
        connection.close()


class Crowd:
    """A provider that counts how many are at its counter at the same time. It answers none before two have come."""

    def __init__(self, server: HostileServer, answer: Answer) -> None:
        self.server, self.answer, self.lock = server, answer, threading.Lock()
        self.now = self.most = 0

    def __call__(self, _call: Call) -> Answer:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.server.wait_for_calls(2)
        threading.Event().wait(0.03)
        with self.lock:
            self.now -= 1
        return self.answer


def test_everything_that_is_due_is_delivered_in_one_go(server: HostileServer, northwind: Alias) -> None:
    server.on(TOLD).always(status=200)
    promise(northwind, 60)
    later = promise(northwind, 1, next_attempt_at=timezone.now() + timedelta(minutes=1))
    assert revocations.drain(threads=4) == 60
    told = Counter(call.form["token"] for call in server.calls_to("POST /revoke"))
    assert (len(told), set(told.values())) == (60, {1})
    assert Counter(Revocation.objects.values_list("state", flat=True)) == {"confirmed": 60, "pending": 1}
    assert Revocation.objects.get(pk=later[0].pk).attempts == 0
    assert Event.objects.filter(kind="revocation_confirmed").count() == 60


def test_nothing_due_starts_no_thread(northwind: Alias, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "ThreadPoolExecutor", None)
    assert revocations.drain() == 0


def test_the_sweep_drains_with_as_many_threads_as_are_configured(
    server: HostileServer, northwind: Alias, settings: Settings
) -> None:
    settings.REVOCATION_THREADS = 2
    crowd = Crowd(server, Answer(status=200))
    server.on(TOLD).always(crowd)
    promise(northwind, 8)
    tasks.sweep_revocations()
    assert crowd.most == 2
    assert set(Revocation.objects.values_list("state", flat=True)) == {"confirmed"}


def test_two_drains_deliver_nothing_twice(server: HostileServer, northwind: Alias) -> None:
    server.on(TOLD).always(status=200, delay=0.02)
    promise(northwind, 40)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(in_background, lambda: revocations.drain(threads=3)) for _ in range(2)]
        numbers = [run.result() for run in runs]
    assert sum(numbers) == 40  # type: ignore[arg-type]
    assert len({call.form["token"] for call in server.calls_to("POST /revoke")}) == len(server.calls) == 40


def test_a_claim_is_for_one_whoever_asks_at_once(northwind: Alias) -> None:
    ids = [row.pk for row in promise(northwind, 12)]
    start = threading.Barrier(4)

    def claim() -> list[Revocation]:
        start.wait()
        found = [row for each in ids for row in Revocation.objects.claim([each], delivery.LEASE)]
        return found + Revocation.objects.claim(ids, delivery.LEASE)

    with ThreadPoolExecutor(4) as pool:
        claims = [pool.submit(in_background, claim) for _ in range(4)]
        taken = [row.pk for run in claims for row in run.result()]  # type: ignore[attr-defined]
    assert sorted(taken) == sorted(ids)
    assert set(Revocation.objects.values_list("attempts", flat=True)) == {1}


def test_a_row_that_somebody_else_holds_is_left_alone(server: HostileServer, northwind: Alias) -> None:
    server.on(TOLD).always(status=200)
    held, free = promise(northwind, 2)
    assert held.claim(delivery.LEASE)
    assert revocations.drain(threads=2) == 1
    assert [call.form["token"] for call in server.calls_to("POST /revoke")] == [free.access_token]
    Revocation.objects.filter(pk=held.pk).update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert revocations.drain(threads=2) == 1  # who held it was killed


def test_a_slow_provider_holds_up_only_itself(server: HostileServer, northwind: Alias) -> None:
    release = threading.Event()

    def slow(_call: Call) -> Answer:
        release.wait(20)
        return Answer(status=200)

    server.on(TOLD).always(slow)
    with HostileServer() as quick:
        quick.on(TOLD).always(status=200)
        promise(northwind, 12)  # due for longer
        other = cast.integration_at(cast.registry_at(quick.url, name="Orchard"), name="orchard")
        promise(other, 12)
        with ThreadPoolExecutor(1) as pool:
            run = pool.submit(in_background, lambda: revocations.drain(threads=2))
            for _ in range(500):
                if len(quick.calls) == 12:
                    break
                threading.Event().wait(0.02)
            busy = len(server.calls)
            release.set()
            assert run.result() == 24
        assert (len(quick.calls), busy) == (12, 2)


@pytest.mark.parametrize("status", [429, 503])
def test_who_asks_one_for_patience_gets_it_from_all(status: int, server: HostileServer, northwind: Alias) -> None:
    server.on(TOLD).always(status=status, headers={"Retry-After": "600"})
    promise(northwind, 20)
    assert revocations.drain(threads=2) <= 4  # those that were under way or claimed already
    assert len(server.calls) <= 4
    waits = [at - timezone.now() for at in Revocation.objects.values_list("next_attempt_at", flat=True) if at]
    assert len(waits) == 20
    assert min(waits) > timedelta(seconds=590)
    assert revocations.drain(threads=2) == 0


def test_a_run_ends_in_time_and_gives_back_what_it_did_not_take_up(server: HostileServer, northwind: Alias) -> None:
    server.on(TOLD).always(status=200, delay=0.4)
    promise(northwind, 8)
    done = revocations.drain(seconds=3, threads=2)  # a third of which is for starting: three times two at most
    assert 0 < done < 8
    assert Revocation.objects.filter(state="confirmed").count() == done
    assert Revocation.objects.due().count() == 8 - done
    assert set(Revocation.objects.due().values_list("attempts", flat=True)) == {0}


def test_a_bug_in_one_delivery_leaves_the_others(
    server: HostileServer, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on(TOLD).always(status=200)
    rows = promise(northwind, 6)
    right = delivery.attempt_claimed

    def wrong(row: Revocation) -> RevocationState | None:
        if row.pk == rows[0].pk:
            raise ZeroDivisionError
        return right(row)

    monkeypatch.setattr(delivery, "attempt_claimed", wrong)
    revocations.drain(threads=2)
    assert Revocation.objects.filter(state="confirmed").count() == 5


def test_the_times_fit_together(settings: Settings) -> None:
    """A run ends before its task is stopped; what waited in it for a thread is still claimed when its attempt ends."""
    assert sweep.SECONDS < settings.CELERY_TASK_SOFT_TIME_LIMIT
    assert delivery.LEASE.total_seconds() > sweep.SECONDS > sweep.DELIVERY_SECONDS
