"""Who does the background work says so in the database, and it is noticed when nobody does."""

import logging
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from config.beat import Scheduler
from config.celery import app
from integrations.models.heartbeats import BEAT, Heartbeat
from integrations.monitoring import heartbeats
from integrations.provider_setup import checks
from tests import cast

pytestmark = [pytest.mark.database, pytest.mark.django_db]
SWEEP = "integrations.sweep_revocations"


def parts() -> list[str]:
    return [silent.part for silent in heartbeats.silent_parts()]


def age(name: str, **moments: timedelta | None) -> None:
    now = timezone.now()
    Heartbeat.objects.filter(name=name).update(
        **{field: None if span is None else now - span for field, span in moments.items()}
    )


def test_only_what_is_known_is_said(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    assert parts() == [BEAT], "nothing is known of workers that nobody gives work"
    cast.working_background()
    with django_assert_num_queries(1):
        assert parts() == []
    age(SWEEP, at=timedelta(minutes=1))
    assert parts() == [], "a task may wait for its turn"
    age(SWEEP, at=timedelta(minutes=3))
    assert parts() == [SWEEP]
    Heartbeat.objects.tasks().update(at=timezone.now() - timedelta(minutes=3))
    assert parts() == ["worker"]
    age(BEAT, at=timedelta(minutes=2))
    assert parts() == [BEAT]


def test_a_task_that_always_fails_is_named_with_the_place_of_its_error() -> None:
    cast.working_background()
    heartbeats.record_run(SWEEP, failed=True, seconds=1, waited_seconds=0)
    assert parts() == [], "one failure is none yet"
    age(SWEEP, at=timedelta(minutes=3, seconds=5))  # SQLite's clock has milliseconds only
    [silent] = heartbeats.silent_parts()
    assert "has failed for 3" in silent.sentence
    assert "log of the worker" in silent.sentence
    age(SWEEP, at=None)
    [silent] = heartbeats.silent_parts()
    assert "always failed" in silent.sentence


@pytest.mark.django_db(transaction=True)  # /readyz has a connection of its own
def test_readiness_is_degraded_while_nobody_works(client: Client) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"], answer.json()["background"]) == (200, "degraded", "failing")
    cast.working_background()
    answer = client.get("/readyz")
    assert (answer.json()["status"], answer.json()["background"]) == ("ok", "ok")


def test_a_beat_that_starts_sends_what_never_ended_well_and_waits_with_the_rest() -> None:
    Heartbeat.objects.create(name=SWEEP, at=timezone.now())
    due = {entry.task for entry in Scheduler(app=app, lazy=False).schedule.values() if entry.is_due()[0]}
    assert due == heartbeats.task_intervals().keys() - {SWEEP}


def test_one_beat_works_and_another_takes_over_when_it_is_gone() -> None:
    assert heartbeats.take_beat("first")
    assert not heartbeats.take_beat("second")
    assert heartbeats.take_beat("first")
    age(BEAT, at=timedelta(seconds=20))
    assert heartbeats.take_beat("second")
    assert not heartbeats.take_beat("first")
    heartbeats.leave_beat("first")
    assert not heartbeats.take_beat("first"), "who has lost it cannot give it away"
    heartbeats.leave_beat("second")
    assert heartbeats.take_beat("first")


def test_without_a_database_work_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE integrations_heartbeat RENAME TO nowhere")
    with caplog.at_level(logging.WARNING):
        heartbeats.record_run(SWEEP, failed=False, seconds=1, waited_seconds=0)
        assert heartbeats.take_beat("any")
    assert "could not be recorded" in caplog.text
    assert "could not write its heartbeat" in caplog.text


def test_a_host_whose_clock_differs_judges_by_the_clock_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beat on one host wrote its heartbeat, and a web process on another reads it."""
    Heartbeat.objects.take_beat("hub1")
    heartbeats.record_run(SWEEP, failed=False, seconds=1, waited_seconds=0)
    real = timezone.now
    for difference in (timedelta(minutes=10), timedelta(minutes=-10)):
        monkeypatch.setattr(timezone, "now", lambda difference=difference: real() + difference)
        assert parts() == []
        heartbeats.record_run(SWEEP, failed=False, seconds=1, waited_seconds=0)
        row = Heartbeat.objects.get(name=SWEEP)
        assert row.at is not None
        assert abs((row.at - real()).total_seconds()) < 60


@pytest.mark.parametrize(("minutes", "words"), [(2, ["120 seconds ahead of"]), (-2, ["120 seconds behind"]), (0, [])])
def test_the_check_names_a_clock_that_differs(minutes: int, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has the clock of the host; in the run on PostgreSQL")
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(minutes=minutes))
    messages = checks.clocks_agree(databases=["default"])
    assert [message.id for message in messages] == ["keyrack.W008"] * len(words)
    assert all(word in message.msg for word, message in zip(words, messages, strict=True))
