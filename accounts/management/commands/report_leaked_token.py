"""`manage.py report_leaked_token < found.txt`: what stands in it and is ours is dead, and its owner told."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.views.decorators.debug import sensitive_variables

from accounts import leaks


class Command(BaseCommand):
    help = (
        "Revoke every permanent token, application password, access token and refresh token of Keyrack that stands in "
        "the text on standard input, and tell their owners. Not as an argument: others on the machine can read those."
    )

    @sensitive_variables()
    def handle(self, *_arguments: Any, **_options: Any) -> None:
        if sys.stdin.isatty():
            self.stderr.write("Paste what was found, then press Ctrl+D on a line of its own.")
        ended = leaks.report(sys.stdin.read(leaks.LONGEST))
        self.stdout.write(f"{ended} of ours found alive and revoked." if ended else "Nothing of ours that was alive.")
