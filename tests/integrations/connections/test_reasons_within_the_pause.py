"""After a failed renewal every caller hears the same reason, by whatever way they come, and one renewal is tried."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from integrations import flows, registration_health
from integrations.connections.renewal import refresh_request
from integrations.models import Alias, ApplicationRegistry
from tests import cast, walks
from tests.integrations import flowing, tables
from tests.integrations.renewing import ASKED
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

WAYS = ("api", "step", "table", "table_by_action")
# What the token endpoint answers; what programs read, what tables show, and the state of the card.
REASONS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "invalid_client": (
        {"status": 401, "json": {"error": "invalid_client"}},
        "integration_misconfigured",
        "misconfigured",
        "misconfigured",
    ),
    "a_redirect": (
        {"status": 302, "headers": {"Location": "https://elsewhere.example/"}},
        "integration_misconfigured",
        "misconfigured",
        "misconfigured",
    ),
    "no_token": ({"json": {"token_type": "Bearer"}}, "provider_unusable", "unusable", "not_renewed"),
    "unexplained": ({"status": 400}, "provider_unusable", "unusable", "not_renewed"),
    "away": ({"status": 503}, "provider_unreachable", "down", "not_renewed"),
    "patience": ({"status": 429, "headers": {"Retry-After": "90"}}, "provider_unreachable", "wait", "not_renewed"),
}


class Callers:
    """One person who comes by every way."""

    def __init__(self, client: Client, user: User, alias: Alias) -> None:
        self.client, self.user = client, user
        self.subflow = flowing.subflow_of(flowing.open_incidents(alias))
        tables.incidents(alias)
        action = flowing.open_incidents(alias, name="rows", outputs=[{"name": "result", "path": "steps.list.body"}])
        tables.incidents(None, action=action, path="", name="by_action")

    def reason(self, way: str) -> str:
        found: str = getattr(self, way)()
        return found

    def api(self) -> str:
        answer = self.client.get("/api/v1/integrations/northwind/proxy/contacts")
        return str(answer.json()["error"])

    def step(self) -> str:
        return str(flows.run_subflow(self.subflow.name, user=self.user).steps.get().error_code)

    def table(self) -> str:
        return tables.trouble(tables.page(self.client))

    def table_by_action(self) -> str:
        return tables.trouble(walks.words(self.client.get("/remote-tables/by_action/")))

    def card(self) -> str:
        return walks.state_on(walks.words(self.client.get("/integrations/")))


@pytest.fixture(autouse=True)
def long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds are over before all have come, on a machine with other work."""
    monkeypatch.setattr(refresh_request, "PAUSE", timedelta(minutes=2))


@pytest.fixture
def callers(server: HostileServer, as_amira: Client, amira: User) -> Callers:
    alias = walks.northwind(server)
    cast.signed_in(amira, alias, expires_in=-10)
    return Callers(as_amira, amira, alias)


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize(("answer", "code", "trouble", "state"), REASONS.values(), ids=REASONS)
def test_whoever_comes_second_reads_what_the_first_read(
    answer: dict[str, Any], code: str, trouble: str, state: str, first: str, callers: Callers, server: HostileServer
) -> None:
    server.on(ASKED).always(**answer)
    reasons = {way: callers.reason(way) for way in (first, *WAYS)}
    assert reasons == {"api": code, "step": code, "table": trouble, "table_by_action": trouble}
    assert callers.card() == state
    assert len([call for call in server.calls if call.form.get("refresh_token") == "CANARY-refresh-1"]) == 1


@pytest.mark.parametrize("way", WAYS)
def test_while_all_renewals_of_a_registry_are_held_the_reason_is_its_set_up(
    way: str, callers: Callers, server: HostileServer
) -> None:
    registration_health.hold_renewals(ApplicationRegistry.objects.get(), "unexplained_refusals")
    expected = {"table": "misconfigured", "table_by_action": "misconfigured"}.get(way, "integration_misconfigured")
    assert callers.reason(way) == expected
    assert callers.card() == "misconfigured"
    assert server.calls == []
