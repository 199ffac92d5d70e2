"""Models of actions, subflows and their runs. [sn_fd: Flow Designer]

declared   inputs, outputs, and checks of templates     actions   an action and its REST steps
subflows   a subflow, its actions and its runs          failure_sentences  of failed runs
"""

from integrations.models.flows.actions import Action, BodyType, Method, RestStep
from integrations.models.flows.declared import InputType
from integrations.models.flows.subflows import (
    RunAs,
    RunFailed,
    RunState,
    StepRun,
    Subflow,
    SubflowAction,
    SubflowQuerySet,
    SubflowRun,
    find_available,
)

__all__ = [
    "Action",
    "BodyType",
    "InputType",
    "Method",
    "RestStep",
    "RunAs",
    "RunFailed",
    "RunState",
    "StepRun",
    "Subflow",
    "SubflowAction",
    "SubflowQuerySet",
    "SubflowRun",
    "find_available",
]
