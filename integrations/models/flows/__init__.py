"""What an administrator composes out of calls, and what became of it when it ran. [sn_fd: Flow Designer]

declared   inputs and outputs, and what may stand in a template     actions   an action and its REST steps
subflows   a subflow and its actions                                runs      one run and its steps
"""

from integrations.models.flows.actions import Action, BodyType, Method, RestStep
from integrations.models.flows.declared import InputType
from integrations.models.flows.runs import RunState, StepRun, SubflowRun
from integrations.models.flows.subflows import RunAs, Subflow, SubflowAction

__all__ = [
    "Action",
    "BodyType",
    "InputType",
    "Method",
    "RestStep",
    "RunAs",
    "RunState",
    "StepRun",
    "Subflow",
    "SubflowAction",
    "SubflowRun",
]
