"""`export_events`: the audit log as lines of JSON, to be kept elsewhere: `after_restore` reads it."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand

from integrations.management.commands.after_restore import parse_moment
from integrations.restore.ended_list import export_events


class Command(BaseCommand):
    help = "Print the audit log as lines of JSON, the oldest first. It holds no secrets, but names and addresses."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since", type=parse_moment, metavar="MOMENT", help="Such as 2026-11-30T02:00. Default: all."
        )

    def handle(self, *_args: Any, since: datetime | None, **_options: Any) -> None:
        for line in export_events(since):
            self.stdout.write(line)
