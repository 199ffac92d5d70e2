"""A promise to revoke is pursued until it is kept, by whoever is alive, once at a time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from integrations.connections import authorization, revocations, tasks
from integrations.models import Alias, Event, Revocation
from integrations.models.card import integration_of
from tests import cast
from tests.integrations.revoking import ACCESS, REFRESH, TOLD, deliver, promised, tokens_of
from tests.servers.hostile import Answer, HostileServer


@pytest.fixture
def northwind(server: HostileServer, amira: User) -> Alias:
    """Amira's integration, signed in."""
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    return alias


def test_a_server_that_asks_for_patience_gets_it(server: HostileServer, amira: User, northwind: Alias) -> None:
    server.on(TOLD).answer(status=503, headers={"Retry-After": "600"}).always(status=200)
    waiting = deliver(promised(amira, northwind))
    assert waiting.next_attempt_at is not None
    assert 590 < (waiting.next_attempt_at - timezone.now()).total_seconds() < 601
    tasks.deliver_revocation(waiting.hex)
    tasks.sweep_revocations.apply()
    assert len(server.calls) == 1


def test_what_is_done_is_not_done_again(server: HostileServer, amira: User, northwind: Alias) -> None:
    server.on(TOLD).then(Answer(status=200), Answer(status=503)).always(status=200)
    half = deliver(promised(amira, northwind))
    assert (half.state, half.told, half.access_token) == ("pending", ["refresh_token"], ACCESS)
    assert deliver(half).state == "confirmed"
    assert tokens_of(server.calls_to(TOLD)) == [REFRESH, ACCESS, ACCESS]


def test_after_five_quick_attempts_the_person_is_told_and_it_goes_on(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(TOLD).always(status=503)
    revocation, waits = promised(amira, northwind), []
    for attempt in range(1, 7):
        revocation = deliver(revocation)
        assert revocation.state == ("pending" if attempt < 5 else "failed")
        assert revocation.next_attempt_at is not None
        waits.append((revocation.next_attempt_at - timezone.now()).total_seconds())
    assert 25 < sum(waits[:4]) < 40  # five attempts within a minute, even if each waits for the next sweep
    assert min(waits) > 4.9
    assert waits[4] < waits[5]
    assert Event.objects.filter(kind="revocation_failed").count() == 1
    server.on(TOLD).always(status=200)
    assert deliver(revocation).state == "confirmed"


def test_a_person_can_start_over_or_put_it_off_the_card(
    server: HostileServer, amira: User, bob: User, northwind: Alias
) -> None:
    server.on(TOLD).always(status=503)
    revocation = promised(amira, northwind)
    for _ in range(5):
        deliver(revocation)
    card = integration_of(amira, northwind.pk)
    assert card is not None
    assert card.state == "revoke_failed"

    authorization.retry_revocation(bob, northwind)
    authorization.dismiss(bob, northwind)
    assert Revocation.objects.get().attempts == 5
    authorization.retry_revocation(amira, northwind)
    started_over = Revocation.objects.get()
    assert (started_over.state, started_over.attempts) == ("pending", 0)

    authorization.dismiss(amira, northwind)
    card = integration_of(amira, northwind.pk)
    assert card is not None
    assert card.state == "not_connected"
    server.on(TOLD).always(status=200)
    assert deliver(revocation).state == "confirmed"


def test_a_killed_workers_claim_runs_out(server: HostileServer, amira: User, northwind: Alias) -> None:
    server.on(TOLD).always(status=200)
    revocation = promised(amira, northwind)
    Revocation.objects.update(claimed_until=timezone.now() + timedelta(seconds=30), attempts=1)
    assert deliver(revocation).state == "pending"
    assert server.calls == []
    Revocation.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert deliver(revocation).state == "confirmed"


@pytest.mark.slow
@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_two_workers_make_one_call(server: HostileServer, amira: User, northwind: Alias) -> None:
    server.on(TOLD).always(status=200, delay=0.3)
    promise = promised(amira, northwind)
    rows = [Revocation.objects.select_related("registry").get(pk=promise.pk) for _worker in range(2)]

    def work(row: Revocation) -> None:
        try:
            revocations.deliver(row)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, rows))
    assert tokens_of(server.calls_to(TOLD)) == [REFRESH, ACCESS]
    assert Revocation.objects.get().state == "confirmed"
    deliver(rows[0])
    assert len(server.calls_to(TOLD)) == 2
