"""Runs whose worker died, and what is kept for how long."""

from django.utils.translation import gettext as _

from foundation.error_boundary import error_boundary
from integrations.models.flows import RunState, SubflowRun

AT_ONCE = 500


def give_up_overdue() -> None:
    """A run is not repeated: what it did before its worker died, nobody knows."""
    for run in SubflowRun.objects.overdue()[:AT_ONCE]:
        with error_boundary(f"Giving up subflow run {run.hex}"):
            give_up(run)


def give_up(run: SubflowRun) -> None:
    if run.status == RunState.QUEUED:
        run.finish(RunState.FAILED, error_code="never_begun", error=_("No worker began it in time: is one running?"))
    else:
        told = _("The worker stopped in the middle of it. Some steps may have been called.")
        run.finish(RunState.FAILED, error_code="worker_lost", error=told)


def purge() -> None:
    """Outputs first, the rows later."""
    SubflowRun.objects.holding_outputs_too_long().update(sealed_outputs=None, sealed_inputs=None)
    SubflowRun.objects.past().delete()
