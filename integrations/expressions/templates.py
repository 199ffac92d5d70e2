"""Rendering: text, typed values, JSON structures, and paths whose values stay within their segment."""

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
from integrations.expressions.percent_encoding import DEEPEST, TooManyEncodings, fully_unquoted
from integrations.expressions.sandbox import Sandbox, parsed

Names = Mapping[str, Any]
FAULTS = (TemplateError, TypeError, ValueError, ArithmeticError, RecursionError)


LONGEST_SEGMENT = 8000  # characters; servers take no longer addresses, as a rule


def segment(given: Any) -> str:
    """One value in a path, percent-encoded. What could lead out of its segment at some server is refused."""
    written = as_text(given)
    if len(written) > LONGEST_SEGMENT:
        raise BadExpression(_("A value in a path has at most %(size)d characters.") % {"size": LONGEST_SEGMENT})
    try:
        plain = fully_unquoted(written, deepest=DEEPEST - 1)
    except TooManyEncodings:
        raise BadExpression(_("A value in a path is percent-encoded too many times.")) from None
    leads_out = plain.strip() in {"", ".", ".."} or any(sign in plain for sign in "/\\;") or not plain.isprintable()
    if leads_out:
        raise BadExpression(_("A value in a path is not empty and holds no slash, semicolon or dots alone."))
    return quote(written, safe="")


PLAIN = Sandbox()
IN_PATHS = Sandbox(finalize=segment)


def check(source: str) -> None:
    """Raises `BadExpression` where the template cannot be read or holds what is not allowed."""
    tree = parsed(PLAIN, source)
    try:
        PLAIN.from_string(tree)
    except (SyntaxError, MemoryError, *FAULTS):
        raise BadExpression(_("The template cannot be read.")) from None


def references(source: str) -> set[tuple[str, str]]:
    """What a template needs: ("steps", "first") for {{ steps.first.body }}, ("inputs", "") for {{ inputs }}."""
    tree = parsed(PLAIN, source)
    below: list[Any] = [*tree.find_all(nodes.Getattr), *tree.find_all(nodes.Getitem)]
    named = {(node.node.name, key) for node in below if isinstance(node.node, nodes.Name) and (key := key_of(node))}
    return named | {(node.name, "") for node in tree.find_all(nodes.Name)}


def key_of(node: nodes.Getattr | nodes.Getitem) -> str:
    if isinstance(node, nodes.Getattr):
        return node.attr
    return str(node.arg.value) if isinstance(node.arg, nodes.Const) else ""


def text(source: str, names: Names) -> str:
    return rendered(source, names, in_path=False)


def path(source: str, names: Names) -> str:
    """As text, each value percent-encoded and within its own segment."""
    return rendered(source, names, in_path=True)


@lru_cache(maxsize=512)
def compiled(source: str, *, in_path: bool) -> Template:
    environment = IN_PATHS if in_path else PLAIN
    return environment.from_string(parsed(environment, source))


def rendered(source: str, names: Names, *, in_path: bool) -> str:
    pieces, length = [], 0
    try:
        with budget.spending() as limits:
            for piece in compiled(source, in_path=in_path).generate(names):
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


def value(source: str, names: Names) -> Any:
    """Where the whole text is one expression, what it stands for, with its type; otherwise text."""
    try:
        with budget.spending():
            expression = sole_expression(source)
            if expression is None:
                return text(source, names)
            found = expression(names)
            as_text(found if isinstance(found, str) or not isinstance(found, list | dict) else "")
    except BadExpression:
        raise
    except FAULTS as error:
        raise not_applicable(error) from None
    return None if isinstance(found, Undefined) else found  # an “if” without “else”; as_text refuses all others


@lru_cache(maxsize=512)
def sole_expression(source: str) -> TemplateExpression | None:
    """As Jinja's own `compile_expression`, for a template that is nothing but {{ one expression }}."""
    body = parsed(PLAIN, source.strip()).body
    written = body[0].nodes if len(body) == 1 and isinstance(body[0], nodes.Output) else []
    if len(written) != 1 or isinstance(written[0], nodes.TemplateData):
        return None
    assigned: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), written[0], lineno=1)]
    return TemplateExpression(PLAIN.from_string(nodes.Template(assigned, lineno=1)), undefined_to_none=False)


def structure(given: Any, names: Names) -> Any:
    """A JSON structure whose texts are templates; keys are taken as they are. All of it within one budget."""
    with budget.spending():
        if isinstance(given, dict):
            return {key: structure(below, names) for key, below in given.items()}
        if isinstance(given, list):
            return [structure(below, names) for below in given]
        return value(given, names) if isinstance(given, str) else given


def not_applicable(error: Exception) -> BadExpression:
    """Jinja's own sentence names what is missing; other errors may hold values and keep them."""
    told = (error.message or "") if isinstance(error, TemplateError) else ""
    return BadExpression(told or _("The template cannot be applied to these values."))
