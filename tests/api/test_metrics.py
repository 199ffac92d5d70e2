"""What calls count: Keyrack's own time, whose fault a failure is, and how renewals end."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client import REGISTRY

from accounts.models import User
from integrations.models import Alias, Token
from tests.api.proxying import API, BASE, body
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db
THEIRS = 0.4  # seconds that the third party takes


class Difference:
    """How much metrics have grown since it was made."""

    def __init__(self) -> None:
        self.before = self.now()

    def now(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        samples = (sample for metric in REGISTRY.collect() for sample in metric.samples)
        return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}

    def of(self, name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return self.now().get(key, 0.0) - self.before.get(key, 0.0)


@pytest.mark.parametrize("content", [b"ok", b"x" * 100_000], ids=["whole", "streamed"])
@pytest.mark.slow
def test_added_latency_is_without_the_third_partys_own(caller: Client, server: HostileServer, content: bytes) -> None:
    server.on(f"GET {API}").always(body=content, delay=THEIRS)
    grown = Difference()
    answer = caller.get(f"{BASE}contacts")
    assert (answer.status_code, body(answer)) == (200, content)
    assert grown.of("keyrack_third_party_seconds_count", kind="proxy") == 1
    theirs = grown.of("keyrack_third_party_seconds_sum", kind="proxy")
    added = grown.of("keyrack_added_seconds_sum", kind="proxy")
    assert theirs >= THEIRS
    assert added < THEIRS
    assert theirs + added == pytest.approx(grown.of("keyrack_request_seconds_sum", kind="proxy", status="2xx"))
    assert grown.of("keyrack_calls_total", alias="northwind", status="2xx", fault="none") == 1


@pytest.mark.parametrize(
    ("answer", "status", "fault"),
    [
        ({"status": 500}, "5xx", "provider"),
        ({"status": 429, "headers": {"Retry-After": "60"}}, "4xx", "program"),
        ({"status": 404}, "4xx", "program"),
        ({"status": 422}, "4xx", "program"),
        ({"close": True}, "none", "provider"),
    ],
)
def test_failures_are_counted_for_whom_they_are_the_fault_of(
    caller: Client, server: HostileServer, answer: dict[str, Any], status: str, fault: str
) -> None:
    server.on(f"GET {API}").always(**answer)
    grown = Difference()
    caller.get(f"{BASE}contacts")
    assert grown.of("keyrack_calls_total", alias="northwind", status=status, fault=fault) == 1


def test_a_refused_token_is_counted_with_the_renewal_that_it_forces(caller: Client, server: HostileServer) -> None:
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    server.on(f"GET {API}").always(status=401, headers=challenge)
    server.on("POST /token").answer(json={"access_token": "CANARY-access-2", "token_type": "Bearer"})
    grown = Difference()
    caller.get(f"{BASE}contacts")
    assert grown.of("keyrack_refusals_total", reason="token_refused") == 1
    assert grown.of("keyrack_calls_total", alias="northwind", status="4xx", fault="person") == 1
    assert grown.of("keyrack_renewals_total", outcome="renewed", error="none") == 1
    assert grown.of("keyrack_third_party_seconds_count", kind="renewal") == 1


@pytest.mark.parametrize(
    ("answer", "outcome", "error"),
    [
        ({"status": 400, "json": {"error": "invalid_grant"}}, "refused", "refused"),
        ({"status": 503}, "failed", "unreachable"),
        ({"status": 401, "json": {"error": "invalid_client"}}, "failed", "misconfigured"),
        ({"status": 200, "text": "<html>"}, "failed", "unusable"),
    ],
)
def test_renewals_are_counted_by_their_end(
    caller: Client,
    signed_in: Alias,
    amira: User,
    server: HostileServer,
    answer: dict[str, Any],
    outcome: str,
    error: str,
) -> None:
    Token.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    server.on("POST /token").always(**answer)
    grown = Difference()
    assert caller.get(f"{BASE}contacts").status_code >= 400
    assert grown.of("keyrack_renewals_total", outcome=outcome, error=error) == 1
