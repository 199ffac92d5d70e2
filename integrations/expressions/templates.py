"""Templates: Jinja2's sandbox, restricted to expressions over JSON, and the rendering of text, typed values and paths.

Syntax that is not listed here is refused on saving. A value in a path stays within its segment.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _
from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.environment import TemplateExpression
from jinja2.sandbox import ImmutableSandboxedEnvironment

from integrations.expressions import budget, filters, operations
from integrations.expressions.budget import LARGEST, LONGEST_EXPRESSION, BadExpression, as_text, too_large
from integrations.expressions.percent_encoding import DEEPEST, TooManyEncodings, unquote_fully

ALLOWED = (
    nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Const,
    nodes.Filter, nodes.Test, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand,
    nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos,
    nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword,
)  # fmt: skip
DEEPEST_NESTING = 30  # levels of nesting
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
    if depth > DEEPEST_NESTING:
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


Names = Mapping[str, Any]
FAULTS = (TemplateError, TypeError, ValueError, ArithmeticError, RecursionError)


LONGEST_SEGMENT = 8000  # characters; most servers refuse longer URLs


def quote_segment(value: Any) -> str:
    """Percent-encode one value of a path. Refuses a value that could leave its segment at some server."""
    text_value = as_text(value)
    if len(text_value) > LONGEST_SEGMENT:
        raise BadExpression(_("A value in a path can have at most %(size)d characters.") % {"size": LONGEST_SEGMENT})
    try:
        plain = unquote_fully(text_value, deepest=DEEPEST - 1)
    except TooManyEncodings:
        raise BadExpression(_("A value in a path is percent-encoded too many times.")) from None
    leads_out = plain.strip() in {"", ".", ".."} or any(sign in plain for sign in "/\\;") or not plain.isprintable()
    if leads_out:
        raise BadExpression(_("A value in a path can’t be empty, be only dots, or contain a slash or semicolon."))
    return quote(text_value, safe="")


PLAIN = Sandbox()
IN_PATHS = Sandbox(finalize=quote_segment)


def check_template(source: str) -> None:
    """Raise `BadExpression` if the template cannot be parsed or uses syntax that is not allowed."""
    tree = parse_template(PLAIN, source)
    try:
        PLAIN.from_string(tree)
    except (SyntaxError, MemoryError, *FAULTS):
        raise BadExpression(_("The template cannot be read.")) from None


def find_references(source: str) -> set[tuple[str, str]]:
    """Names that a template uses: ("steps", "first") for {{ steps.first.body }}, ("inputs", "") for {{ inputs }}."""
    tree = parse_template(PLAIN, source)
    below: list[Any] = [*tree.find_all(nodes.Getattr), *tree.find_all(nodes.Getitem)]
    named = {(node.node.name, key) for node in below if isinstance(node.node, nodes.Name) and (key := key_of(node))}
    return named | {(node.name, "") for node in tree.find_all(nodes.Name)}


def key_of(node: nodes.Getattr | nodes.Getitem) -> str:
    if isinstance(node, nodes.Getattr):
        return node.attr
    return str(node.arg.value) if isinstance(node.arg, nodes.Const) else ""


def render_text(source: str, names: Names) -> str:
    return render_template(source, names, in_path=False)


def render_path(source: str, names: Names) -> str:
    """Render a path: each value is percent-encoded and stays within its segment."""
    return render_template(source, names, in_path=True)


@lru_cache(maxsize=512)
def compile_template(source: str, *, in_path: bool) -> Template:
    environment = IN_PATHS if in_path else PLAIN
    return environment.from_string(parse_template(environment, source))


def render_template(source: str, names: Names, *, in_path: bool) -> str:
    pieces, length = [], 0
    try:
        with budget.spending() as limits:
            for piece in compile_template(source, in_path=in_path).generate(names):
                length += len(piece)
                if length > LARGEST:
                    raise too_large()
                limits.take(characters=len(piece))
                pieces.append(piece)
    except BadExpression:
        raise
    except FAULTS as error:
        raise not_applicable(error) from None
    return "".join(pieces)


def evaluate_template(source: str, names: Names) -> Any:
    """Evaluate a template. If it is nothing but one expression, the result keeps its type; otherwise it is text."""
    try:
        with budget.spending():
            expression = compile_sole_expression(source)
            if expression is None:
                return render_text(source, names)
            result = expression(names)
            as_text(result if isinstance(result, str) or not isinstance(result, list | dict) else "")
    except BadExpression:
        raise
    except FAULTS as error:
        raise not_applicable(error) from None
    return None if isinstance(result, Undefined) else result  # an “if” without “else”; as_text has refused all others


@lru_cache(maxsize=512)
def compile_sole_expression(source: str) -> TemplateExpression | None:
    """Compile a template that is nothing but {{ one expression }}, as Jinja's `compile_expression` does; else None."""
    body = parse_template(PLAIN, source.strip()).body
    output_nodes = body[0].nodes if len(body) == 1 and isinstance(body[0], nodes.Output) else []
    if len(output_nodes) != 1 or isinstance(output_nodes[0], nodes.TemplateData):
        return None
    assigned: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), output_nodes[0], lineno=1)]
    return TemplateExpression(PLAIN.from_string(nodes.Template(assigned, lineno=1)), undefined_to_none=False)


def evaluate_structure(source: Any, names: Names) -> Any:
    """Evaluate a JSON structure whose texts are templates, within one budget. Keys stay as they are."""
    with budget.spending():
        if isinstance(source, dict):
            return {key: evaluate_structure(below, names) for key, below in source.items()}
        if isinstance(source, list):
            return [evaluate_structure(below, names) for below in source]
        return evaluate_template(source, names) if isinstance(source, str) else source


def not_applicable(error: Exception) -> BadExpression:
    """Keep the message of a template error, which names what is missing. Other messages may contain values."""
    sentence = (error.message or "") if isinstance(error, TemplateError) else ""
    return BadExpression(sentence or _("The template cannot be applied to these values."))
