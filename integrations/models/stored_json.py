"""Validation of JSON that is stored: PostgreSQL refuses some of what JSON can express."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from integrations import expressions
from integrations.expressions import BadExpression


def check_storable(value: Any) -> None:
    """Check that every database stores it unchanged: no NaN, no lone surrogates, no null characters."""
    try:
        text = expressions.as_json(value)
    except BadExpression as error:
        raise ValidationError(str(error)) from None
    if r"\u0000" in text:
        raise ValidationError(_("Null characters are not allowed."))
