"""Values of expressions as JSON and as text, with a size limit."""

import json
from typing import Any

from django.utils.translation import gettext as _
from jinja2 import Undefined

from integrations.expressions import budget
from integrations.expressions.errors import LARGEST, BadExpression, too_large

LONGEST_EXPRESSION = 20_000  # characters


def as_json(value: Any, *, limit: int = LARGEST, separators: tuple[str, str] | None = None) -> str:
    """Serialize to JSON. The size is checked before anything is built. Raises `BadExpression`."""
    budget.take_for_visit(value, limit=limit)
    try:
        text = json.dumps(value, allow_nan=False, separators=separators)
    except (TypeError, ValueError, RecursionError):
        raise BadExpression(_("The result cannot be written as JSON.")) from None
    budget.take(characters=len(text))
    if len(text) > limit:
        raise too_large()
    # Only a \ud… escape can be a lone surrogate, so most results are not encoded a second time.
    if "\\ud" in text and not is_encodable(json.dumps(value, ensure_ascii=False)):
        raise half_a_character()
    return text


def as_text(value: Any) -> str:
    """Convert a value for use within a text: "" for null, a text as it is, anything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, Undefined):
        return str(value)  # raises: the name is undefined
    text = value if isinstance(value, str) else as_json(value)
    if len(text) > LARGEST:
        raise too_large()
    budget.take(characters=len(text))
    if not is_encodable(text):
        raise half_a_character()
    return text


def half_a_character() -> BadExpression:
    return BadExpression(_("The result contains half a character, which a text can’t hold."))


def is_encodable(text: str) -> bool:
    """Whether the text can be encoded as UTF-8. JSON can spell half of a surrogate pair; UTF-8 cannot."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False
