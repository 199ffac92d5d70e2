"""Jinja2's sandbox, narrowed to expressions over plain JSON: what is not listed here is refused when it is saved."""

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
DEEPEST = 30  # of one expression within another
KEPT_TESTS = (
    "defined", "undefined", "none", "boolean", "true", "false", "number", "integer", "float", "string", "mapping",
    "odd", "even", "in", "eq", "equalto", "ne", "lt", "lessthan", "le", "gt", "greaterthan", "ge", "==", "!=", "<",
    "<=", ">", ">=",
)  # fmt: skip
ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%"})
LARGEST_NUMBER = 2**1024  # which is where floats end; a product of two larger ones takes ever longer


class Sandbox(ImmutableSandboxedEnvironment):
    """Values are JSON: a name after a dot is a key, never a method; arithmetic is for numbers."""

    intercepted_binops = ARITHMETIC

    def __init__(self, finalize: Any = as_text) -> None:
        super().__init__(undefined=StrictUndefined, finalize=finalize, optimized=False, keep_trailing_newline=True)
        self.globals.clear()
        self.filters = {**filters.FILTERS, **operations.FILTERS}
        self.tests = {name: operations.TESTS.get(name, self.tests[name]) for name in KEPT_TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        budget.take()
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        told = _("“%(name)s” is not there.") % {"name": attribute}
        return obj if isinstance(obj, Undefined) else self.undefined(hint=told)

    def getitem(self, obj: Any, argument: Any) -> Any:
        budget.take()
        is_key = isinstance(obj, dict) and isinstance(argument, str) and argument in obj
        is_place = isinstance(obj, list | str) and isinstance(argument, int)
        if is_key or is_place:
            try:
                return obj[argument]
            except IndexError:
                pass
        return obj if isinstance(obj, Undefined) else self.undefined(hint=_("What stands in [ ] is not there."))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        budget.take()
        for side in (left, right):
            if isinstance(side, Undefined):
                str(side)  # which says what is not there
            if not isinstance(side, int | float) or isinstance(side, bool):
                raise BadExpression(_("Only numbers can be calculated with: %(sign)s.") % {"sign": operator})
            check_number(side)
        return self.binop_table[operator](left, right)


def check_number(number: Any) -> None:
    if isinstance(number, int) and abs(number) >= LARGEST_NUMBER:
        raise BadExpression(_("A number with more than 308 digits cannot be calculated with."))


def parsed(environment: Sandbox, source: str) -> nodes.Template:
    """The template as a tree, known to hold nothing but what is allowed. Raises `BadExpression` in words."""
    if len(source) > LONGEST_EXPRESSION:
        raise BadExpression(_("The template is longer than %(size)d characters.") % {"size": LONGEST_EXPRESSION})
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        raise BadExpression(_("The template cannot be read: %(why)s") % {"why": error.message}) from None
    except ValueError:  # of a number that Python would not read
        raise BadExpression(_("The template cannot be read: %(why)s") % {"why": _("a number is too long")}) from None
    except RecursionError:
        raise too_deep() from None
    check_nodes(tree.body, depth=0)
    return operations.counted(tree)


def check_nodes(found: Iterable[nodes.Node], *, depth: int) -> None:
    if depth > DEEPEST:
        raise too_deep()
    for node in found:
        check_node(node)
        check_nodes(node.iter_child_nodes(), depth=depth + 1)


def check_node(node: nodes.Node) -> None:
    if isinstance(node, nodes.Call):
        raise BadExpression(_("A template calls nothing: use filters, such as | default(0)."))
    if isinstance(node, nodes.Const):
        check_number(node.value)
    if not isinstance(node, ALLOWED):
        names = {"what": type(node).__name__.lower()}
        raise BadExpression(_("A template holds expressions in {{ }} only, no %(what)s.") % names)
    if isinstance(node, nodes.Filter | nodes.Test):
        known: Iterable[str] = filters.FILTERS if isinstance(node, nodes.Filter) else KEPT_TESTS
        if node.name not in known or node.dyn_args or node.dyn_kwargs:
            raise BadExpression(_("There is no “%(name)s” here. There are: %(known)s.") % names_of(node.name, known))


def names_of(name: str, known: Iterable[str]) -> dict[str, str]:
    return {"name": name, "known": ", ".join(sorted(known))}


def too_deep() -> BadExpression:
    return BadExpression(_("The template is nested too deeply."))
