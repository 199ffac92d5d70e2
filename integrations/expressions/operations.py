"""Comparisons and slices in templates, paid for by the size of what they go through: Python would not stop in between.

Jinja compiles both to Python's own operators. `counted` makes filters of them, which no template can name.
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


def compare(left: Any, sign: str, right: Any) -> Any:
    if sign in ("in", "notin"):
        budget.find(left, right)
        return (left in right) == (sign == "in")
    budget.compare(left, right)
    return OPERATORS[sign](left, right)


def part_of(given: Any, start: Any, stop: Any, step: Any) -> Any:
    """given[start:stop:step], of a list or text."""
    if not isinstance(given, list | str):
        raise TypeError("neither a list nor a text")
    part = slice(start, stop, step)
    length = len(range(*part.indices(len(given))))
    budget.take(length if isinstance(given, list) else 1, characters=length if isinstance(given, str) else 0)
    return given[part]


FILTERS: dict[str, Callable[..., Any]] = {"compare": compare, "part": part_of}


def as_test(sign: str) -> Callable[[Any, Any], Any]:
    def test(left: Any, right: Any) -> Any:
        return compare(left, sign, right)

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
    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802 - Jinja calls it by this name
        """a < b < c is a < b and b < c."""
        self.generic_visit(node)
        left, both = node.expr, []
        for operand in node.ops:
            both.append(filter_of(node, "compare", left, nodes.Const(operand.op), operand.expr))
            left = operand.expr
        whole = both[0]
        for one in both[1:]:
            whole = nodes.And(whole, one, lineno=node.lineno)
        return whole

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802 - as above
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        ends = (node.arg.start, node.arg.stop, node.arg.step)
        return filter_of(node, "part", node.node, *(end or nodes.Const(None) for end in ends))


def filter_of(node: nodes.Node, name: str, left: nodes.Expr, *arguments: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(left, name, list(arguments), [], None, None, lineno=node.lineno)


def counted(tree: nodes.Template) -> nodes.Template:
    found: nodes.Template = _Counting().visit(tree)
    if tree.environment:
        found.set_environment(tree.environment)
    return found
