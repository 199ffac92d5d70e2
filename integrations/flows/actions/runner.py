"""Running an action: its inputs are checked, then its steps run until one fails or the caller stops the run."""

import json
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any

from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from integrations import expressions
from integrations.calls.for_callers import REASON
from integrations.expressions import BadExpression
from integrations.flows.actions.step import (
    ActionResult,
    Failure,
    Names,
    StepFailed,
    StepResult,
    error_status_failure,
    lacking_scopes,
    make_call,
    response_as_names,
)
from integrations.models.failures import ANSWERS
from integrations.models.flows import Action, InputType, RestStep
from integrations.models.flows.declared import is_of_type

Declared = Iterable[Mapping[str, Any]]
TRUTH = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


class BadInputs(ValueError):
    """The inputs don't match the declaration. The message holds names, never values."""


def validate_inputs(declared: Declared, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs as the steps see them. Raises `BadInputs`."""
    rows = {row["name"]: row for row in declared}
    if unknown := sorted(map(str, inputs.keys() - rows.keys())):
        names = {"name": unknown[0][:80].encode(errors="replace").decode(), "there": ", ".join(rows) or _("none")}
        raise BadInputs(_("There is no input “%(name)s”. There are: %(there)s.") % names)
    missing = [name for name, row in rows.items() if name not in inputs and "default" not in row]
    if missing:
        raise BadInputs(_("The input “%(name)s” is required.") % {"name": missing[0]})
    return {name: convert_input(row, inputs[name]) if name in inputs else row["default"] for name, row in rows.items()}


def convert_input(row: Mapping[str, Any], value: Any) -> Any:
    """Convert a value to the declared type where the meaning is clear: "5" for an integer, 5 for a text."""
    if value is None and "default" in row:
        return row["default"]
    try:
        expressions.as_json(value)
    except BadExpression as error:
        raise BadInputs(_("The input “%(name)s”: %(why)s") % {"name": row["name"], "why": error}) from None
    converted = convert_value(row["type"], value)
    if not is_of_type(converted, row["type"]):
        raise BadInputs(_("The input “%(name)s” isn’t of type %(type)s.") % {"name": row["name"], "type": row["type"]})
    return converted


def convert_value(kind: str, value: Any) -> Any:
    if kind == InputType.TEXT and isinstance(value, int | float):
        return expressions.as_text(value)
    if not isinstance(value, str) or kind in {InputType.TEXT, InputType.JSON}:
        return value
    if kind == InputType.BOOLEAN:
        return TRUTH.get(value.strip().lower(), value)
    try:
        return int(value) if kind == InputType.INTEGER else float(value)
    except ValueError:
        return value


def parse_inputs(declared: Declared, texts: Mapping[str, str]) -> dict[str, Any]:
    """Read inputs typed on a command line or into a form. Parses JSON where JSON is declared."""
    kinds = {row["name"]: row["type"] for row in declared}
    return {name: parse_text(name, text, kinds.get(name, "")) for name, text in texts.items()}


def parse_text(name: str, text: str, kind: str) -> Any:
    if kind != InputType.JSON:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadInputs(_("The input “%(name)s” isn’t valid JSON.") % {"name": name}) from None


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
        details |= {"http_status": response.status_code, "reason": response.headers.get(REASON, "")}
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
