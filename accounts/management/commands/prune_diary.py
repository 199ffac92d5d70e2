"""`manage.py prune_diary`: deletes old events now. Beat deletes those older than AUDIT_LOG_DAYS."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.audit import log


class Command(BaseCommand):
    help = "Delete events older than a number of days from the audit log. Safe to stop and to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", type=parse_days, required=True, metavar="DAYS", help="Age in days.")

    def handle(self, *_args: Any, older_than: int, **_options: Any) -> None:
        deleted = log.delete_before(timezone.now() - timedelta(days=older_than))
        self.stdout.write(f"{deleted} events older than {older_than} days deleted.")


def parse_days(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 100_000:
        raise ArgumentTypeError("a number of days, at least 1")
    return int(text)
