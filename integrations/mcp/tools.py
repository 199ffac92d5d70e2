"""One tool of an agent: its description, its arguments, and the resources that it can read. Knows no kinds of tools."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from foundation.exceptions import Explained
from integrations.mcp.exchanges import Exchange, Progress
from integrations.mcp.results import ToolAnswer

RUN = "subflows:run"
SCOPES = ("remote-tables:read", "service:*", RUN)  # all that tools need
RESOURCES, RUNS = "keyrack://tools/", "keyrack://runs/"  # what a call reads; what a run of a subflow has given
LIMITS = {"minimum": "at least", "maximum": "at most"}
READING = ("GET", "HEAD")
Call = Callable[[Exchange, dict[str, Any], Progress], ToolAnswer]


class BadArguments(Explained):
    """The arguments don't fit the tool's schema."""

    message = "The arguments don't fit the tool's schema."


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One tool. `call`: takes the exchange, the arguments and where to report progress; returns an answer."""

    name: str
    title: str
    description: str
    arguments: dict[str, Any]  # JSON Schemas by name
    required: tuple[str, ...] = ()
    output: dict[str, Any] | None = None
    reads_only: bool
    scope: str
    call: Call = field(repr=False)

    def describe(self) -> dict[str, Any]:
        """As `tools/list` has it."""
        schema: dict[str, Any] = {
            "type": "object",
            "properties": self.arguments,
            "required": list(self.required),
            "additionalProperties": False,
        }
        description: dict[str, Any] = {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": schema,
            "annotations": {
                "title": self.title,
                "readOnlyHint": self.reads_only,
                "destructiveHint": not self.reads_only,
                "openWorldHint": True,
            },
        }
        return description | ({"outputSchema": self.output} if self.output else {})

    def check(self, arguments: Any) -> dict[str, Any]:
        """Return the arguments. Raises `BadArguments` if names or types don't fit. Subflows check theirs again."""
        if not isinstance(arguments, dict):
            raise BadArguments("“arguments” must be an object.")
        if unknown := sorted(arguments.keys() - self.arguments.keys()):
            raise BadArguments(f"There is no argument {', '.join(unknown)}.")
        if missing := [name for name in self.required if name not in arguments]:
            raise BadArguments(f"These arguments are missing: {', '.join(missing)}.")
        for name, value in arguments.items():
            if not is_of_schema(value, self.arguments[name]):
                raise BadArguments(f"The argument {name} isn't {describe_schema(self.arguments[name])}.")
        return arguments

    def resource_uri(self, arguments: dict[str, Any]) -> str:
        """The address of what a call with these arguments reads; "" if the call may change something."""
        if not self.reads_only and arguments.get("method") not in READING:
            return ""
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in arguments.items()}
        return f"{RESOURCES}{self.name}{'?' if texts else ''}{urlencode(texts)}"

    @property
    def resource_template(self) -> str:
        """URI template (RFC 6570) of the resources that the tool can read; "" if there is none."""
        if not self.reads_only and "method" not in self.arguments:
            return ""
        return f"{RESOURCES}{self.name}{{?{','.join(self.arguments)}}}"

    def arguments_in(self, query: str) -> dict[str, Any]:
        """The arguments in the query of such an address. Raises `BadArguments` if a value has another type."""
        texts = dict(parse_qsl(query, keep_blank_values=True))
        try:
            return {
                name: text if self.arguments.get(name, {}).get("type", "string") == "string" else json.loads(text)
                for name, text in texts.items()
            }
        except (ValueError, RecursionError):
            raise BadArguments("A value in the address is not of its type.") from None


def is_of_schema(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value has the type and is among the values that a schema of ours names."""
    kinds: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "object": dict, "boolean": bool}
    kind = kinds.get(schema.get("type", ""))
    if isinstance(value, bool) and kind is not bool and kind is not None:
        return False
    if isinstance(value, int | float) and LIMITS.keys() & schema.keys():
        lowest, highest = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        if not lowest <= value <= highest:
            return False
    return (kind is None or isinstance(value, kind)) and ("enum" not in schema or value in schema["enum"])


def describe_schema(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return f"one of {', '.join(filter(None, schema['enum']))}"
    limits = [f"{words} {schema[name]}" for name, words in LIMITS.items() if name in schema]
    return ", ".join([f"of the type {schema['type']}", *limits])


def object_schema(properties: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Of an output. Requires nothing: a failure and a cut result have other values."""
    return {"type": "object", "properties": properties}
