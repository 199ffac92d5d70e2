"""Tools of one person with one token: subflows, remote tables, and calls of integrations that an administrator allowed.

A tool exists for whoever may use what is behind it, and is listed if the token has its scopes. Descriptions are the
administrators' words. What a third party answers is data in the result; it never gets into a description.
"""

import math
from dataclasses import replace
from typing import Any

from foundation.oauth_client import announced_waits
from integrations import flows, remote_tables
from integrations.calls.meanings import Answer
from integrations.connections.renewal import NoUsableToken
from integrations.mcp.exchanges import Exchange, Progress
from integrations.mcp.results import ToolAnswer, body_of, describe_failure, is_text, media_type
from integrations.mcp.tools import READING, RUN, RUNS, BadArguments, Tool, object_schema
from integrations.models import admission
from integrations.models.flows import Subflow
from integrations.models.flows.declared import InputType
from integrations.models.registry import AgentCalls, Alias
from integrations.models.remote_tables import RemoteTable
from integrations.personal_auth import NotAuthenticated

ROWS = 100
NAMES_SCOPES = "insufficient_scope"  # a failure whose sentence has names that a third party chose
WRITING = (*READING, "POST", "PUT", "PATCH", "DELETE")
TYPES: dict[str, dict[str, Any]] = {
    InputType.TEXT: {"type": "string"},
    InputType.INTEGER: {"type": "integer"},
    InputType.NUMBER: {"type": "number"},
    InputType.BOOLEAN: {"type": "boolean"},
    InputType.JSON: {},
}
# Why a third party refused a call, by the reason that `integrations.calls` found.
REFUSALS = {
    "token_refused": "{title} refuses the person’s token, and renewing it does not help.",
    "insufficient_scope": "The call needs more than the person has allowed at {title}.",
    "person_must_act": "The person has to do something at {title} before it accepts calls.",
    "rate_limited": "The rate limit of {title} is used up. Try again later.",
    "registration_wrong": "{title} does not accept Keyrack’s registration. An administrator must fix it.",
    "plan_ended": "The plan or licence at {title} does not include this call. An administrator must see to it.",
    "temporary": "{title} cannot answer at the moment. Try again later.",
    "not_found": "{title} has nothing at this address that this person may read.",
}


def tools_of(exchange: Exchange) -> list[Tool]:
    """All tools of the person, in a stable order; only those of the set, if there is one."""
    user, tool_set = exchange.api.user, exchange.tool_set
    subflows = Subflow.objects.available_to(user)
    tables = RemoteTable.objects.available_to(user).whole()
    aliases = admission.filter_admitted(user.pk, Alias.objects.personal()).exclude(agent_calls=AgentCalls.NONE)
    if tool_set:
        subflows = subflows.filter(toolset=tool_set)
        tables = tables.filter(toolset=tool_set)
        aliases = aliases.filter(toolset=tool_set)
    tools = [
        *map(subflow_tool, subflows),
        *map(table_tool, tables),
        *(call_tool(alias) for alias in aliases if alias.connection),
    ]
    return sorted(tools, key=lambda tool: tool.name)


# Subflows -------------------------------------------------------------------------------------------------------------


def subflow_tool(subflow: Subflow) -> Tool:
    def run(exchange: Exchange, arguments: dict[str, Any], progress: Progress) -> ToolAnswer:
        user = exchange.api.user
        try:
            run = flows.run_subflow(subflow.name, user=user, inputs=arguments, origin="MCP", observer=progress)
        except flows.BadInputs as error:
            raise BadArguments(str(error)) from None
        if run.error_code:
            failure = describe_failure(run.error_code, run.error, initiator_url=run.initiator_url)
            return replace(failure, is_third_party=run.error_code == NAMES_SCOPES)
        return ToolAnswer(values=dict(run.outputs), uri=f"{RUNS}{run.hex}")

    return Tool(
        name=f"run_{subflow.name.replace('.', '-')}",
        title=subflow.title,
        description=subflow.description or f"Runs the subflow “{subflow.title}”.",
        arguments={
            declared["name"]: TYPES[declared["type"]]
            | ({"default": declared["default"]} if declared.get("default") is not None else {})
            for declared in subflow.inputs
        },
        required=tuple(declared["name"] for declared in subflow.inputs if "default" not in declared),
        output=object_schema({declared["name"]: {} for declared in subflow.outputs}),
        reads_only=False,
        scope=RUN,
        call=run,
    )


# Remote tables --------------------------------------------------------------------------------------------------------


