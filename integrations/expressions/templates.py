"""Rendering of templates: text, typed values, JSON structures, and paths whose values stay within their segment."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _
from jinja2 import Template, TemplateError, Undefined, nodes
from jinja2.environment import TemplateExpression

from integrations.expressions import budget
from integrations.expressions.bounds import as_text
from integrations.expressions.errors import LARGEST, BadExpression, too_large
from integrations.expressions.percent_encoding import DEEPEST, TooManyEncodings, unquote_fully
from integrations.expressions.sandbox import Sandbox, parse_template

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
