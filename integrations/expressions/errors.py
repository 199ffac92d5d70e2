"""What is wrong with an expression, in a sentence for the administrator who wrote it."""

from django.utils.translation import gettext as _

LARGEST = 1024 * 1024  # characters of one text, one body, all outputs


class BadExpression(ValueError):
    """Cannot be read, or cannot be applied. A sentence for the administrator; never holds a value."""


def too_large() -> BadExpression:
    return BadExpression(_("The result is too large: at most %(size)d characters.") % {"size": LARGEST})
