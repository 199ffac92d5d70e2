"""What is told of an action that ran: outputs to its caller, and of each step how it went, never what was said."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why it did not go on, in a sentence for whoever runs it. Holds no value that went through the step."""

    code: str
    sentence: str
    http_status: int | None = None  # of the third party; 401 also where there was no token to ask it with
    initiator_url: str = ""  # where the person gets a token, as a path of this site
    is_limited: bool = False  # the third party was asked too often
    retry_after: float | None = None  # seconds, where it says


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """One call. `http_status` is None where none was made or nobody answered."""

    step: str
    alias: str
    method: str
    http_status: int | None = None
    milliseconds: int = 0
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class ActionResult:
    """`outputs` by name; empty where `failure` says why."""

    outputs: dict[str, Any] = field(default_factory=dict, repr=False)
    steps: tuple[StepResult, ...] = ()
    failure: Failure | None = None

    @property
    def is_ok(self) -> bool:
        return self.failure is None


class StepFailed(Exception):
    def __init__(self, code: str, sentence: str, **told: Any) -> None:
        super().__init__(code)
        self.failure = Failure(code=code, sentence=sentence, **told)
