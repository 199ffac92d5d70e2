"""`provider_seed [FILE] [--fresh]`: people, what is theirs, and the clients of a JSON document."""

import json
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from oauth2_provider.models import AccessToken, Grant, IDToken, RefreshToken

from demo.provider import clients, people
from demo.provider.models import Arrival, IssuedToken, Server


class Command(BaseCommand):
    """Safe to repeat: what is there is updated, what is not named stays."""

    help = "Create the demo accounts and the clients of a JSON document, read from FILE or from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        """FILE and --fresh."""
        parser.add_argument("file", nargs="?", default="-", metavar="FILE", help='JSON list of clients; "-" is stdin')
        parser.add_argument("--fresh", action="store_true", help="also delete all tokens and set every switch off")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check the whole document first, then write."""
        specs = clients.read(_document(options["file"]))
        people.seed(settings.DEMO_PASSWORD)
        if options["fresh"]:
            _forget()
        for client in specs:
            clients.store(client, reset_switches=options["fresh"])
        self.stdout.write(f"People: {len(people.PEOPLE)}, clients: {len(specs)}. Ready.")


def _document(file: str) -> object:
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError("The document is not JSON.") from error


def _forget() -> None:
    for model in (RefreshToken, AccessToken, IDToken, Grant, IssuedToken, Arrival, Server):
        model.objects.all().delete()
