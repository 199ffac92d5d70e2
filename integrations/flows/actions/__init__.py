"""Actions: REST steps in order, each with the token of the person the run is for, and no other person's.

from integrations.flows import actions
result = actions.run_action(action, user=request.user, inputs={"limit": 5})
result.outputs, result.steps

runner    validation of inputs, all steps and the outputs
step      one step: one call to a third party, its result or failure
"""

from integrations.flows.actions.runner import ActionRun, BadInputs, parse_inputs, run_action, validate_inputs
from integrations.flows.actions.step import ActionResult, Failure, StepResult, Target, lacking_scopes

__all__ = [
    "ActionResult",
    "ActionRun",
    "BadInputs",
    "Failure",
    "StepResult",
    "Target",
    "lacking_scopes",
    "parse_inputs",
    "run_action",
    "validate_inputs",
]
