"""`demo_prepare`: tables, static files and rows, before servers start. Outputs our clients for the provider."""

import json
import os
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from demo import seed
from demo.management import refuse_elsewhere


class Command(BaseCommand):
    help = "Prepare the demo; writes the clients for `provider_seed` to standard output, as JSON. Safe to repeat."

    def handle(self, *_args: Any, **_options: Any) -> None:
        refuse_elsewhere()
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        provider_url = os.environ["PROVIDER_URL"]
        seed.follow(provider_url)
        if not seed.is_done():
            seed.rows(provider_url)
        self.stdout.write(json.dumps(seed.clients()))
