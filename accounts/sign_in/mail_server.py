"""Whether letters reach anybody."""

from django.conf import settings

UNSENT = ("console", "dummy")


def is_sent() -> bool:
    """Whether EMAIL_URL names a mail server. Else letters end in a log, which is no place for a link that opens."""
    return settings.EMAIL_BACKEND.rsplit(".", 2)[-2] not in UNSENT