def table_tool(table: RemoteTable) -> Tool:
    columns = list(table.columns.all())

    def read(exchange: Exchange, arguments: dict[str, Any], _progress: Progress) -> ToolAnswer:
        user = exchange.api.user
        source = remote_tables.source_of(table, user)
        try:
            answer = remote_tables.read_table(table, user, source)
        except NoUsableToken as error:
            raise NotAuthenticated(source.main.initiator_url if source.main else "", code=error.code) from error
        except remote_tables.TurnedOff:
            return describe_failure("not_found", "The table’s integration is turned off.")
        except remote_tables.NotAllowed:
            return describe_failure(
                "provider_forbids", "The third party doesn't allow this person's account to read this."
            )
        rows = remote_tables.arrange_rows(answer, table, q=arguments.get("q", ""), sort=arguments.get("sort", ""))
        number = max(1, arguments.get("page", 1))
        page = rows.page(number, size=min(max(1, arguments.get("page_size", ROWS)), ROWS))
        is_there = number <= page.pages
        values = {
            "rows": [
                {column.name: cell.exact_value for column, cell in zip(columns, row, strict=True)}
                for row in (page.rows if is_there else [])
            ],
            "count": rows.count,
            "next_page": page.next if is_there else None,
            "limited": answer.is_cut,
        }
        return ToolAnswer(values=values)

    names = [column.name for column in columns]
    return Tool(
        name=f"read_{table.name}",
        title=table.title,
        description=f"Reads the table “{table.title}”. Columns: {', '.join(column.label for column in columns)}.",
        arguments={
            "q": {"type": "string", "description": "Only rows that contain all of these words."},
            "sort": {"type": "string", "enum": ["", *names, *(f"-{name}" for name in names)]},
            "page": {"type": "integer", "minimum": 1, "default": 1},
            "page_size": {"type": "integer", "minimum": 1, "maximum": ROWS, "default": ROWS},
        },
        output=object_schema(
            {
                "rows": {
                    "type": "array",
                    "items": object_schema({column.name: {"description": column.label} for column in columns}),
                },
                "count": {"type": "integer", "description": "Rows that match, on all pages."},
                "next_page": {"type": ["integer", "null"]},
                "limited": {"type": "boolean", "description": "There may be more rows than were read."},
            }
        ),
        reads_only=True,
        scope="remote-tables:read",
        call=read,
    )


# Calls ----------------------------------------------------------------------------------------------------------------


def call_tool(alias: Alias) -> Tool:
    methods = WRITING if alias.agent_calls == AgentCalls.WRITE else READING
    reads_only = alias.agent_calls != AgentCalls.WRITE

    def call(exchange: Exchange, arguments: dict[str, Any], _progress: Progress) -> ToolAnswer:
        response = exchange.api.request(
            alias.name,
            arguments["method"],
            arguments["path"],
            params=arguments.get("query"),
            json=arguments.get("body"),
            used_by=f"MCP ({exchange.rights.name or exchange.rights.client_id})",
        )
        values = {"status": response.status_code, "body": body_of(response)}
        if reason := response.headers.get("Keyrack-Reason", ""):
            refused = refusal_of(alias, reason, response)
            return ToolAnswer(values={**(refused.values or {}), **values}, is_failure=True)
        binary = b"" if isinstance(values["body"], dict | list) or is_text(response) else response.content
        return ToolAnswer(values=values, binary=binary, media_type=media_type(response))

    return Tool(
        name=f"call_{alias.name}",
        title=alias.title,
        description=alias.description or f"Calls {alias.title} as the person.",
        arguments={
            "method": {"type": "string", "enum": list(methods)},
            "path": {"type": "string", "description": f"Below the address of {alias.title}."},
            "query": {"type": "object", "description": "Parameters of the query."},
            **({} if reads_only else {"body": {"description": "Sent as JSON."}}),
        },
        required=("method", "path"),
        output=object_schema({"status": {"type": "integer"}, "body": {"description": "JSON as it is, or text."}}),
        reads_only=reads_only,
        scope=f"service:{alias.name}",
        call=call,
    )


def refusal_of(alias: Alias, reason: str, response: Answer) -> ToolAnswer:
    """Why the third party refused the call, and what helps, from the headers that `integrations.calls` adds."""
    wait = announced_waits.announced_wait(response.headers) if reason in {"rate_limited", "temporary"} else None
    return describe_failure(
        reason,
        REFUSALS[reason].format(title=alias.title),
        initiator_url=response.headers.get("Keyrack-Initiator-Url", ""),
        missing_scopes=response.headers.get("Keyrack-Missing-Scopes", ""),
        retry_after=None if wait is None else math.ceil(wait),
    )
