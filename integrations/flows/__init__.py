"""Subflows: actions that run in order, on behalf of the person who starts them or as System User.

    from integrations import flows
    run = flows.run_subflow("my_open_incidents", user=request.user, inputs={"limit": 5})    # in the foreground
    run.status, run.outputs, run.error; run.raise_for_status()
    flows.start_subflow("my_open_incidents", user=request.user, inputs={"limit": 5})        # in the background

Each run is a row. It runs once and is never repeated: the process that claims the row runs it.

    runs         permission, inputs, the row; all actions, until one fails or it must stop
    background   tasks: sweep, delete                  actions     one action: its REST steps
    execution    a run that is under way: its observer, and the record of each step
"""

from integrations.flows.actions import BadInputs
from integrations.flows.runs import NotAvailable, run_subflow, run_test, start_subflow, subflows_using
from integrations.models.flows import RunFailed

__all__ = ["BadInputs", "NotAvailable", "RunFailed", "run_subflow", "run_test", "start_subflow", "subflows_using"]
