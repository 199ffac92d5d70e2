"""`demo_seed`: sign-ins of the demo's users. Outputs the link that signs the visitor in."""

import os
import secrets
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from demo import access, seed, sign_ins, tasks, views
from demo.browserless import NotOfferedError
from demo.management import refuse_elsewhere
from foundation.oauth_client.errors import OAuthError

PATIENCE = 60.0


class Command(BaseCommand):
    help = "Sign the people of the demo in, once; writes the demo user's link to standard output. Safe to repeat."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Seed sign-ins. Needs the running worker and provider."""
        refuse_elsewhere()
        check_worker()
        if not seed.is_done():
            try:
                sign_ins.amira(os.environ["PROVIDER_URL"])
                sign_ins.tomas(os.environ["PROVIDER_URL"])
            except (sign_ins.NotSeeded, NotOfferedError, OAuthError) as error:
                raise CommandError(f"The people of the demo could not sign in: {error}") from error
            seed.note_done()
        amira = User.objects.get(username="amira")
        access.seed_agent(amira)
        self.stdout.write(views.link(amira))


def check_worker() -> None:
    """Send a task through the broker, and wait until the worker has written its mark."""
    mark, answer = secrets.token_hex(8), settings.DATA_DIR / tasks.ANSWER
    tasks.answer.delay(mark)
    give_up_at = time.monotonic() + PATIENCE
    while not (answer.exists() and answer.read_text(encoding="ascii") == mark):
        if time.monotonic() > give_up_at:
            raise CommandError(f"The worker has not done a task for {PATIENCE:.0f} seconds.")
        time.sleep(0.1)
