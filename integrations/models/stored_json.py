"""Which JSON may be stored: PostgreSQL refuses some of what JSON can spell."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from integrations import expressions
from integrations.expressions import BadExpression


def check_kept(given: Any) -> None:
    """Every database keeps it as it is: JSON without NaN, halves of characters and null characters."""
    try:
        written = expressions.as_json(given)
    except BadExpression as error:
        raise ValidationError(str(error)) from None
    if r"\u0000" in written:
        raise ValidationError(_("Null characters are not allowed."))
