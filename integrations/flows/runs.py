"""Runs of subflows: start one after checking permission and inputs, and run its actions now or in a worker.

Results are stored with the run, and nowhere else. The task is acknowledged before it begins, because a run must not be
repeated; if its worker dies, a sweep marks the run as failed once its time is over.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from celery import shared_task
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from foundation.error_boundary import error_boundary
from foundation.secrets_at_rest import Unreadable
from integrations import expressions
from integrations.connections import tasks
from integrations.expressions import BadExpression
from integrations.flows import actions
from integrations.flows.actions import BadInputs, Failure, StepResult
from integrations.models import admission
from integrations.models.failures import ANSWERS
from integrations.models.flows import RunAs, RunState, StepRun, Subflow, SubflowAction, SubflowRun
from integrations.models.registry import Alias

LONGEST = 45.0  # seconds, in the foreground or in the background: no task occupies a worker for a minute
GRACE = timedelta(seconds=60)  # after the deadline; by then no process can still be running it
QUEUE_PATIENCE = timedelta(hours=1)  # a run that no worker has started by then is given up
STOPPED_BY = {"deactivated": "person_deactivated", "no_role": "role_lost"}  # by code of the admission rule


class NotAvailable(Exception):
    """The person can't run the subflow. The same for a missing, an inactive and a forbidden one."""


class Stopped(Exception):
    """The run cannot go on; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


@dataclass(kw_only=True)
class Walk:
    """State of a run in progress: its owner, its deadline, and the outputs of its actions so far."""

    run: SubflowRun
    owner: User | None
    ends_at: float
    names: dict[str, Any] = field(repr=False)
    position: int = 0


@sensitive_variables()
def perform_run(run: SubflowRun, *, seconds: float = LONGEST) -> None:
    """Perform the run, unless another process has claimed it. The row always records how it ended."""
    if not run.claim(ends_by=timezone.now() + timedelta(seconds=seconds) + GRACE):
        return
    outputs, state = "", RunState.FAILED
    failure: Failure | None = run_failure("internal_error")
    try:
        outputs, failure = run_all_actions(run, ends_at=monotonic() + seconds), None
        state = RunState.SUCCEEDED
    except Stopped as stopped:
        failure = stopped.failure
        state = RunState.FAILED
        if failure.code in ANSWERS and ANSWERS[failure.code].cancels_run:
            state = RunState.CANCELLED
    finally:
        record_end(run, state, outputs, failure)


def record_end(run: SubflowRun, state: RunState, outputs: str, failure: Failure | None) -> None:
    """Record how the run ended. If that cannot be saved, record an internal error."""
    internal_error = run_failure("internal_error")
    with error_boundary(
        f"Ending subflow run {run.hex}",
        on_error=lambda _error: run.finish(RunState.FAILED, **failure_fields(internal_error)),
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
def run_all_actions(run: SubflowRun, *, ends_at: float) -> str:
    """Run all actions and return the outputs as JSON. Raises `Stopped`."""
    subflow = find_allowed_subflow(run)
    owner = run.user if run.run_as == RunAs.USER else None
    subflow_actions = list(subflow.actions.select_related("action"))
    check_scopes(subflow_actions, owner)
    walk = Walk(run=run, owner=owner, ends_at=ends_at, names={"inputs": open_inputs(run), "actions": {}})
    try:
        with expressions.until(ends_at):
            for subflow_action in subflow_actions:
                walk.names["actions"][subflow_action.name] = run_one_action(subflow_action, walk)
            with expressions.spending():
                outputs = {row["name"]: expressions.extract_value(row["path"], walk.names) for row in subflow.outputs}
                return expressions.as_json(outputs)
    except BadExpression as error:
        raise Stopped(Failure(code="bad_output", sentence=_("The outputs: %(why)s") % {"why": error})) from None


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
def run_one_action(subflow_action: SubflowAction, walk: Walk) -> dict[str, Any]:
    try:
        with expressions.spending():
            inputs = {name: expressions.evaluate_template(source, walk.names) for name, source in subflow_action.inputs}
        result = actions.run(
            subflow_action.action,
            user=walk.owner,
            inputs=inputs,
            used_by=f"Subflow {walk.run.name}",
            ends_at=walk.ends_at,
            stop=reason_to_stop(walk.run),
            note=step_recorder(walk, subflow_action.name),
        )
    except (BadExpression, BadInputs) as error:
        names = {"action": subflow_action.name, "why": error}
        failure = Failure(code="bad_inputs", sentence=_("The action “%(action)s”: %(why)s") % names)
        raise Stopped(failure) from None
    if result.failure:
        raise Stopped(result.failure)
    return result.outputs


def step_recorder(walk: Walk, action: str) -> Callable[[StepResult], None]:
    def note(result: StepResult) -> None:
        walk.position += 1
        try:
            with transaction.atomic():
                build_step_run(walk, action, result).save()
        except IntegrityError:  # the run was deleted, perhaps with its person
            raise Stopped(run_failure("given_up")) from None

    return note


def build_step_run(walk: Walk, action: str, result: StepResult) -> StepRun:
    failure = result.failure
    return StepRun(
        run=walk.run,
        position=walk.position,
        action=action,
        step=result.step,
        alias=result.alias,
        method=result.method,
        status=RunState.FAILED if failure else RunState.SUCCEEDED,
        http_status=result.http_status,
        milliseconds=result.milliseconds,
        error_code=failure.code if failure else "",
        error=failure.sentence[:500] if failure else "",
    )


def reason_to_stop(run: SubflowRun) -> Callable[[], Failure | None]:
    """Return a check to call before each step: the person may have lost access, or the run been given up."""

    def reason() -> Failure | None:
        try:
            find_allowed_subflow(run)
        except Stopped as stopped:
            return stopped.failure
        return None

    return reason


def find_allowed_subflow(run: SubflowRun) -> Subflow:
    """Return the subflow if this person may still run it. Reads everything anew. Raises `Stopped`."""
    user = User.objects.filter(pk=run.user_id).first()
    refusal = admission.find_refusal(user or AnonymousUser())
    if user is None or refusal:
        code = refusal.code if refusal else "deactivated"
        raise Stopped(run_failure(STOPPED_BY.get(code, "no_longer_allowed")))
    rows = Subflow.objects.all() if run.is_test else Subflow.objects.available_to(user)
    subflow = rows.filter(pk=run.subflow_id).first() if run.subflow_id else None
    if subflow is None:
        raise Stopped(run_failure("no_longer_allowed"))
    if not SubflowRun.objects.filter(pk=run.pk, status=RunState.RUNNING).exists():
        raise Stopped(run_failure("given_up"))
    return subflow


def run_failure(code: str) -> Failure:
    """Return the failure with the sentence of the catalogue."""
    return Failure(code=code, sentence=str(ANSWERS[code].in_run))


@shared_task(name="integrations.perform_subflow", acks_late=False)
def perform_later(run_id: str) -> None:
    """Perform a queued run. Safe to repeat: only the first task to claim the row runs it."""
    run = SubflowRun.objects.select_related("user").filter(pk=UUID(run_id)).first()
    if run:
        with error_boundary(f"Subflow run {run.hex}"):  # the row records how it ended
            perform_run(run)


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
