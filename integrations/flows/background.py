"""Tasks that sweep subflow runs: queue lost ones again, fail overdue ones, and delete what is past its time."""

from celery import shared_task

from foundation.error_boundary import error_boundary
from integrations.connections import tasks
from integrations.flows.runs import perform_later
from integrations.models.failures import ANSWERS
from integrations.models.flows import RunState, SubflowRun

AT_ONCE = 500  # runs per sweep


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
