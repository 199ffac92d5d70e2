"""Tasks that sweep subflow runs: queue lost ones again, fail overdue ones, and delete what is past its time."""

import time

from celery import shared_task
from django.utils import translation

from foundation import installation, retention
from foundation.error_boundary import error_boundary
from integrations.connections import tasks
from integrations.flows.runs import perform_later
from integrations.models.failures import ANSWERS
from integrations.models.flows import RunState, SubflowRun

AT_ONCE = 500  # runs per sweep
WIPING_SECONDS = 20.0  # for the outputs, and as much again for the rows


@shared_task(name="integrations.sweep_subflow_runs")
def sweep_runs() -> None:
    """Queue again the runs that the queue lost, and give up those that a worker lost."""
    give_up_overdue()
    if installation.is_held():
        return
    for run in SubflowRun.objects.waiting().order_by("created_at")[:100]:
        tasks.publish_on_commit(perform_later, run.hex)


@shared_task(name="integrations.purge_subflow_runs")
def purge_runs() -> None:
    """Delete outputs that are past their time, and rows that are past theirs, in batches. The next run goes on."""
    ends_at = time.monotonic() + WIPING_SECONDS
    while time.monotonic() < ends_at:
        batch = list(SubflowRun.objects.holding_outputs_too_long().values_list("pk", flat=True)[:AT_ONCE])
        SubflowRun.objects.filter(pk__in=batch).update(sealed_outputs=None, sealed_inputs=None)
        if len(batch) < AT_ONCE:
            break
    retention.shrink_tables(SubflowRun, seconds=WIPING_SECONDS)


def give_up_overdue() -> None:
    """Fail the runs whose time is over. They are not repeated: what they did before the worker died is unknown."""
    for run in SubflowRun.objects.overdue()[:AT_ONCE]:
        with error_boundary(f"Giving up subflow run {run.hex}"):
            give_up(run)


def give_up(run: SubflowRun) -> None:
    code = "never_begun" if run.status == RunState.QUEUED else "worker_lost"
    with translation.override("en"):  # as all stored failures
        error = str(ANSWERS[code].in_run)
    run.finish(RunState.FAILED, error_code=code, error=error)
