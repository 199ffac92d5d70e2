"""Commands for `manage.py demo` only: they write users with passwords into the database."""

from django.conf import settings
from django.core.management.base import CommandError


def refuse_elsewhere() -> None:
    if not settings.DEMO:
        raise CommandError("Only `manage.py demo` runs this.")
