"""Actions and subflows at a scripted server, as an administrator would have set them up. No promises."""

from typing import Any

from integrations.models import Action, Alias, RestStep, Subflow, SubflowAction

LIMIT = [{"name": "limit", "type": "integer", "default": 5}]
NUMBERS = [{"name": "numbers", "path": "steps.list.body.result[*].number"}]
INCIDENTS = "GET /api/incidents"
BEARER = b"Bearer CANARY-access-1".decode()


def step(action: Action, alias: Alias, name: str = "list", **fields: Any) -> RestStep:
    order = 100 * (action.steps.count() + 1)
    row = RestStep(**{"action": action, "alias": alias, "name": name, "order": order, "path": "incidents", **fields})
    row.full_clean()
    row.save()
    return row


def open_incidents(alias: Alias, name: str = "open_incidents", **fields: Any) -> Action:
    """One step that lists, with a limit; it gives the numbers."""
    action = Action.objects.create(**{"name": name, "inputs": LIMIT, "outputs": NUMBERS, **fields})
    step(action, alias, query=[["limit", "{{ inputs.limit }}"]])
    return action


def subflow_of(*actions: Action, name: str = "my_open_incidents", **fields: Any) -> Subflow:
    """These actions, each given the limit; it gives what the first gave."""
    outputs = [{"name": "numbers", "path": f"actions.{actions[0].name}.numbers"}]
    subflow = Subflow.objects.create(
        **{"name": name, "label": "My open incidents", "inputs": LIMIT, "outputs": outputs, **fields}
    )
    for place, action in enumerate(actions):
        inputs = [["limit", "{{ inputs.limit }}"]]
        SubflowAction.objects.create(subflow=subflow, action=action, name=action.name, order=place, inputs=inputs)
    return subflow
