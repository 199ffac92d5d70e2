"""`sn_fd.FlowAPI`: run subflows in the foreground or in the background."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Self

from accounts.models import User
from integrations import flows
from integrations.models.flows import SubflowRun
from integrations.servicenow.session_user import ScriptError, session_user


class NotAvailable(ScriptError, flows.NotAvailable):
    pass


class BadInputs(ScriptError, flows.BadInputs):
    pass


class RunFailed(ScriptError, flows.RunFailed):
    pass


class NotFinished(ScriptError, Exception):
    """A background run has no outputs yet."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The subflow “{name}” has not ended yet. It has no outputs until then.")


class FlowRunnerResult:
    """A run of a subflow."""

    def __init__(self, run: SubflowRun) -> None:
        self._run = run

    def getOutputs(self) -> dict[str, Any]:
        """Return the outputs by name. In the background, raises `NotFinished` until the run ends, then `RunFailed`."""
        if not self._run.is_over:
            self._run.refresh_from_db()
        if not self._run.is_over:
            raise NotFinished(self._run.name)
        raise_for_status(self._run)
        return self._run.outputs

    def getContextId(self) -> str:
        """Return the id of the run, 32 hexadecimal digits."""
        return self._run.hex

    def getDate(self) -> str:
        """Return when the run was started: UTC, as ISO 8601 has it."""
        return self._run.created_at.isoformat()

    def getFlowObjectName(self) -> str:
        """Return the name of the subflow."""
        return self._run.name

    def getFlowObjectType(self) -> str:
        """Return "subflow"."""
        return "subflow"


class ScriptableFlowRunner:
    """Builds a run of a subflow; in the foreground, if neither is chosen."""

    def __init__(self, user: User) -> None:
        self._user, self._name, self._inputs = user, "", dict[str, Any]()
        self._start: Callable[..., SubflowRun] = flows.run_subflow

    def subflow(self, name: str) -> Self:
        """Choose the subflow. An application scope before the name (“global.”) is ignored: names are unique here."""
        self._name = str(name)
        return self

    def inForeground(self) -> Self:
        """Run it now; `run` waits for the end."""
        self._start = flows.run_subflow
        return self

    def inBackground(self) -> Self:
        """Leave it to a worker; `run` doesn't wait."""
        self._start = flows.start_subflow
        return self

    def withInputs(self, inputs: Mapping[str, Any] | None) -> Self:
        """Set the inputs by name. Raises `BadInputs` if they have no names."""
        if not isinstance(inputs or {}, Mapping):
            raise BadInputs("The inputs must be a mapping of names to values.")
        self._inputs = dict(inputs or {})
        return self

    def run(self) -> FlowRunnerResult:
        """Run the subflow. Raises `NotAvailable`, `BadInputs` and, in the foreground, `RunFailed`."""
        try:
            run = self._start_run()
        except flows.NotAvailable as error:
            raise NotAvailable(*error.args) from error
        except flows.BadInputs as error:
            raise BadInputs(*error.args) from error
        raise_for_status(run)
        return FlowRunnerResult(run)

    def _start_run(self) -> SubflowRun:
        """Start the subflow of this whole name, which may contain dots; else the one without an application scope."""
        start = partial(self._start, user=self._user, inputs=self._inputs, origin="sn_fd")
        _scope, dot, plain_name = self._name.partition(".")
        try:
            return start(self._name)
        except flows.NotAvailable:
            if not dot:
                raise
        return start(plain_name)


class FlowAPI:
    """Entry point of the flow calls."""

    @staticmethod
    def getRunner(*, user: User | None = None) -> ScriptableFlowRunner:
        """Return a runner for the current user, or for `user`. Raises `NoSessionUser` if there is neither."""
        return ScriptableFlowRunner(session_user(user))


def raise_for_status(run: SubflowRun) -> None:
    try:
        run.raise_for_status()
    except flows.RunFailed as error:
        raise RunFailed(error.run) from error
