"""Execution of a run: its state, its observer, whether it may go on, and the record of each step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError
from django.db.models import BigIntegerField, UUIDField

from accounts.models import User
from foundation.database import CompiledQuery, Slot
from integrations.flows.actions import Failure, StepResult
from integrations.models import admission
from integrations.models.failures import ANSWERS
from integrations.models.flows import RunState, StepRun, Subflow, SubflowQuerySet, SubflowRun

USER_ID, RUN_ID = Slot("user", BigIntegerField()), Slot("run", UUIDField())
STOPPED_BY_RULE = {"deactivated": "person_deactivated", "no_role": "role_lost", "no_second_step": "no_second_step"}


class Observer(Protocol):
    """The caller that waits for a run. `report`, between steps: steps done, of how many, and the name of the last."""

    def report(self, done: float, total: float, text: str = "") -> None: ...

    def is_cancelled(self) -> bool: ...


class NoObserver:
    """The default: ignores reports and never cancels."""

    def report(self, done: float, total: float, text: str = "") -> None:
        """Do nothing."""

    def is_cancelled(self) -> bool:
        return False


class Stopped(Exception):
    """The run cannot go on; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


@dataclass(kw_only=True)
class Execution:
    """State of a run that is under way: its owner, its deadline, and the outputs of its actions so far."""

    run: SubflowRun
    owner: User | None
    ends_at: float
    names: dict[str, Any] = field(repr=False)
    position: int = 0
    steps: int = 0  # of all actions
    observer: Observer = field(default_factory=NoObserver)


def reason_to_stop(execution: Execution) -> Callable[[], Failure | None]:
    """Return a check to call before each step: the person may have lost access, or the run been given up."""

    def reason() -> Failure | None:
        if execution.observer.is_cancelled():
            return run_failure("cancelled_by_caller")
        try:
            check_admission(execution.run)
        except Stopped as stopped:
            return stopped.failure
        return None

    return reason


def check_admission(run: SubflowRun) -> None:
    """Raise `Stopped` if this person may not run the subflow any more. One statement reads everything anew."""
    statement = statement_for(tuple(admission.RULES), is_test=run.is_test)
    if statement.row(user=run.user_id, run=run.pk) is None:
        raise Stopped(run_failure(reason_of_end(run)))


@cache
def statement_for(_rules: tuple[admission.Rule, ...], *, is_test: bool) -> CompiledQuery:
    """The compiled statement, cached by the rules of admission that are part of it."""
    is_running = {"runs__pk": RUN_ID, "runs__status": RunState.RUNNING}
    return CompiledQuery(lambda: subflows_for(USER_ID, is_test=is_test).filter(**is_running).values_list("pk"))


def subflows_for(user_id: Any, *, is_test: bool) -> SubflowQuerySet:
    """Subflows that this person may run. A test also runs one that is turned off or is for others only."""
    if is_test:
        return Subflow.objects.filter(admission.may_use_any(user_id))
    return Subflow.objects.available_to_id(user_id)


def reason_of_end(run: SubflowRun) -> str:
    """Why the run may not go on: a code of the catalogue."""
    user = User.objects.filter(pk=run.user_id).first()
    refusal = admission.find_refusal(user or AnonymousUser())
    if refusal:
        return STOPPED_BY_RULE.get(refusal.code, "no_longer_allowed")
    subflows = subflows_for(run.user_id, is_test=run.is_test)
    is_available = run.subflow_id is not None and subflows.filter(pk=run.subflow_id).exists()
    return "given_up" if is_available else "no_longer_allowed"


def step_recorder(execution: Execution, action: str) -> Callable[[StepResult], None]:
    """Return a function that stores each step of this action and reports it. It raises `Stopped` if the run is gone."""

    def note(result: StepResult) -> None:
        execution.position += 1
        try:
            build_step_run(execution, action, result).save(force_insert=True)
        except IntegrityError:  # the run was deleted, perhaps with its person
            raise Stopped(run_failure("given_up")) from None
        execution.observer.report(
            execution.position, max(execution.steps, execution.position), f"{action}.{result.step}"
        )

    return note


def build_step_run(execution: Execution, action: str, result: StepResult) -> StepRun:
    failure = result.failure
    return StepRun(
        run=execution.run,
        position=execution.position,
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


def run_failure(code: str) -> Failure:
    """Return the failure with the sentence of the catalogue."""
    return Failure(code=code, sentence=str(ANSWERS[code].in_run))
