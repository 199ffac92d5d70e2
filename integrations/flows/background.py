"""Tasks that run and sweep subflow runs.

A task is acknowledged before it begins, because a run must not be repeated. If its worker dies, a sweep marks the run
as failed once its time is over.
"""

from uuid import UUID

from celery import shared_task

from foundation.error_boundary import error_boundary
from integrations.connections import tasks
from integrations.flows.execution import perform_run
from integrations.models.failures import ANSWERS
from integrations.models.flows import RunState, SubflowRun

AT_ONCE = 500  # runs per sweep


@shared_task(name="integrations.perform_subflow", acks_late=False)
def perform_later(run_id: str) -> None:
    """Perform a queued run. Safe to repeat: only the first task to claim the row runs it."""
    run = SubflowRun.objects.select_related("user").filter(pk=UUID(run_id)).first()
    if run:
        with error_boundary(f"Subflow run {run.hex}"):  # the row records how it ended
            perform_run(run)


@shared_task(name="integrations.sweep_subflow_runs")
def sweep_runs() -> None:
    """Queue again the runs that the queue lost, and give up those that a worker lost."""
    give_up_overdue()
    for run in SubflowRun.objects.waiting().order_by("created_at")[:100]:
        tasks.publish_on_commit(perform_later, run.hex)


@shared_task(name="integrations.purge_subflow_runs")
def purge_runs() -> None:
    """Delete outputs that are past their time, and rows that are past theirs."""
    SubflowRun.objects.holding_outputs_too_long().update(sealed_outputs=None, sealed_inputs=None)
    SubflowRun.objects.past().delete()


def give_up_overdue() -> None:
    """Fail the runs whose time is over. They are not repeated: what they did before the worker died is unknown."""
    for run in SubflowRun.objects.overdue()[:AT_ONCE]:
        with error_boundary(f"Giving up subflow run {run.hex}"):
            give_up(run)


def give_up(run: SubflowRun) -> None:
    code = "never_begun" if run.status == RunState.QUEUED else "worker_lost"
    run.finish(RunState.FAILED, error_code=code, error=str(ANSWERS[code].in_run))
