"""Running an action: its inputs are checked, then its steps run until one fails or the caller stops the run."""

import json
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any

from django.views.decorators.debug import sensitive_variables
from requests import Response

from accounts.models import User
from foundation.exceptions import Explained
from foundation.stored_texts import in_reader_language
from integrations import expressions
from integrations.calls.for_callers import REASON
from integrations.expressions import BadExpression, is_encodable
from integrations.flows.actions.step import (
    ActionResult,
    Failure,
    Names,
    StepFailed,
    StepResult,
    Target,
    error_status_failure,
    find_target,
    lacking_scopes,
    make_call,
)
from integrations.models.failures import ANSWERS
from integrations.models.flows import Action, InputType, RestStep, failure_sentences
from integrations.models.flows.declared import is_of_type

Declared = Iterable[Mapping[str, Any]]
TRUTH = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


class BadInputs(Explained, ValueError):
    """The inputs don't match the declaration. The message holds names, never values."""

    message = "The inputs are not those that are declared."


def validate_inputs(declared: Declared, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs as the steps see them. Raises `BadInputs`."""
    if not isinstance(inputs, Mapping):
        raise BadInputs(in_reader_language(failure_sentences.NO_NAMES))
    rows = {row["name"]: row for row in declared}
    if unknown := sorted(map(str, inputs.keys() - rows.keys())):
        names = {"name": unknown[0][:80].encode(errors="replace").decode(), "there": ", ".join(rows)}
        raise BadInputs(in_reader_language(failure_sentences.NO_INPUT if rows else failure_sentences.NO_INPUTS) % names)
    missing = [name for name, row in rows.items() if name not in inputs and "default" not in row]
    if missing:
        raise BadInputs(in_reader_language(failure_sentences.REQUIRED) % {"name": missing[0]})
    return {name: convert_input(row, inputs[name]) if name in inputs else row["default"] for name, row in rows.items()}


def convert_input(row: Mapping[str, Any], value: Any) -> Any:
    """Convert a value to the declared type where the meaning is clear: "5" for an integer, 5 for a text."""
    if value is None and "default" in row:
        return row["default"]
    try:
        expressions.as_json(value)
    except BadExpression as error:
        sentence = in_reader_language(failure_sentences.BAD_INPUT)
        raise BadInputs(sentence % {"name": row["name"], "why": error}) from None
    converted = convert_value(row["type"], value)
    if not is_of_type(converted, row["type"]):
        sentence = in_reader_language(failure_sentences.WRONG_TYPE)
        raise BadInputs(sentence % {"name": row["name"], "type": row["type"]})
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
        raise BadInputs(in_reader_language(failure_sentences.NO_JSON) % {"name": name}) from None


LONGEST = 45.0  # seconds, for all steps of an action that runs on its own


def never_stop() -> Failure | None:
    """Default of `stop`: run all steps."""
    return None


def ignore_result(_result: StepResult) -> None:
    """Default of `note`: record nothing."""


@sensitive_variables()
def run_action(
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
    return ActionRun(action, user=user, inputs=inputs, used_by=used_by, ends_at=ends_at).run(stop=stop, note=note)


class ActionRun:
    """One run of an action, whose last step can be repeated for further pages of the list that it reads.

    `last_step` and `response` are those of the last call. Arguments as those of `run`.
    """

    @sensitive_variables()
    def __init__(
        self,
        action: Action,
        *,
        user: User | None,
        inputs: Mapping[str, Any] | None = None,
        used_by: str = "",
        ends_at: float | None = None,
    ) -> None:
        self.action, self.user, self.used_by = action, user, used_by
        self.names = {"inputs": validate_inputs(action.inputs, inputs or {}), "steps": {}}
        self.ends_at = monotonic() + LONGEST if ends_at is None else ends_at
        self.step_results: list[StepResult] = []
        self.last_step: RestStep | None = None
        self.response: Response | None = None

    @sensitive_variables()
    def run(
        self,
        *,
        stop: Callable[[], Failure | None] = never_stop,
        note: Callable[[StepResult], None] = ignore_result,
    ) -> ActionResult:
        if not self.action.active:
            return ActionResult(failure=inactive_failure(self.action))
        if failure := lacking_scopes(self.action, self.user):
            return ActionResult(failure=failure)
        with expressions.until(self.ends_at):
            for step in self.action.steps.all():
                failure = stop() or timeout_failure(self.ends_at) or self.run_step(step, note=note)
                if failure:
                    return ActionResult(steps=tuple(self.step_results), failure=failure)
            return extract_outputs(self.action, self.names, tuple(self.step_results))

    def last_target(self) -> Target | None:
        """What the last step called; None if the action has no step."""
        return find_target(self.last_step, self.names) if self.last_step else None

    @sensitive_variables()
    def repeat_last_step(self, target: Target) -> ActionResult:
        """Call another page, and extract the outputs as if that had been the answer to the last step."""
        assert self.last_step is not None  # noqa: S101 - there is a target only if there was a step
        with expressions.until(self.ends_at):
            failure = timeout_failure(self.ends_at) or self.run_step(self.last_step, target=target)
            if failure:
                return ActionResult(steps=tuple(self.step_results), failure=failure)
            return extract_outputs(self.action, self.names, tuple(self.step_results))

    @sensitive_variables()
    def run_step(
        self, step: RestStep, *, note: Callable[[StepResult], None] = ignore_result, target: Target | None = None
    ) -> Failure | None:
        """Make one call, and keep its response for later steps. Returns the failure, if it failed."""
        started_at = monotonic()
        details: dict[str, Any] = {"step": step.name, "alias": step.alias.name, "method": step.method}
        self.last_step, self.response = step, None
        try:
            response = make_call(
                step, self.names, user=self.user, ends_at=self.ends_at, used_by=self.used_by, target=target
            )
        except StepFailed as error:
            details |= {"failure": error.failure, "http_status": error.failure.http_status}
        else:
            self.response, self.names["steps"][step.name] = response, response_as_names(response)
            is_ok = 200 <= response.status_code < 300
            details |= {"http_status": response.status_code, "reason": response.headers.get(REASON, "")}
            details |= {} if is_ok else {"failure": error_status_failure(step, response, self.user)}
        result = StepResult(milliseconds=round((monotonic() - started_at) * 1000), **details)
        self.step_results.append(result)
        note(result)
        return result.failure


def response_as_names(response: Response) -> dict[str, Any]:
    """Return what later steps and outputs can refer to: status, headers (names in lower case) and body."""
    content: bytes = response.content or b""
    try:
        parsed_body = replace_surrogates(json.loads(content)) if content else None
    except (ValueError, RecursionError):
        parsed_body = content.decode(errors="replace")
    return {
        "status": response.status_code,
        "headers": {name.lower(): value for name, value in response.headers.items()},
        "body": parsed_body,
    }


def replace_surrogates(data: Any) -> Any:
    """Replace lone surrogates, which servers produce by truncating texts, with question marks."""
    text = json.dumps(data, ensure_ascii=False)
    return data if is_encodable(text) else json.loads(text.encode(errors="replace"))


def extract_outputs(action: Action, names: Names, steps: tuple[StepResult, ...]) -> ActionResult:
    """Extract the outputs once all steps have succeeded."""
    try:
        with expressions.spending():
            outputs = {row["name"]: expressions.extract_value(row["path"], names) for row in action.outputs}
            expressions.as_json(outputs)
    except BadExpression as error:
        sentence = in_reader_language(failure_sentences.OUTPUTS_OF_ACTION) % {"action": action.name, "why": error}
        return ActionResult(steps=steps, failure=Failure(code="bad_output", sentence=sentence))
    return ActionResult(outputs=outputs, steps=steps)


def inactive_failure(action: Action) -> Failure:
    sentence = in_reader_language(failure_sentences.TURNED_OFF) % {"action": action.name}
    return Failure(code="action_inactive", sentence=sentence)


def timeout_failure(ends_at: float) -> Failure | None:
    if monotonic() < ends_at:
        return None
    return Failure(code="timeout", sentence=str(ANSWERS["timeout"].in_run))
