"""Runs of subflows: start one after checking permission and inputs, and run its actions now or in a worker.

Results are stored with the run, and nowhere else. The task is acknowledged before it begins, because a run must not be
repeated; if its worker dies, a sweep marks the run as failed once its time is over.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from celery import shared_task
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone, translation
from django.views.decorators.debug import sensitive_variables

from accounts.current_user import NotAUser, acting_for
from accounts.models import User
from foundation import installation
from foundation.error_boundary import error_boundary
from foundation.exceptions import Explained
from foundation.secrets_at_rest import Unreadable
from foundation.stored_texts import in_reader_language
from integrations import expressions
from integrations.connections import tasks
from integrations.expressions import BadExpression
from integrations.flows import actions
from integrations.flows.actions import BadInputs, Failure
from integrations.flows.execution import (
    Execution,
    NoObserver,
    Observer,
    Stopped,
    check_admission,
    reason_to_stop,
    run_failure,
    step_recorder,
)
from integrations.models.failures import ANSWERS
from integrations.models.flows import (
    RunAs,
    RunState,
    Subflow,
    SubflowAction,
    SubflowRun,
    failure_sentences,
    find_available,
)
from integrations.models.registry import Alias

LONGEST = 45.0  # seconds, in the foreground or in the background: no task occupies a worker for a minute
GRACE = timedelta(seconds=60)  # after the deadline; by then no process can still be running it
QUEUE_PATIENCE = timedelta(hours=1)  # a run that no worker has started by then is given up


class NotAvailable(Explained):  # the same for a missing, an inactive and a forbidden one
    message = "There is no active subflow of this name that this person may run."


def perform_run(run: SubflowRun, *, seconds: float = LONGEST) -> None:
    """Perform a queued run, unless another process has claimed it. The row always records how it ended."""
    if run.claim(ends_by=end_of_run(seconds)):
        perform_claimed_run(run, seconds=seconds)


def end_of_run(seconds: float) -> datetime:
    return timezone.now() + timedelta(seconds=seconds) + GRACE


@sensitive_variables()
def perform_claimed_run(run: SubflowRun, *, seconds: float = LONGEST, observer: Observer | None = None) -> None:
    outputs, state = "", RunState.FAILED
    with translation.override("en"):  # failures are stored, and read by programs and people of other languages
        failure: Failure | None = run_failure("internal_error")
        try:
            with acting_for(lambda: run.user if run.run_as == RunAs.USER else None):
                outputs, failure = run_all_actions(run, monotonic() + seconds, observer or NoObserver()), None
            state = RunState.SUCCEEDED
        except Stopped as stopped:
            failure = stopped.failure
            if failure.code in ANSWERS and ANSWERS[failure.code].cancels_run:
                state = RunState.CANCELLED
        finally:
            record_end(run, state, outputs, failure)


def record_end(run: SubflowRun, state: RunState, outputs: str, failure: Failure | None) -> None:
    """Record how the run ended. If that cannot be saved, record an internal error."""
    internal_error = failure_fields(run_failure("internal_error"))
    with error_boundary(
        f"Ending subflow run {run.hex}", on_error=lambda _error: run.finish(RunState.FAILED, **internal_error)
    ):
        run.finish(state, outputs=outputs, **failure_fields(failure))


def failure_fields(failure: Failure | None) -> dict[str, Any]:
    if failure is None:
        return {}
    return {
        "error_code": failure.code,
        "error": failure.sentence,
        "http_status": failure.http_status,
        "initiator_url": failure.initiator_url,
    }


@sensitive_variables()
def run_all_actions(run: SubflowRun, ends_at: float, observer: Observer) -> str:
    """Run all actions and return the outputs as JSON. Raises `Stopped`."""
    check_admission(run)
    subflow = run.subflow
    assert subflow is not None  # noqa: S101 - no run without one is admitted
    owner = run.user if run.run_as == RunAs.USER else None
    subflow_actions = list(subflow.actions.select_related("action").prefetch_related("action__steps"))
    check_scopes(subflow_actions, owner)
    names = {"inputs": open_inputs(run), "actions": {}}
    execution = Execution(run=run, owner=owner, ends_at=ends_at, names=names, observer=observer)
    execution.steps = sum(len(subflow_action.action.steps.all()) for subflow_action in subflow_actions)
    try:
        with expressions.until(ends_at):
            for subflow_action in subflow_actions:
                execution.names["actions"][subflow_action.name] = run_one_action(subflow_action, execution)
            with expressions.spending():
                outputs = {
                    row["name"]: expressions.extract_value(row["path"], execution.names) for row in subflow.outputs
                }
                return expressions.as_json(outputs)
    except BadExpression as error:
        raise Stopped(
            Failure(code="bad_output", sentence=in_reader_language(failure_sentences.OUTPUTS) % {"why": error})
        ) from None


def open_inputs(run: SubflowRun) -> Any:
    try:
        return json.loads(run.sealed_inputs)
    except Unreadable:
        raise Stopped(run_failure("unreadable")) from None


def check_scopes(subflow_actions: list[SubflowAction], owner: User | None) -> None:
    """Raise `Stopped` if a step's token lacks scopes, before any call is made."""
    for subflow_action in subflow_actions:
        if failure := actions.lacking_scopes(subflow_action.action, owner):
            raise Stopped(failure)


