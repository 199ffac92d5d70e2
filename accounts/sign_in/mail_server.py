"""Is a real mail server configured?"""

from django.conf import settings

UNSENT = ("console", "dummy")  # backends that send nothing


def is_configured() -> bool:
    """Whether EMAIL_URL names a mail server. Else mails end in a log, where no link with a secret may be."""
    return settings.EMAIL_BACKEND.rsplit(".", 2)[-2] not in UNSENT
