"""JMESPath with limits: an expression can double its result at each step, so steps and sizes are counted."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import jmespath
from django.utils.translation import gettext as _
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions, signature
from jmespath.parser import ParsedResult
from jmespath.visitor import Options, TreeInterpreter

from integrations.expressions import budget as budgets
from integrations.expressions.budget import (
    LARGEST,
    LONGEST_EXPRESSION,
    BadExpression,
    Budget,
    as_json,
    scan_steps,
    spending,
    too_large,
)

MOST_ROWS = 200_000
LONGEST_TEXT = 10 * LARGEST
NEW_OBJECT_STEPS = 4  # for the memory that a new list or object takes
DESCENDED = frozenset(
    {"subexpression", "index_expression", "projection", "value_projection", "filter_projection", "flatten", "pipe"}
)
TAKE_EXPRESSIONS = frozenset({"map", "sort_by", "min_by", "max_by"})
MAKE_LISTS = frozenset({"map", "sort_by", "reverse", "sort", "keys", "values"})  # as long as their argument


class BoundedFunctions(Functions):
    """JMESPath's functions, charged before each call."""

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self.budget = budget

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        resolved_args = list(resolved_args)
        self.budget.take(1 + sum(map(scan_steps, resolved_args)))
        if function_name in MAKE_LISTS:
            for argument in resolved_args:
                check_rows(len(argument) if isinstance(argument, list | dict) else 0)
                self.budget.take(len(argument) if isinstance(argument, list | dict) else 0)
        return super().call_function(function_name, resolved_args)

    @signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, array: list[str]) -> str:
        length = sum(map(len, array)) + len(separator) * max(0, len(array) - 1)
        self.pay_for_text(length)
        return separator.join(array)

    @signature({"types": ["array", "string"]})
    def _func_reverse(self, arg: Any) -> Any:
        self.pay_for_text(len(arg) if isinstance(arg, str) else 0)
        return arg[::-1]

    @signature({"types": []})
    def _func_to_string(self, arg: Any) -> str:
        return arg if isinstance(arg, str) else as_json(arg, separators=(",", ":"))

    @signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: Any, search: Any) -> bool:
        budgets.take_for_search(search, subject)
        return search in subject

    @signature({"types": ["object"], "variadic": True})
    def _func_merge(self, *arguments: dict[str, Any]) -> dict[str, Any]:
        self.budget.take(sum(map(len, arguments)))
        return {name: value for each in arguments for name, value in each.items()}

    def pay_for_text(self, length: int) -> None:
        if length > LONGEST_TEXT:
            raise too_large()
        self.budget.take(characters=length)


