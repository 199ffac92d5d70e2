"""`run_subflow`: run a subflow in a person's name; what it gives is written to standard output as JSON."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from integrations import flows
from integrations.flows import actions
from integrations.models.flows import RunState, Subflow, SubflowRun

NOT_DONE, NOT_UNDERSTOOD = 1, 2  # exit codes; 0 is all done


class Command(BaseCommand):
    help = "Run a subflow for a person and write its outputs as JSON. Exit code 1: it failed; 2: it cannot be run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="Name of the subflow.")
        parser.add_argument("--user", required=True, metavar="USERNAME", help="For whom it runs.")
        parser.add_argument(
            "--input", type=pair, action="append", default=[], metavar="K=V", help="One input; may be repeated."
        )
        parser.add_argument("--background", action="store_true", help="Leave it to a worker; writes the run's id.")

    def handle(
        self, *_args: Any, name: str, user: str, input: list[tuple[str, str]], background: bool, **_options: Any
    ) -> None:
        try:
            run = begin(name, user, dict(input), background=background)
        except flows.NotAvailable:
            told = f"There is no active subflow named “{name}” that {user} may run."
            raise CommandError(told, returncode=NOT_UNDERSTOOD) from None
        except flows.BadInputs as error:
            raise CommandError(str(error), returncode=NOT_UNDERSTOOD) from None
        if run.status in (RunState.FAILED, RunState.CANCELLED):
            where = f" {settings.SITE_URL}{run.initiator_url}" if run.initiator_url else ""
            raise CommandError(f"{run.error} ({run.error_code}){where}", returncode=NOT_DONE)
        self.stdout.write(run.hex if background else json.dumps(run.outputs, indent=2))


def begin(name: str, username: str, given: dict[str, str], *, background: bool) -> SubflowRun:
    user = User.objects.filter(username=username).first()
    subflow = Subflow.objects.filter(name=name).first()
    if user is None or subflow is None:
        raise flows.NotAvailable
    start = flows.start_subflow if background else flows.run_subflow
    inputs = actions.from_texts(subflow.inputs, given)
    return start(name, user=user, inputs=inputs, origin="Command line")


def pair(typed: str) -> tuple[str, str]:
    name, sign, value = typed.partition("=")
    if not sign or not name:
        raise ArgumentTypeError("name=value")
    return name, value
