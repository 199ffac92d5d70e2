"""Actions and subflows of the demo, as an administrator would set them up."""

from dataclasses import dataclass, field

from integrations.models.flows import Action, RestStep, Subflow, SubflowAction
from integrations.models.registry import Alias

Rows = list[dict[str, str | int]]
WORD: Rows = [{"name": "q", "type": "text", "default": ""}]
LIMIT: Rows = [{"name": "limit", "type": "integer", "default": 5}]


@dataclass(frozen=True, kw_only=True)
class Composed:
    """One call, as an action and as a subflow with the same output."""

    action: str
    subflow: str
    label: str
    description: str
    alias: str
    path: str
    scopes: str
    output: str
    found_at: str
    inputs: Rows = field(default_factory=list)


COMPOSED = (
    Composed(
        action="open_incidents",
        subflow="my_open_incidents",
        label="My open incidents",
        description="The tickets that Copper Tickets shows to whoever runs it.",
        alias="copper_tickets",
        path="notes/",
        scopes="notes:read",
        output="incidents",
        found_at="steps.list.body.results[*].{number: id, title: title, opened_at: created_at}",
        inputs=LIMIT,
    ),
    Composed(
        action="find_contacts",
        subflow="my_contacts",
        label="My contacts",
        description="Looks up contacts in Northwind CRM, by a part of the name, the company or the city.",
        alias="northwind",
        path="contacts/",
        scopes="contacts:read",
        output="contacts",
        found_at="steps.list.body.results[*].{name: name, company: company, city: city}",
        inputs=WORD,
    ),
)


def rows() -> None:
    """Create all actions and subflows. Safe to repeat."""
    for composed in COMPOSED:
        if not Subflow.objects.filter(name=composed.subflow).exists():
            subflow(composed, action(composed))


def action(composed: Composed) -> Action:
    row = Action.objects.create(
        name=composed.action,
        description=composed.description,
        inputs=composed.inputs,
        outputs=[{"name": composed.output, "path": composed.found_at}],
    )
    RestStep.objects.create(
        action=row,
        name="list",
        alias=Alias.objects.get(name=composed.alias),
        path=composed.path,
        query=handed_on(composed),
        scopes=composed.scopes,
    )
    return row


def subflow(composed: Composed, first: Action) -> None:
    row = Subflow.objects.create(
        name=composed.subflow,
        label=composed.label,
        description=composed.description,
        inputs=composed.inputs,
        outputs=[{"name": composed.output, "path": f"actions.{first.name}.{composed.output}"}],
    )
    SubflowAction.objects.create(subflow=row, action=first, name=first.name, inputs=handed_on(composed))


def handed_on(composed: Composed) -> list[list[str]]:
    return [[str(row["name"]), f"{{{{ inputs.{row['name']} }}}}"] for row in composed.inputs]
