"""Clean-up of runs: give up those whose worker died, delete old outputs and rows."""

from django.utils.translation import gettext as _

from foundation.error_boundary import error_boundary
from integrations.models.flows import RunState, SubflowRun

AT_ONCE = 500  # runs per sweep


def give_up_overdue() -> None:
    """Fail the runs whose time is over. They are not repeated: what they did before the worker died is unknown."""
    for run in SubflowRun.objects.overdue()[:AT_ONCE]:
        with error_boundary(f"Giving up subflow run {run.hex}"):
            give_up(run)


def give_up(run: SubflowRun) -> None:
    if run.status == RunState.QUEUED:
        run.finish(RunState.FAILED, error_code="never_begun", error=_("No worker started it in time. Is one running?"))
    else:
        sentence = _("The worker stopped during the run. Some steps may have been called.")
        run.finish(RunState.FAILED, error_code="worker_lost", error=sentence)


def purge() -> None:
    """Delete outputs that are past their time, and rows that are past theirs."""
    SubflowRun.objects.holding_outputs_too_long().update(sealed_outputs=None, sealed_inputs=None)
    SubflowRun.objects.past().delete()
