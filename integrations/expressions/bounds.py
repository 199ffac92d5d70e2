"""How large anything may become that an expression makes, and the one way in which it becomes text."""

import json
from typing import Any

from django.utils.translation import gettext as _
from jinja2 import Undefined

from integrations.expressions import budget
from integrations.expressions.errors import LARGEST, BadExpression, too_large

LONGEST_EXPRESSION = 20_000  # characters


def as_json(given: Any, *, limit: int = LARGEST, separators: tuple[str, str] | None = None) -> str:
    """As JSON. How large it would become is looked at first."""
    budget.walk(given, limit=limit)
    try:
        written = json.dumps(given, allow_nan=False, separators=separators)
    except (TypeError, ValueError, RecursionError):
        raise BadExpression(_("The result cannot be written as JSON.")) from None
    budget.take(characters=len(written))
    if len(written) > limit:
        raise too_large()
    if "\\ud" in written and not is_encodable(json.dumps(given, ensure_ascii=False)):
        raise half_a_character()
    return written


def as_text(given: Any) -> str:
    """What a value looks like in the middle of a text: nothing for null, JSON for what is no text."""
    if given is None:
        return ""
    if isinstance(given, Undefined):
        return str(given)  # which refuses
    written = given if isinstance(given, str) else as_json(given)
    if len(written) > LARGEST:
        raise too_large()
    budget.take(characters=len(written))
    if not is_encodable(written):
        raise half_a_character()
    return written


def half_a_character() -> BadExpression:
    return BadExpression(_("The result holds half a character, which no text can."))


def is_encodable(written: str) -> bool:
    """JSON can name half of a surrogate pair; UTF-8 cannot."""
    try:
        return written.isascii() or bool(written.encode())
    except UnicodeEncodeError:
        return False
