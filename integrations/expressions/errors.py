"""Errors of expressions, each a sentence for the administrator who wrote the expression."""

from django.utils.translation import gettext as _

LARGEST = 1024 * 1024  # characters of one text, one body, or all outputs together


class BadExpression(ValueError):
    """The expression cannot be parsed or evaluated. The message never contains a value."""


def too_large() -> BadExpression:
    return BadExpression(_("The result is too large: at most %(size)d characters.") % {"size": LARGEST})
