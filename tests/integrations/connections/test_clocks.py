"""A process whose clock is five minutes wrong steals no lease, renews no more often, and locks nobody out."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.errors import Unreachable
from integrations.connections.renewal import leases
from integrations.models import Alias, Renewal, Token
from integrations.personal_auth import PersonalAuthAPI
from tests import cast
from tests.integrations.renewing import ASKED, GRANTED, Rotation, current, in_threads
from tests.servers.hostile import Answer, Call, HostileServer

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    return cast.integration_at(cast.registry_at(server.url))


@pytest.fixture(params=[5, -5], ids=["ahead", "behind"])
def wrong_clock(request: pytest.FixtureRequest) -> time_machine.travel:
    """Not begun yet: `with wrong_clock:` is what happens in the process that has it."""
    return time_machine.travel(timezone.now() + timedelta(minutes=request.param), tick=True)


def test_a_lease_is_neither_stolen_nor_kept_longer(
    server: HostileServer, amira: User, northwind: Alias, wrong_clock: time_machine.travel
) -> None:
    token = cast.signed_in(amira, northwind, expires_in=-3600)
    attempt = leases.take(token)
    assert attempt
    with wrong_clock:
        assert leases.take(token) is None
        leases.drop(attempt, timedelta(seconds=30))
        with pytest.raises(Unreachable, match="postponed"):
            current(amira, northwind)
        leases.drop(attempt, timedelta())
        assert server.calls == []
        Token.objects.update(lease_expires_at=None)
        taken = leases.take(token)
    assert taken
    assert leases.take(token) is None
    Renewal.objects.all().delete()


@pytest.mark.slow
def test_one_refresh_is_enough_for_both(
    server: HostileServer, amira: User, northwind: Alias, wrong_clock: time_machine.travel
) -> None:
    """Whoever renewed it, the others find it good: the margin is wider than their clocks are apart."""
    cast.signed_in(amira, northwind, expires_in=-3600)
    server.on(ASKED).always(Rotation())
    with wrong_clock:
        assert set(in_threads(10, lambda: current(amira, northwind))) == {"CANARY-access-2"}
        assert current(amira, northwind) == "CANARY-access-2"
    assert current(amira, northwind) == "CANARY-access-2"
    with wrong_clock:
        assert current(amira, northwind) == "CANARY-access-2"
    assert len(server.calls) == 1


@pytest.mark.slow
def test_a_token_that_only_looks_alive_is_renewed_once(server: HostileServer, amira: User, northwind: Alias) -> None:
    """By a clock that is behind: the third party says 401, one caller renews, all have what they came for."""
    cast.signed_in(amira, northwind, expires_in=-60)

    def reply(call: Call) -> Answer:
        return Answer(status=200 if call.headers["authorization"] == "Bearer CANARY-access-2" else 401)

    server.on("GET /api/x").always(reply)
    server.on(ASKED).always(Rotation())
    behind = timezone.now() - timedelta(minutes=5)
    with time_machine.travel(behind, tick=True):
        Token.objects.update(signed_in_at=behind - timedelta(minutes=1), expires_at=behind + timedelta(minutes=4))
        got = in_threads(8, lambda: str(PersonalAuthAPI(amira).request("northwind", "GET", "/x").status_code))
        assert got == ["200"] * 8
        assert PersonalAuthAPI(amira).request("northwind", "GET", "/x").status_code == 200
    assert len(server.calls_to(ASKED)) == 1


def test_short_lives_are_no_loop_by_a_clock_that_is_ahead(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, expires_in=-3600)
    server.on(ASKED).always(json={**GRANTED, "expires_in": 120})
    with time_machine.travel(timezone.now() + timedelta(minutes=5), tick=True):
        for _ in range(3):
            assert current(amira, northwind) == "CANARY-access-2"
    assert current(amira, northwind) == "CANARY-access-2"
    assert len(server.calls) == 1