@sensitive_variables()
def run_one_action(subflow_action: SubflowAction, execution: Execution) -> dict[str, Any]:
    try:
        with expressions.spending():
            inputs = {
                name: expressions.evaluate_template(source, execution.names) for name, source in subflow_action.inputs
            }
        result = actions.run_action(
            subflow_action.action,
            user=execution.owner,
            inputs=inputs,
            used_by=f"Subflow {execution.run.name}",
            ends_at=execution.ends_at,
            stop=reason_to_stop(execution),
            note=step_recorder(execution, subflow_action.name),
        )
    except (BadExpression, BadInputs) as error:
        names = {"action": subflow_action.name, "why": error}
        sentence = in_reader_language(failure_sentences.IN_ACTION) % names
        raise Stopped(Failure(code="bad_inputs", sentence=sentence)) from None
    if result.failure:
        raise Stopped(result.failure)
    return result.outputs


@shared_task(name="integrations.perform_subflow", acks_late=False)
def perform_later(run_id: str) -> None:
    """Perform a queued run. Safe to repeat: only the first task to claim the row runs it."""
    run = SubflowRun.objects.select_related("user").filter(pk=UUID(run_id)).first()
    if run and not installation.is_held():
        with error_boundary(f"Subflow run {run.hex}"):  # the row records how it ended
            perform_run(run)


@sensitive_variables()
def run_subflow(
    name: str,
    *,
    user: User,
    inputs: Mapping[str, Any] | None = None,
    origin: str = "Python",
    observer: Observer | None = None,
) -> SubflowRun:
    """Run a subflow now, for at most 45 seconds, and return the run: `.status`, `.outputs` by name, `.error`.

    `observer` is told of each step, and can cancel the run before the next. A failing third party is reported in the
    run, not raised. Raises `NotAvailable` and `BadInputs`, with no run.
    """
    run = new_run(require_available(name, user), user, inputs, origin=origin, is_claimed=True)
    perform_claimed_run(run, observer=observer)
    return run


@sensitive_variables()
def start_subflow(
    name: str, *, user: User, inputs: Mapping[str, Any] | None = None, origin: str = "Python"
) -> SubflowRun:
    """Queue a subflow for a worker, for at most 45 seconds. Read the returned run again to see how it went.

    It stops when the person is deactivated or loses the role. Raises `NotAvailable` and `BadInputs`, with no run.
    """
    run = new_run(require_available(name, user), user, inputs, origin=origin)
    tasks.publish_on_commit(perform_later, run.hex)
    return run


@sensitive_variables()
def run_test(subflow: Subflow, *, user: User, inputs: Mapping[str, Any]) -> SubflowRun:
    """Run a subflow that may not be active yet, for administrators who set it up. Otherwise as `run_subflow`."""
    run = new_run(subflow, user, inputs, origin="Test", is_test=True, is_claimed=True)
    perform_claimed_run(run)
    return run


def require_available(name: str, user: User) -> Subflow:
    if not isinstance(user, User | AnonymousUser):
        raise NotAUser(user, who="A subflow")
    subflow = find_available(name, user.pk) if name.isprintable() else None
    if subflow is None:
        raise NotAvailable
    return subflow


def new_run(
    subflow: Subflow,
    user: User,
    inputs: Mapping[str, Any] | None,
    *,
    origin: str,
    is_test: bool = False,
    is_claimed: bool = False,
) -> SubflowRun:
    """Store a run: for a worker, or claimed by this process, which performs it now."""
    now = timezone.now()
    return SubflowRun.objects.create(
        subflow=subflow,
        name=subflow.name,
        user=user,
        run_as=subflow.run_as,
        origin=origin[:30],
        is_test=is_test,
        sealed_inputs=serialize_inputs(actions.validate_inputs(subflow.inputs, inputs or {})),
        status=RunState.RUNNING if is_claimed else RunState.QUEUED,
        created_at=now,
        started_at=now if is_claimed else None,
        ends_by=end_of_run(LONGEST) if is_claimed else now + QUEUE_PATIENCE,
    )


def serialize_inputs(inputs: dict[str, Any]) -> str:
    try:
        return expressions.as_json(inputs)
    except BadExpression as error:
        raise BadInputs(in_reader_language(failure_sentences.INPUTS) % {"why": error}) from None


def subflows_using(user: User, alias: Alias) -> list[str]:
    """Titles of the subflows that this person can run and that use their token for the alias."""
    return sorted(subflow.title for subflow in Subflow.objects.available_to(user).calling(alias))
