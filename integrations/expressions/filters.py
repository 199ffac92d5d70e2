"""Filters of templates. Each charges the budget before it builds a text."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from jinja2.filters import FILTERS as JINJA

from integrations.expressions import budget
from integrations.expressions.budget import LARGEST, BadExpression, as_json, as_text, too_large

MOST_TRIMMED = 100  # different characters: strip() compares each of them at each position


def to_text(value: Any) -> str:
    """Convert to text as `as_text` does. Charges the budget for a text that stays as it is, too."""
    if not isinstance(value, str):
        return as_text(value)
    budget.take(characters=len(value))
    return value


def upper(value: Any) -> str:
    return to_text(value).upper()


def lower(value: Any) -> str:
    return to_text(value).lower()


def trim(value: Any, chars: str | None = None) -> str:
    if chars is not None and len(chars) > MOST_TRIMMED:
        raise BadExpression(_("trim takes at most %(count)d characters.") % {"count": MOST_TRIMMED})
    return to_text(value).strip(chars)


def tojson(value: Any) -> str:
    return as_json(value)


def string(value: Any) -> str:
    return as_text(value)


def join(value: Any, separator: Any = ", ") -> str:
    """Join the items of a list into one text, charging for each item before the text is built."""
    if not isinstance(value, list):
        raise BadExpression(_("join needs a list."))
    separator_text = as_text(separator)
    parts, length = [], 0
    for part in map(as_text, value):
        budget.take()
        length += len(part) + len(separator_text)
        if length > LARGEST + len(separator_text):
            raise too_large()
        parts.append(part)
    return separator_text.join(parts)


def charge_scan(name: str) -> Callable[..., Any]:
    """Wrap one of Jinja's filters that scan their value once, so that the scan is charged."""
    jinja_filter: Callable[..., Any] = JINJA[name]

    def charged(value: Any, *arguments: Any, **options: Any) -> Any:
        budget.take(budget.scan_steps(value))
        return jinja_filter(value, *arguments, **options)

    return charged


FILTERS: dict[str, Callable[..., Any]] = {
    **{name: charge_scan(name) for name in ("length", "count", "int", "float", "abs")},
    **{name: JINJA[name] for name in ("default", "d", "first", "last")},
    **{function.__name__: function for function in (upper, lower, trim, tojson, string, join)},
}
