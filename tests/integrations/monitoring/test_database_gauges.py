"""Metrics from the database: few statements whatever is there, few label values, and nobody's name."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from integrations import metrics
from integrations.models import Alias, ApplicationRegistry, Token
from integrations.models.heartbeats import Heartbeat
from integrations.monitoring import database_gauges
from integrations.monitoring.database_gauges import DatabaseGauges
from tests import cast
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.database, pytest.mark.django_db]
TOKEN = "made up, and long enough"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def metrics_token(settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN


def scrape(client: Client) -> Samples:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    families = list(text_string_to_metric_families(answer.content.decode()))
    assert len({family.name for family in families}) == len(families), "each family once"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value for each in families for sample in each.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def test_the_page_is_for_who_has_the_token(client: Client, as_amira: Client, settings: Settings) -> None:
    assert client.get("/metrics").status_code == 401
    assert as_amira.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}x"}).status_code == 401
    settings.SECURE_SSL_REDIRECT = True
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "hub-2.internal:8000"}
    assert client.get("/metrics", headers=headers).status_code == 200, "Prometheus sends the name of the machine"
    assert client.get("/readyz", headers=headers).status_code in {301, 400}
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_what_waits_is_counted(client: Client, amira: User, bob: User, server: HostileServer) -> None:
    registry = cast.registry_at(server.url)
    alias = cast.integration_at(registry)
    cast.working_background()
    cast.signed_in(amira, alias)
    ended = cast.signed_in(bob, alias)
    Token.objects.filter(pk=ended.pk).update(state="needs_reauth", failure_code="invalid_grant")
    before = scrape(client)
    assert value(before, "keyrack_tokens", alias=alias.name, state="connected") == 1
    assert value(before, "keyrack_tokens", alias=alias.name, state="must_sign_in_again") == 1
    assert value(before, "keyrack_mails_owed", kind="sign_in_again") == 1
    assert value(before, "keyrack_revocations", state="pending") == 0
    assert value(before, "keyrack_registries", problem="down") == 0
    assert value(before, "keyrack_sweep_late", task="integrations.send_notices") == 0
    now = timezone.now()
    for token in Token.objects.all():
        token.delete()
    registry.revocations.update(next_attempt_at=now - timedelta(hours=1), created_at=now - timedelta(hours=2))
    ApplicationRegistry.objects.update(down_since=now, misconfigured_code="invalid_client")
    after = scrape(client)
    assert value(after, "keyrack_revocations", state="pending") == 2
    assert value(after, "keyrack_oldest_revocation_seconds", state="pending") == pytest.approx(7200, abs=60)
    assert value(after, "keyrack_sweep_due", sweep="revocations") == 2
    assert value(after, "keyrack_sweep_overdue", sweep="revocations") == 2
    assert value(after, "keyrack_registry_problem", registry="Northwind", problem="down") == 1
    assert value(after, "keyrack_registries", problem="misconfigured") == 1


def test_a_token_in_use_that_was_not_renewed_in_time_is_overdue(
    client: Client, amira: User, server: HostileServer
) -> None:
    token = cast.signed_in(amira, cast.integration_at(cast.registry_at(server.url)))
    now = timezone.now()
    token.last_used_at, token.expires_at = now, now + timedelta(minutes=1)
    token.save()
    samples = scrape(client)
    assert value(samples, "keyrack_renewals_before_end") == 0
    assert value(samples, "keyrack_sweep_due", sweep="keep_alive") == 1
    assert value(samples, "keyrack_sweep_overdue", sweep="keep_alive") == 0
    Token.objects.filter(pk=token.pk).update(expires_at=now - timedelta(minutes=1))
    assert value(scrape(client), "keyrack_sweep_overdue", sweep="keep_alive") == 1


def test_many_rows_make_no_more_statements_and_few_label_values(
    client: Client, amira: User, server: HostileServer, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    registry = cast.registry_at(server.url)
    alias = cast.integration_at(registry)
    cast.signed_in(amira, alias)
    credential = alias.connections.get().credential
    Alias.objects.bulk_create(
        Alias(name=f"alias_{number}", label="Another", type="credential", credential=credential)
        for number in range(250)
    )
    ApplicationRegistry.objects.bulk_create(
        ApplicationRegistry(name=f"Registry {number}", down_since=timezone.now()) for number in range(60)
    )
    for number in range(250):
        metrics.count_call(f"alias_{number}", 200, fault="")
    with django_assert_max_num_queries(18):
        samples = scrape(client)
    values = {label for _name, labels in samples for name, label in labels if name not in {"le", "quantile"}}
    assert len(values) <= 200
    assert value(samples, "keyrack_tokens", alias="alias_0", state="connected") == 1
    assert value(samples, "keyrack_tokens", alias="other", state="connected") == 151
    assert value(samples, "keyrack_sign_ins", state="connected") == 1
    assert value(samples, "keyrack_sign_ins", state="must_sign_in_again") == 0
    assert value(samples, "keyrack_registries", problem="down") == 60
    assert value(samples, "keyrack_calls_total", alias="alias_0", status="2xx", fault="none") == 1
    assert (value(samples, "keyrack_calls_total", alias="other", status="2xx", fault="none") or 0) >= 150
    assert not {"amira", "haddad", "amira@hub.example"} & {label.lower() for label in values}


def unreachable() -> None:
    raise OperationalError


def test_without_a_database_the_page_says_so_and_aliases_keep_their_names(
    client: Client, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.integration_at(cast.registry_at(server.url))
    metrics.count_call("northwind", 200, fault="")
    call = {"alias": "northwind", "status": "2xx", "fault": "none"}
    before = value(scrape(client), "keyrack_calls_total", **call)
    assert before
    monkeypatch.setattr(database_gauges, "limit_statements", unreachable)
    samples = scrape(client)
    assert value(samples, "keyrack_database_up") == 0
    assert value(samples, "keyrack_calls_total", **call) == before
    monkeypatch.setattr(DatabaseGauges, "last_aliases", None)
    names = {name for name, labels in scrape(client) if "alias" in dict(labels)}
    assert names == set(), "a process that never read the database does not know which are named"


def test_tasks_that_never_ran_are_not_late(client: Client) -> None:
    assert not [name for name, _labels in scrape(client) if name == "keyrack_sweep_late"]
    Heartbeat.objects.create(name="integrations.send_notices", failed_at=timezone.now())
    assert value(scrape(client), "keyrack_sweep_late", task="integrations.send_notices") == 1


@pytest.mark.parametrize(("status", "label"), [(200, "2xx"), (503, "5xx"), (500, "5xx"), (502, "502"), (504, "504")])
def test_a_third_party_that_fails_is_told_from_keyracks_own_errors(client: Client, status: int, label: str) -> None:
    before = value(scrape(client), "keyrack_request_seconds_count", kind="token", status=label) or 0
    metrics.count_request("token", status, seconds=1.0, third_party_seconds=0.0)
    assert value(scrape(client), "keyrack_request_seconds_count", kind="token", status=label) == before + 1
