"""Jinja2's sandbox, restricted to expressions over JSON. Syntax that is not listed here is refused on saving."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _
from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from integrations.expressions import budget, filters, operations
from integrations.expressions.bounds import LONGEST_EXPRESSION, as_text
from integrations.expressions.errors import BadExpression

ALLOWED = (
    nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Const,
    nodes.Filter, nodes.Test, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand,
    nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos,
    nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword,
)  # fmt: skip
DEEPEST = 30  # levels of nesting
ALLOWED_TESTS = (
    "defined", "undefined", "none", "boolean", "true", "false", "number", "integer", "float", "string", "mapping",
    "odd", "even", "in", "eq", "equalto", "ne", "lt", "lessthan", "le", "gt", "greaterthan", "ge", "==", "!=", "<",
    "<=", ">", ">=",
)  # fmt: skip
ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%"})
LARGEST_NUMBER = 2**1024  # where floats end; the product of two larger integers takes ever longer to compute


class Sandbox(ImmutableSandboxedEnvironment):
    """Environment for JSON values: a name after a dot is a key, never a method; arithmetic takes numbers only."""

    intercepted_binops = ARITHMETIC

    def __init__(self, finalize: Any = as_text) -> None:
        super().__init__(undefined=StrictUndefined, finalize=finalize, optimized=False, keep_trailing_newline=True)
        self.globals.clear()
        self.filters = {**filters.FILTERS, **operations.FILTERS}
        self.tests = {name: operations.TESTS.get(name, self.tests[name]) for name in ALLOWED_TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        budget.take()
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        hint = _("“%(name)s” doesn’t exist.") % {"name": attribute}
        return obj if isinstance(obj, Undefined) else self.undefined(hint=hint)

    def getitem(self, obj: Any, argument: Any) -> Any:
        budget.take()
        is_key = isinstance(obj, dict) and isinstance(argument, str) and argument in obj
        is_index = isinstance(obj, list | str) and isinstance(argument, int)
        if is_key or is_index:
            try:
                return obj[argument]
            except IndexError:
                pass
        return obj if isinstance(obj, Undefined) else self.undefined(hint=_("What [ ] refers to doesn’t exist."))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        budget.take()
        for side in (left, right):
            if isinstance(side, Undefined):
                str(side)  # raises, with the name that is undefined
            if not isinstance(side, int | float) or isinstance(side, bool):
                raise BadExpression(_("%(sign)s works with numbers only.") % {"sign": operator})
            check_number(side)
        return self.binop_table[operator](left, right)


def check_number(number: Any) -> None:
    if isinstance(number, int) and abs(number) >= LARGEST_NUMBER:
        raise BadExpression(_("Calculations can’t use a number with more than 308 digits."))


def parse_template(environment: Sandbox, source: str) -> nodes.Template:
    """Parse a template and check that all of its syntax is allowed. Raises `BadExpression`."""
    if len(source) > LONGEST_EXPRESSION:
        raise BadExpression(_("The template is longer than %(size)d characters.") % {"size": LONGEST_EXPRESSION})
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        raise BadExpression(_("The template cannot be read: %(why)s") % {"why": error.message}) from None
    except ValueError:  # Python refuses to parse integers of thousands of digits
        raise BadExpression(_("The template cannot be read: %(why)s") % {"why": _("a number is too long")}) from None
    except RecursionError:
        raise template_too_deep() from None
    check_nodes(tree.body, depth=0)
    return operations.count_operations(tree)


def check_nodes(tree_nodes: Iterable[nodes.Node], *, depth: int) -> None:
    if depth > DEEPEST:
        raise template_too_deep()
    for node in tree_nodes:
        check_node(node)
        check_nodes(node.iter_child_nodes(), depth=depth + 1)


def check_node(node: nodes.Node) -> None:
    if isinstance(node, nodes.Call):
        raise BadExpression(_("A template can’t call anything: use filters, such as | default(0)."))
    if isinstance(node, nodes.Const):
        check_number(node.value)
    if not isinstance(node, ALLOWED):
        names = {"what": type(node).__name__.lower()}
        raise BadExpression(_("A template can contain only expressions in {{ }}, not “%(what)s”.") % names)
    if isinstance(node, nodes.Filter | nodes.Test):
        available: Iterable[str] = filters.FILTERS if isinstance(node, nodes.Filter) else ALLOWED_TESTS
        if node.name not in available or node.dyn_args or node.dyn_kwargs:
            raise BadExpression(
                _("There is no “%(name)s” here. There are: %(known)s.") % names_of(node.name, available)
            )


def names_of(name: str, available: Iterable[str]) -> dict[str, str]:
    return {"name": name, "known": ", ".join(sorted(available))}


def template_too_deep() -> BadExpression:
    return BadExpression(_("The template is nested too deeply."))
