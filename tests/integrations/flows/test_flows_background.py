"""Subflows in the background: one worker runs each once, and what stops it, loses it or deletes it is told."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import User
from integrations import flows
from integrations.flows import background, runs
from integrations.flows.runs import perform_run
from integrations.models import Action, Alias, StepRun, Subflow, SubflowRun
from tests import cast
from tests.integrations.flowing import INCIDENTS, open_incidents, step, subflow_of
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    server.on(INCIDENTS).always(json={"result": [{"number": "INC1"}, {"number": "INC2"}]})
    return cast.integration_at(cast.registry_at(server.url))


@pytest.fixture
def subflow(northwind: Alias, amira: User) -> Subflow:
    """Amira is signed in."""
    cast.signed_in(amira, northwind)
    return subflow_of(open_incidents(northwind))


def queued(user: User) -> SubflowRun:
    return flows.start_subflow("my_open_incidents", user=user, inputs={"limit": 1})


@pytest.mark.database
def test_the_queue_gets_an_id_and_the_worker_runs_it_once(
    subflow: Subflow, amira: User, server: HostileServer, monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    messages: list[Any] = []
    monkeypatch.setattr(runs.perform_later, "apply_async", lambda arguments, **_options: messages.append(arguments))
    with django_capture_on_commit_callbacks(execute=True):
        waiting = queued(amira)
    assert messages == [(waiting.hex,)]
    assert (waiting.status, waiting.inputs, server.calls) == ("queued", {"limit": 1}, [])
    runs.perform_later(waiting.hex)
    runs.perform_later(waiting.hex)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.outputs) == ("succeeded", {"numbers": ["INC1", "INC2"]})
    assert len(server.calls) == 1


@pytest.mark.parametrize("why", ["deactivated", "role", "group", "off", "gone"])
def test_a_waiting_run_stops_in_words_when_the_person_may_no_longer(
    why: str, subflow: Subflow, amira: User, server: HostileServer
) -> None:
    waiting = queued(amira)
    lose(why, amira, subflow)
    runs.perform_later(waiting.hex)
    waiting.refresh_from_db()
    assert (waiting.status, server.calls) == ("cancelled", [])
    assert waiting.error.startswith("Stopped: ")


@pytest.mark.parametrize("why", ["deactivated", "role", "group", "off"])
def test_a_run_stops_between_two_steps(
    why: str, subflow: Subflow, northwind: Alias, amira: User, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Action.objects.get()
    step(first, northwind, "again", path="again")
    server.on("GET /api/again").always(json={})
    waiting = queued(amira)
    monkeypatch.setattr(
        "integrations.connections.renewal.note_use", lambda *_about: lose(why, amira, subflow)
    )  # after the first call
    runs.perform_later(waiting.hex)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.steps.count()) == ("cancelled", 1)
    assert [call.path for call in server.calls] == ["/api/incidents"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("gone", [SubflowRun, User])
def test_a_run_that_is_deleted_in_the_middle_stops_in_words(
    gone: Any, subflow: Subflow, northwind: Alias, amira: User, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    step(Action.objects.get(), northwind, "again", path="again")
    monkeypatch.setattr("integrations.connections.renewal.note_use", lambda *_about: gone.objects.all().delete())
    run_of_amira = flows.run_subflow("my_open_incidents", user=amira)
    assert (run_of_amira.status, run_of_amira.error, run_of_amira.outputs) == (
        "failed",
        "Stopped: the run was given up meanwhile.",
        {},
    )
    assert [call.path for call in server.calls] == ["/api/incidents"]
    assert not SubflowRun.objects.exists()
    assert not StepRun.objects.exists()


def lose(why: str, user: User, subflow: Subflow) -> None:
    if why == "deactivated":
        User.objects.filter(pk=user.pk).update(is_active=False)
    elif why == "role":
        user.groups.clear()
    elif why == "group":
        subflow.groups.add(Group.objects.create(name="Finance"))
    elif why == "off":
        Subflow.objects.update(active=False)
    else:
        Subflow.objects.all().delete()


@pytest.mark.database
def test_a_run_whose_worker_died_is_given_up_and_not_repeated(
    subflow: Subflow, amira: User, server: HostileServer
) -> None:
    lost, late = queued(amira), queued(amira)
    lost.claim(ends_by=timezone.now() - timedelta(seconds=1))
    SubflowRun.objects.filter(pk=late.pk).update(ends_by=timezone.now() - timedelta(seconds=1))
    background.give_up_overdue()
    codes = dict(SubflowRun.objects.values_list("pk", "error_code"))
    assert codes == {lost.pk: "worker_lost", late.pk: "never_begun"}
    assert set(SubflowRun.objects.values_list("status", flat=True)) == {"failed"}
    for run in (lost, late):
        perform_run(run, seconds=1)
    assert server.calls == []
    assert not lost.finish("succeeded")  # type: ignore[arg-type]  # a worker that wakes up too late


def test_a_run_that_the_queue_lost_is_brought_again(
    subflow: Subflow, amira: User, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    messages: list[Any] = []
    monkeypatch.setattr(runs.perform_later, "apply_async", lambda arguments, **_options: messages.append(arguments))
    waiting = queued(amira)
    SubflowRun.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    with django_capture_on_commit_callbacks(execute=True):
        background.sweep_runs()
    assert messages == [(waiting.hex,)]


@pytest.mark.database
def test_outputs_are_wiped_before_the_row_goes(subflow: Subflow, amira: User) -> None:
    flows.run_subflow("my_open_incidents", user=amira)
    SubflowRun.objects.update(finished_at=timezone.now() - timedelta(hours=25))
    background.purge_runs()
    assert SubflowRun.objects.get().outputs == {}
    SubflowRun.objects.update(finished_at=timezone.now() - timedelta(days=31))
    background.purge_runs()
    assert not SubflowRun.objects.exists()
