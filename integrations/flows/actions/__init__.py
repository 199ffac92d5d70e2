"""Actions: REST steps one after the other, each with the token of whom the run is for and of nobody else.

from integrations import actions
result = actions.run(action, user=request.user, inputs={"limit": 5})
result.outputs, result.steps

running   all steps, and what comes of them      calling   one step, one call
taking    what callers give as inputs            results   what is told of it
"""

from integrations.flows.actions.inputs import BadInputs, from_texts, taken
from integrations.flows.actions.results import ActionResult, Failure, StepResult
from integrations.flows.actions.runner import run
from integrations.flows.actions.step import lacking_scopes

__all__ = [
    "ActionResult",
    "BadInputs",
    "Failure",
    "StepResult",
    "from_texts",
    "lacking_scopes",
    "run",
    "taken",
]
