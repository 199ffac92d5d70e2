"""JMESPath within bounds: an expression can double what it finds at each step, so that steps and sizes are counted."""

from functools import lru_cache
from time import monotonic
from typing import Any

import jmespath
from django.utils.translation import gettext as _
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.parser import ParsedResult
from jmespath.visitor import TreeInterpreter

from integrations.expressions.bounds import LARGEST, LONGEST_EXPRESSION, BadExpression, too_large

MOST_STEPS = 3_000_000
LONGEST = 10.0  # seconds
MOST_ROWS = 200_000
LONGEST_TEXT = 10 * LARGEST
DESCENDED = frozenset(
    {"subexpression", "index_expression", "projection", "value_projection", "filter_projection", "flatten", "pipe"}
)


class Bounded(TreeInterpreter):
    """Stops in time: after so many steps, and sooner where each of them goes through megabytes."""

    def __init__(self) -> None:
        super().__init__()
        self.steps, self.ends_at = 0, monotonic() + LONGEST

    def visit(self, node: Any, *arguments: Any, **options: Any) -> Any:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise too_large()
        if monotonic() > self.ends_at:
            raise BadExpression(_("The path takes too long with what was found."))
        found = super().visit(node, *arguments, **options)
        if isinstance(found, list | str) and len(found) > (MOST_ROWS if isinstance(found, list) else LONGEST_TEXT):
            raise too_large()
        return found


@lru_cache(maxsize=512)
def parsed(expression: str) -> ParsedResult:
    if len(expression) > LONGEST_EXPRESSION:
        raise BadExpression(_("The path is longer than %(size)d characters.") % {"size": LONGEST_EXPRESSION})
    try:
        return jmespath.compile(expression)
    except JMESPathError as error:
        why = str(error).splitlines()[0]
        raise BadExpression(_("The path cannot be read (JMESPath): %(why)s") % {"why": why}) from None
    except RecursionError:
        raise too_deep() from None


def too_deep() -> BadExpression:
    return BadExpression(_("The path is nested too deeply."))


def check_path(expression: str) -> None:
    """Raises `BadExpression` where it is no JMESPath."""
    try:
        names = functions_in(parsed(expression).parsed)
    except RecursionError:
        raise too_deep() from None
    for name in names:
        if name not in Functions.FUNCTION_TABLE:
            raise BadExpression(_("There is no function “%(name)s” in JMESPath.") % {"name": name})


def functions_in(tree: Any) -> set[str]:
    below = {name for child in tree.get("children", ()) if isinstance(child, dict) for name in functions_in(child)}
    return below | ({str(tree["value"])} if tree.get("type") == "function_expression" else set())


def beginning(expression: str) -> tuple[str, str]:
    """The first two names of a path: ("steps", "first") of steps.first.body.y; "" where there is no such name."""
    above: Any = {}
    node: Any = parsed(expression).parsed
    while node["type"] in DESCENDED and node["children"]:
        above, node = node, node["children"][0]
    if node["type"] != "field":
        return "", ""
    second = above["children"][1] if above.get("type") == "subexpression" else {"type": ""}
    return node["value"], second["value"] if second["type"] == "field" else ""


def extracted(expression: str, found: Any) -> Any:
    """What the path leads to; None where it leads nowhere."""
    try:
        return Bounded().visit(parsed(expression).parsed, found)
    except BadExpression:
        raise
    except (JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError):
        raise BadExpression(_("The path (JMESPath) cannot be applied to what was found.")) from None
