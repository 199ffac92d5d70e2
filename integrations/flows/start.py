"""Start subflows: check permission and inputs, create the run's row, and run it now or in a worker."""

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
from integrations.flows.execution import perform_run
from integrations.models.flows import Subflow, SubflowRun
from integrations.models.registry import Alias

QUEUE_PATIENCE = timedelta(hours=1)  # a run that no worker has started by then is given up


class NotAvailable(Exception):
    """The person can't run the subflow. The same for a missing, an inactive and a forbidden one."""


@sensitive_variables()
def run_subflow(
    name: str, *, user: User, inputs: Mapping[str, Any] | None = None, origin: str = "Python"
) -> SubflowRun:
    """Run a subflow now, for at most 45 seconds, and return the run: `.status`, `.outputs` by name, `.error`.

    A failing third party is reported in the run, not raised. Raises `NotAvailable` and `BadInputs`, with no run.
    """
    run = new_run(find_available(name, user), user, inputs, origin=origin)
    perform_run(run)
    return run


@sensitive_variables()
def start_subflow(
    name: str, *, user: User, inputs: Mapping[str, Any] | None = None, origin: str = "Python"
) -> SubflowRun:
    """Queue a subflow for a worker, for at most 45 seconds. Read the returned run again to see how it went.

    It stops when the person is deactivated or loses the role. Raises `NotAvailable` and `BadInputs`, with no run.
    """
    run = new_run(find_available(name, user), user, inputs, origin=origin)
    tasks.publish_on_commit(perform_later, run.hex)
    return run


@sensitive_variables()
def run_test(subflow: Subflow, *, user: User, inputs: Mapping[str, Any]) -> SubflowRun:
    """Run a subflow that may not be active yet, for administrators who set it up. Otherwise as `run_subflow`."""
    run = new_run(subflow, user, inputs, origin="Test", is_test=True)
    perform_run(run)
    return run


def find_available(name: str, user: User) -> Subflow:
    subflow = None if "\0" in name else Subflow.objects.available_to(user).filter(name=name).first()
    if subflow is None:
        raise NotAvailable
    return subflow


def new_run(
    subflow: Subflow, user: User, inputs: Mapping[str, Any] | None, *, origin: str, is_test: bool = False
) -> SubflowRun:
    sealed_inputs = serialize_inputs(actions.validate_inputs(subflow.inputs, inputs or {}))
    return SubflowRun.objects.create(
        subflow=subflow,
        name=subflow.name,
        user=user,
        run_as=subflow.run_as,
        origin=origin[:30],
        is_test=is_test,
        sealed_inputs=sealed_inputs,
        ends_by=timezone.now() + QUEUE_PATIENCE,
    )


def serialize_inputs(inputs: dict[str, Any]) -> str:
    try:
        return expressions.as_json(inputs)
    except BadExpression as error:
        raise BadInputs(_("The inputs: %(why)s") % {"why": error}) from None


def subflows_using(user: User, alias: Alias) -> list[str]:
    """Titles of the subflows that this person can run and that use their token for the alias."""
    return sorted(subflow.title for subflow in Subflow.objects.available_to(user).calling(alias))
