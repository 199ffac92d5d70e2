"""Who may run which subflow, with which inputs: a row for each run, and then now or later."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from integrations import expressions
from integrations.connections import tasks
from integrations.expressions import BadExpression
from integrations.flows import actions
from integrations.flows.actions import BadInputs
from integrations.flows.background import perform_later
from integrations.flows.execution import perform
from integrations.models.flows import Subflow, SubflowRun
from integrations.models.registry import Alias

QUEUE_PATIENCE = timedelta(hours=1)  # a run that no worker has begun by then is not begun any more


class NotAvailable(Exception):
    """Not this person's to run: not there, not active, not allowed. All alike."""


@sensitive_variables()
def run_subflow(
    name: str, *, user: User, inputs: Mapping[str, Any] | None = None, origin: str = "Python"
) -> SubflowRun:
    """Run it now, for at most 45 seconds, and return the run: `.status`, `.outputs` by name, `.error` in words.

    A third party that fails is told in the run, not raised. Raises `NotAvailable` and `BadInputs`, with no run.
    """
    run = new_run(available(name, user), user, inputs, origin=origin)
    perform(run)
    return run


@sensitive_variables()
def start_subflow(
    name: str, *, user: User, inputs: Mapping[str, Any] | None = None, origin: str = "Python"
) -> SubflowRun:
    """Have a worker run it, for at most 45 seconds. The run returned is queued; read it again to see how it went.

    It stops when the person is deactivated or loses the role. Raises `NotAvailable` and `BadInputs`, with no run.
    """
    run = new_run(available(name, user), user, inputs, origin=origin)
    tasks.publish_on_commit(perform_later, run.hex)
    return run


@sensitive_variables()
def try_out(subflow: Subflow, *, user: User, inputs: Mapping[str, Any]) -> SubflowRun:
    """As `run_subflow`, of one that is perhaps not active yet. For those who set it up."""
    run = new_run(subflow, user, inputs, origin="Test", is_test=True)
    perform(run)
    return run


def available(name: str, user: User) -> Subflow:
    subflow = None if "\0" in name else Subflow.objects.available_to(user).filter(name=name).first()
    if subflow is None:
        raise NotAvailable
    return subflow


def new_run(
    subflow: Subflow, user: User, inputs: Mapping[str, Any] | None, *, origin: str, is_test: bool = False
) -> SubflowRun:
    given = sealable(actions.taken(subflow.inputs, inputs or {}))
    return SubflowRun.objects.create(
        subflow=subflow,
        name=subflow.name,
        user=user,
        run_as=subflow.run_as,
        origin=origin[:30],
        is_test=is_test,
        sealed_inputs=given,
        ends_by=timezone.now() + QUEUE_PATIENCE,
    )


def sealable(given: dict[str, Any]) -> str:
    try:
        return expressions.as_json(given)
    except BadExpression as error:
        raise BadInputs(_("The inputs: %(why)s") % {"why": error}) from None


def uses_of(user: User, alias: Alias) -> list[str]:
    """What this person can run that calls this alias as them, by title: it stops working without their token."""
    return sorted(subflow.title for subflow in Subflow.objects.available_to(user).calling(alias))
