"""What the queue brings: ids of runs. Acknowledged before it begins, since a run is not to be repeated.

A run that got lost with its worker is marked by a sweep when its time is over.
"""

from uuid import UUID

from celery import shared_task

from foundation.error_boundary import error_boundary
from integrations.connections import tasks
from integrations.flows import cleanup
from integrations.flows.execution import perform
from integrations.models.flows import SubflowRun


@shared_task(name="integrations.perform_subflow", acks_late=False)
def perform_later(run_id: str) -> None:
    """Safe to come twice: who claims the row runs it."""
    run = SubflowRun.objects.select_related("user").filter(pk=UUID(run_id)).first()
    if run:
        with error_boundary(f"Subflow run {run.hex}"):  # the row says how it ended
            perform(run)


@shared_task(name="integrations.sweep_subflow_runs")
def sweep_runs() -> None:
    """What the queue lost is brought again; what a worker lost is given up."""
    cleanup.give_up_overdue()
    for run in SubflowRun.objects.waiting().order_by("created_at")[:100]:
        tasks.publish_on_commit(perform_later, run.hex)


@shared_task(name="integrations.purge_subflow_runs")
def purge_runs() -> None:
    cleanup.purge()
