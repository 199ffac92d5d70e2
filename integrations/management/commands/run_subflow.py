"""`run_subflow`: run a subflow as a user, and write its outputs to standard output as JSON."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from integrations import flows
from integrations.flows import actions
from integrations.models.flows import RunState, Subflow, SubflowRun

NOT_DONE, NOT_UNDERSTOOD = 1, 2  # exit codes; 0: done


class Command(BaseCommand):
    help = "Run a subflow as a user and write its outputs as JSON. Exit code 1: it failed; 2: it cannot be run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="Name of the subflow.")
        parser.add_argument("--user", required=True, metavar="USERNAME", help="The user it runs as.")
        parser.add_argument(
            "--input", type=parse_input, action="append", default=[], metavar="K=V", help="One input; may be repeated."
        )
        parser.add_argument("--background", action="store_true", help="Let a worker run it, and write the run's id.")

    def handle(
        self, *_args: Any, name: str, user: str, input: list[tuple[str, str]], background: bool, **_options: Any
    ) -> None:
        person, inputs = User.objects.filter(username=user).first(), dict(input)
        if person is None:
            raise CommandError(f"There is no user named “{user}”.", returncode=NOT_UNDERSTOOD)
        if len(inputs) < len(input):
            raise CommandError("An input is given twice.", returncode=NOT_UNDERSTOOD)
        try:
            run = start_run(name, person, inputs, background=background)
        except flows.NotAvailable:
            message = f"There is no active subflow named “{name}” that {user} may run."
            raise CommandError(message, returncode=NOT_UNDERSTOOD) from None
        except flows.BadInputs as error:
            raise CommandError(str(error), returncode=NOT_UNDERSTOOD) from None
        if run.status in (RunState.FAILED, RunState.CANCELLED):
            sign_in_url = f" {settings.SITE_URL}{run.initiator_url}" if run.initiator_url else ""
            raise CommandError(f"{run.error} ({run.error_code}){sign_in_url}", returncode=NOT_DONE)
        self.stdout.write(run.hex if background else json.dumps(run.outputs, indent=2))


def start_run(name: str, user: User, typed_inputs: dict[str, str], *, background: bool) -> SubflowRun:
    subflow = Subflow.objects.filter(name=name).first()
    if subflow is None:
        raise flows.NotAvailable
    start = flows.start_subflow if background else flows.run_subflow
    inputs = actions.parse_inputs(subflow.inputs, typed_inputs)
    return start(name, user=user, inputs=inputs, origin="Command line")


def parse_input(typed: str) -> tuple[str, str]:
    name, sign, value = typed.partition("=")
    if not sign or not name:
        raise ArgumentTypeError("name=value")
    return name, value
