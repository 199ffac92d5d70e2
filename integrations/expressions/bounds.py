"""How large anything may become that an expression makes, and the one way in which it becomes text."""

import json
from typing import Any

from django.utils.translation import gettext as _
from jinja2 import Undefined

LARGEST = 1024 * 1024  # characters of one text, one body, all outputs
LONGEST_EXPRESSION = 20_000  # characters


class BadExpression(ValueError):
    """Cannot be read, or cannot be applied. A sentence for the administrator; never holds a value."""


def too_large() -> BadExpression:
    return BadExpression(_("The result is too large: at most %(size)d characters.") % {"size": LARGEST})


def as_json(given: Any, *, limit: int = LARGEST) -> str:
    """As JSON, piece by piece, so that a small structure that names a large one many times stops in time."""
    pieces, length = [], 0
    try:
        for piece in json.JSONEncoder(allow_nan=False).iterencode(given):
            length += len(piece)
            if length > limit:
                raise too_large()
            pieces.append(piece)
    except BadExpression:
        raise
    except (TypeError, ValueError, RecursionError):
        raise BadExpression(_("The result cannot be written as JSON.")) from None
    written = "".join(pieces)
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
