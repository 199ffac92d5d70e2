"""Comparisons and slices in templates, charged by the size of their operands.

Jinja compiles both to Python's own operators, which cannot be interrupted. `count_operations` replaces
them with filters that charge the budget first. No template can use these by name: the sandbox checks names before.
"""

import operator
from collections.abc import Callable
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from integrations.expressions import budget

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}


def compare_values(left: Any, sign: str, right: Any) -> Any:
    if sign in ("in", "notin"):
        budget.take_for_search(left, right)
        return (left in right) == (sign == "in")
    budget.take_for_comparison(left, right)
    return OPERATORS[sign](left, right)


def slice_of(sequence: Any, start: Any, stop: Any, step: Any) -> Any:
    """sequence[start:stop:step], of a list or text."""
    if not isinstance(sequence, list | str):
        raise TypeError("neither a list nor a text")
    part = slice(start, stop, step)
    length = len(range(*part.indices(len(sequence))))
    budget.take(length if isinstance(sequence, list) else 1, characters=length if isinstance(sequence, str) else 0)
    return sequence[part]


FILTERS: dict[str, Callable[..., Any]] = {"compare": compare_values, "part": slice_of}


def as_test(sign: str) -> Callable[[Any, Any], Any]:
    def test(left: Any, right: Any) -> Any:
        return compare_values(left, sign, right)

    return test


SPELLINGS = {
    "eq": ("eq", "equalto", "=="),
    "ne": ("ne", "!="),
    "lt": ("lt", "lessthan", "<"),
    "lteq": ("le", "<="),
    "gt": ("gt", "greaterthan", ">"),
    "gteq": ("ge", ">="),
    "in": ("in",),
}
TESTS = {name: as_test(sign) for sign, names in SPELLINGS.items() for name in names}


class _Counting(NodeTransformer):
    """Replaces comparisons and slices with the filters above."""

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802 - Jinja calls it by this name
        """A chain such as a < b < c becomes a < b and b < c."""
        self.generic_visit(node)
        left_side, comparisons = node.expr, []
        for operand in node.ops:
            comparisons.append(filter_of(node, "compare", left_side, nodes.Const(operand.op), operand.expr))
            left_side = operand.expr
        conjunction = comparisons[0]
        for comparison in comparisons[1:]:
            conjunction = nodes.And(conjunction, comparison, lineno=node.lineno)
        return conjunction

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802 - as above
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        bounds = (node.arg.start, node.arg.stop, node.arg.step)
        return filter_of(node, "part", node.node, *(bound or nodes.Const(None) for bound in bounds))


def filter_of(node: nodes.Node, name: str, operand: nodes.Expr, *arguments: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(operand, name, list(arguments), [], None, None, lineno=node.lineno)


def count_operations(tree: nodes.Template) -> nodes.Template:
    """Return the tree with comparisons and slices replaced by charged filters."""
    transformed: nodes.Template = _Counting().visit(tree)
    if tree.environment:
        transformed.set_environment(tree.environment)
    return transformed
