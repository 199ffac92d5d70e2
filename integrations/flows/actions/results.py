"""Results of an action: its outputs, and how each step went. Holds no request and no response."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a run stopped, as a sentence for the person who runs it. Holds no value that went through the step."""

    code: str
    sentence: str
    http_status: int | None = None  # of the third party; 401 also if there was no token to call it with
    initiator_url: str = ""  # path of this site where the person gets a token
    is_limited: bool = False  # the third party limits the rate of calls
    retry_after: float | None = None  # seconds, if the third party says so


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """One call. `http_status` is None if no call was made or no response came."""

    step: str
    alias: str
    method: str
    http_status: int | None = None
    milliseconds: int = 0
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class ActionResult:
    """`outputs` by name; empty if there is a `failure`."""

    outputs: dict[str, Any] = field(default_factory=dict, repr=False)
    steps: tuple[StepResult, ...] = ()
    failure: Failure | None = None

    @property
    def is_ok(self) -> bool:
        return self.failure is None


class StepFailed(Exception):
    """A step cannot be completed; `failure` says why."""

    def __init__(self, code: str, sentence: str, **details: Any) -> None:
        super().__init__(code)
        self.failure = Failure(code=code, sentence=sentence, **details)
