"""Actions: REST steps in order, each with the token of the person the run is for, and no other person's.

from integrations.flows import actions
result = actions.run(action, user=request.user, inputs={"limit": 5})
result.outputs, result.steps

runner    all steps and the outputs        step      one step: one call to a third party
inputs    validation of inputs             results   outputs, step results, failures
"""

from integrations.flows.actions.inputs import BadInputs, parse_inputs, validate_inputs
from integrations.flows.actions.results import ActionResult, Failure, StepResult
from integrations.flows.actions.runner import run
from integrations.flows.actions.step import lacking_scopes

__all__ = [
    "ActionResult",
    "BadInputs",
    "Failure",
    "StepResult",
    "lacking_scopes",
    "parse_inputs",
    "run",
    "validate_inputs",
]
