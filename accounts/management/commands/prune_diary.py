"""`prune_diary`: lets go of what happened long ago. The only thing that ever leaves the diary."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.audit import log


class Command(BaseCommand):
    help = "Delete events from the diary that are older than so many days. Safe to stop and to run again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", type=days, required=True, metavar="DAYS", help="How old is old.")

    def handle(self, *_args: Any, older_than: int, **_options: Any) -> None:
        gone = log.prune(timezone.now() - timedelta(days=older_than))
        self.stdout.write(f"{gone} events older than {older_than} days deleted.")


def days(typed: str) -> int:
    if not typed.isdecimal() or not 0 < int(typed) < 100_000:
        raise ArgumentTypeError("a number of days, at least 1")
    return int(typed)
