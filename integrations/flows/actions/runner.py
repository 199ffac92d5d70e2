"""Running the steps of an action, until one fails or the caller stops the run."""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from integrations import expressions
from integrations.expressions import BadExpression
from integrations.flows.actions.inputs import validate_inputs
from integrations.flows.actions.results import ActionResult, Failure, StepFailed, StepResult
from integrations.flows.actions.step import Names, error_status_failure, lacking_scopes, make_call, response_as_names
from integrations.models.failures import ANSWERS
from integrations.models.flows import Action, RestStep

LONGEST = 45.0  # seconds, for all steps of an action that runs on its own


def never_stop() -> Failure | None:
    """Default of `stop`: run all steps."""
    return None


def ignore_result(_result: StepResult) -> None:
    """Default of `note`: record nothing."""


@sensitive_variables()
def run(
    action: Action,
    *,
    user: User | None,
    inputs: Mapping[str, Any] | None = None,
    used_by: str = "",
    ends_at: float | None = None,
    stop: Callable[[], Failure | None] = never_stop,
    note: Callable[[StepResult], None] = ignore_result,
) -> ActionResult:
    """Run the steps for this person; None is System User, which never uses a personal credential.

    `ends_at`: deadline by `time.monotonic()`, by default 45 seconds from now. `stop` is called before each step and
    ends the run if it returns a failure; `note` is called with each result. A third party that fails is reported in
    the result. Raises only `BadInputs`, before any call.
    """
    names = {"inputs": validate_inputs(action.inputs, inputs or {}), "steps": {}}
    ends_at = monotonic() + LONGEST if ends_at is None else ends_at
    if not action.active:
        return ActionResult(failure=inactive_failure(action))
    if failure := lacking_scopes(action, user):
        return ActionResult(failure=failure)
    step_results: list[StepResult] = []
    with expressions.until(ends_at):
        for step in action.steps.select_related("alias"):
            if failure := stop() or timeout_failure(ends_at):
                return ActionResult(steps=tuple(step_results), failure=failure)
            result, response = run_step(step, names, user=user, ends_at=ends_at, used_by=used_by)
            step_results.append(result)
            note(result)
            if result.failure:
                return ActionResult(steps=tuple(step_results), failure=result.failure)
            names["steps"][step.name] = response
        return extract_outputs(action, names, tuple(step_results))


@sensitive_variables()
def run_step(
    step: RestStep, names: Names, *, user: User | None, ends_at: float, used_by: str
) -> tuple[StepResult, dict[str, Any]]:
    """Make one call. Returns its result, and the response as later steps can name it."""
    started_at = monotonic()
    details: dict[str, Any] = {"step": step.name, "alias": step.alias.name, "method": step.method}
    names_of_response: dict[str, Any] = {}
    try:
        response = make_call(step, names, user=user, ends_at=ends_at, used_by=used_by)
    except StepFailed as error:
        details |= {"failure": error.failure, "http_status": error.failure.http_status}
    else:
        names_of_response = response_as_names(response)
        is_ok = 200 <= response.status_code < 300
        details |= {"http_status": response.status_code}
        details |= {} if is_ok else {"failure": error_status_failure(step, response, user)}
    return StepResult(milliseconds=round((monotonic() - started_at) * 1000), **details), names_of_response


def extract_outputs(action: Action, names: Names, steps: tuple[StepResult, ...]) -> ActionResult:
    """Extract the outputs once all steps have succeeded."""
    try:
        with expressions.spending():
            outputs = {row["name"]: expressions.extract_value(row["path"], names) for row in action.outputs}
            expressions.as_json(outputs)
    except BadExpression as error:
        sentence = _("The outputs of “%(action)s”: %(why)s") % {"action": action.name, "why": error}
        return ActionResult(steps=steps, failure=Failure(code="bad_output", sentence=sentence))
    return ActionResult(outputs=outputs, steps=steps)


def inactive_failure(action: Action) -> Failure:
    sentence = _("The action “%(action)s” is turned off.") % {"action": action.name}
    return Failure(code="action_inactive", sentence=sentence)


def timeout_failure(ends_at: float) -> Failure | None:
    if monotonic() < ends_at:
        return None
    return Failure(code="timeout", sentence=str(ANSWERS["timeout"].in_run))