class Bounded(TreeInterpreter):
    """Interpreter that charges each step, and refuses a list or text that is too large before building it."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(Options(custom_functions=BoundedFunctions(budget)))
        self.budget = budget

    def visit(self, node: Any, *arguments: Any, **options: Any) -> Any:
        self.budget.take()
        result = super().visit(node, *arguments, **options)
        if isinstance(result, list | str) and len(result) > (MOST_ROWS if isinstance(result, list) else LONGEST_TEXT):
            raise too_large()
        return result

    def visit_comparator(self, node: Any, value: Any) -> Any:
        sides = [self.visit(child, value) for child in node["children"]]
        budgets.take_for_comparison(*sides)
        return super().visit_comparator(node | {"children": [literal_node(side) for side in sides]}, value)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        check_rows(length := sum(len(each) if isinstance(each, list) else 1 for each in base))
        self.budget.take(length)
        return super().visit_flatten(node | {"children": [literal_node(base)]}, value)

    def visit_slice(self, node: Any, value: Any) -> Any:
        if isinstance(value, list):
            check_rows(length := len(range(*slice(*node["children"]).indices(len(value)))))
            self.budget.take(length)
        return super().visit_slice(node, value)

    def visit_multi_select_list(self, node: Any, value: Any) -> Any:
        self.budget.take(NEW_OBJECT_STEPS)
        return super().visit_multi_select_list(node, value)

    def visit_multi_select_dict(self, node: Any, value: Any) -> Any:
        self.budget.take(NEW_OBJECT_STEPS)
        return super().visit_multi_select_dict(node, value)

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        """Refuse expression references (&name) outside of the functions that take them: they are not values."""
        is_expression = [child["type"] == "expref" for child in node["children"]]
        if any(is_expression) and node["value"] not in TAKE_EXPRESSIONS:
            raise BadExpression(
                _("“&” is only for the functions %(names)s.") % {"names": ", ".join(sorted(TAKE_EXPRESSIONS))}
            )
        arguments = [
            super(Bounded, self).visit_expref(child, value) if is_reference else self.visit(child, value)
            for child, is_reference in zip(node["children"], is_expression, strict=True)
        ]
        return self._functions.call_function(node["value"], arguments)  # type: ignore[attr-defined]  # of TreeInterpreter

    def visit_expref(self, node: Any, value: Any) -> Any:
        raise BadExpression(
            _("“&” is only for the functions %(names)s.") % {"names": ", ".join(sorted(TAKE_EXPRESSIONS))}
        )


def literal_node(value: Any) -> Any:
    """Return a node for a value that has been evaluated, so that it is not evaluated twice."""
    return {"type": "literal", "children": [], "value": value}


def check_rows(count: int) -> None:
    if count > MOST_ROWS:
        raise too_large()


@lru_cache(maxsize=512)
def parse_path(expression: str) -> ParsedResult:
    if len(expression) > LONGEST_EXPRESSION:
        raise BadExpression(_("The path is longer than %(size)d characters.") % {"size": LONGEST_EXPRESSION})
    try:
        return jmespath.compile(expression)
    except JMESPathError as error:
        why = str(error).splitlines()[0]
        raise BadExpression(_("The path cannot be read (JMESPath): %(why)s") % {"why": why}) from None
    except ValueError:  # Python refuses to parse integers of thousands of digits
        raise BadExpression(
            _("The path cannot be read (JMESPath): %(why)s") % {"why": _("a number is too long")}
        ) from None
    except RecursionError:
        raise path_too_deep() from None


def path_too_deep() -> BadExpression:
    return BadExpression(_("The path is nested too deeply."))


def check_path(expression: str) -> None:
    """Raise `BadExpression` if this is not valid JMESPath."""
    try:
        names = functions_in(parse_path(expression).parsed)
    except RecursionError:
        raise path_too_deep() from None
    for name in names:
        if name not in Functions.FUNCTION_TABLE:
            raise BadExpression(_("There is no function “%(name)s” in JMESPath.") % {"name": name})


def functions_in(tree: Any) -> set[str]:
    names = {name for child in tree.get("children", ()) if isinstance(child, dict) for name in functions_in(child)}
    return names | ({str(tree["value"])} if tree.get("type") == "function_expression" else set())


def first_names(expression: str) -> tuple[str, str]:
    """Return the first two names of a path, or "": ("steps", "first") for steps.first.body.y."""
    parent: Any = {}
    node: Any = parse_path(expression).parsed
    while node["type"] in DESCENDED and node["children"]:
        parent, node = node, node["children"][0]
    if node["type"] != "field":
        return "", ""
    second = parent["children"][1] if parent.get("type") == "subexpression" else {"type": ""}
    return node["value"], second["value"] if second["type"] == "field" else ""


def extract_value(expression: str, data: Any) -> Any:
    """Return what the path leads to in the data; None if it leads nowhere. Raises `BadExpression`."""
    try:
        with spending() as budget:
            return Bounded(budget).visit(parse_path(expression).parsed, data)
    except BadExpression:
        raise
    except (JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError):
        raise BadExpression(_("The path (JMESPath) cannot be applied to this data.")) from None
