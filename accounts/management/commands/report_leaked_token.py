"""`manage.py report_leaked_token < found.txt`: revokes the tokens in it and notifies their owners."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.views.decorators.debug import sensitive_variables

from accounts.api import leaked_tokens


class Command(BaseCommand):
    help = (
        "Revoke every permanent token, application password, access token and refresh token of Keyrack in the text on "
        "standard input, and notify their owners. Never pass them as arguments: other users can read those."
    )

    @sensitive_variables()
    def handle(self, *_arguments: Any, **_options: Any) -> None:
        if sys.stdin.isatty():
            self.stderr.write("Paste the text, then press Ctrl+D on an empty line.")
        ended = leaked_tokens.report_leak(sys.stdin.read(leaked_tokens.LONGEST_REPORT))
        self.stdout.write(f"Secrets revoked: {ended}." if ended else "Nothing to revoke.")
