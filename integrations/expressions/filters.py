"""What stands behind "|" in a template. Each is paid for before it makes a text."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from jinja2.filters import FILTERS as JINJA

from integrations.expressions import budget
from integrations.expressions.bounds import as_json, as_text
from integrations.expressions.errors import LARGEST, BadExpression, too_large

MOST_TRIMMED = 100  # different characters, each of which is looked for at each place


def text_of(given: Any) -> str:
    """A text as it is, paid for; anything else as it would look in the middle of one."""
    if not isinstance(given, str):
        return as_text(given)
    budget.take(characters=len(given))
    return given


def upper(given: Any) -> str:
    return text_of(given).upper()


def lower(given: Any) -> str:
    return text_of(given).lower()


def trim(given: Any, chars: str | None = None) -> str:
    if chars is not None and len(chars) > MOST_TRIMMED:
        raise BadExpression(_("At most %(count)d characters can be trimmed.") % {"count": MOST_TRIMMED})
    return text_of(given).strip(chars)


def tojson(given: Any) -> str:
    return as_json(given)


def string(given: Any) -> str:
    return as_text(given)


def join(given: Any, separator: Any = ", ") -> str:
    """The parts of a list in one text."""
    if not isinstance(given, list):
        raise BadExpression(_("Only a list can be joined."))
    between = as_text(separator)
    parts, length = [], 0
    for part in map(as_text, given):
        budget.take()
        length += len(part) + len(between)
        if length > LARGEST + len(between):
            raise too_large()
        parts.append(part)
    return between.join(parts)


def scanned(name: str) -> Callable[..., Any]:
    """Jinja's own, which goes once through what it is given."""
    found: Callable[..., Any] = JINJA[name]

    def paid_for(given: Any, *arguments: Any, **named: Any) -> Any:
        budget.take(budget.price_of_scanning(given))
        return found(given, *arguments, **named)

    return paid_for


FILTERS: dict[str, Callable[..., Any]] = {
    **{name: scanned(name) for name in ("length", "count", "int", "float", "abs")},
    **{name: JINJA[name] for name in ("default", "d", "first", "last")},
    **{made.__name__: made for made in (upper, lower, trim, tojson, string, join)},
}
