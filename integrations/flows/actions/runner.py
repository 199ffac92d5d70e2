"""All steps of an action, until one fails or somebody says stop."""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from integrations import expressions
from integrations.expressions import BadExpression
from integrations.flows.actions.inputs import taken
from integrations.flows.actions.results import ActionResult, Failure, StepFailed, StepResult
from integrations.flows.actions.step import Names, answer_as_names, call, lacking_scopes, refused
from integrations.models.flows import Action, RestStep

LONGEST = 45.0  # seconds, for all steps of an action that runs on its own


def nothing_to_say() -> Failure | None:
    """Nobody asks it to stop."""
    return None


def unheard(_result: StepResult) -> None:
    """Nobody listens."""


@sensitive_variables()
def run(
    action: Action,
    *,
    user: User | None,
    inputs: Mapping[str, Any] | None = None,
    used_by: str = "",
    ends_at: float | None = None,
    stop: Callable[[], Failure | None] = nothing_to_say,
    note: Callable[[StepResult], None] = unheard,
) -> ActionResult:
    """Run the steps for this person; None: as System User, for whom no personal credential is ever used.

    `ends_at`: by `time.monotonic()`, 45 seconds from now if not told. `stop` is asked before each step, `note` told
    after it. Third parties that fail are told in the result; raises `BadInputs` alone, before anything is called.
    """
    names = {"inputs": taken(action.inputs, inputs or {}), "steps": {}}
    ends_at = monotonic() + LONGEST if ends_at is None else ends_at
    if not action.active:
        return ActionResult(failure=turned_off(action))
    if failure := lacking_scopes(action, user):
        return ActionResult(failure=failure)
    done: list[StepResult] = []
    with expressions.until(ends_at):
        for step in action.steps.select_related("alias"):
            if failure := stop() or out_of_time(ends_at):
                return ActionResult(steps=tuple(done), failure=failure)
            result, answer = one(step, names, user=user, ends_at=ends_at, used_by=used_by)
            done.append(result)
            note(result)
            if result.failure:
                return ActionResult(steps=tuple(done), failure=result.failure)
            names["steps"][step.name] = answer
        return with_outputs(action, names, tuple(done))


@sensitive_variables()
def one(
    step: RestStep, names: Names, *, user: User | None, ends_at: float, used_by: str
) -> tuple[StepResult, dict[str, Any]]:
    began = monotonic()
    told: dict[str, Any] = {"step": step.name, "alias": step.alias.name, "method": step.method}
    answer: dict[str, Any] = {}
    try:
        answered = call(step, names, user=user, ends_at=ends_at, used_by=used_by)
    except StepFailed as error:
        told |= {"failure": error.failure, "http_status": error.failure.http_status}
    else:
        answer = answer_as_names(answered)
        is_ok = 200 <= answered.status_code < 300
        told |= {"http_status": answered.status_code}
        told |= {} if is_ok else {"failure": refused(step, answered, user)}
    return StepResult(milliseconds=round((monotonic() - began) * 1000), **told), answer


def with_outputs(action: Action, names: Names, steps: tuple[StepResult, ...]) -> ActionResult:
    try:
        with expressions.spending():
            outputs = {row["name"]: expressions.extracted(row["path"], names) for row in action.outputs}
            expressions.as_json(outputs)
    except BadExpression as error:
        told = _("The outputs of “%(action)s”: %(why)s") % {"action": action.name, "why": error}
        return ActionResult(steps=steps, failure=Failure(code="bad_output", sentence=told))
    return ActionResult(outputs=outputs, steps=steps)


def turned_off(action: Action) -> Failure:
    told = _("The action “%(action)s” is turned off.") % {"action": action.name}
    return Failure(code="action_inactive", sentence=told)


def out_of_time(ends_at: float) -> Failure | None:
    if monotonic() < ends_at:
        return None
    return Failure(code="timeout", sentence=_("The time for the whole run is over."))
