"""`doctor`: is an integration set up as its provider has it? Exit code 0: nothing to mend, 1: something is, 2: who?"""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.models.registry import Alias, ApplicationRegistry
from integrations.provider_setup import doctor
from integrations.provider_setup.doctor import Finding

TO_MEND, NOT_UNDERSTOOD = 1, 2  # exit codes; 0 is all well


class Command(BaseCommand):
    help = (
        "Compare what is set up with what providers publish, and try what can be tried without anybody's consent. "
        "Nothing is granted, ended or stored. Says of each finding whose it is to mend."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("alias", nargs="?", help="Name or id of one alias. Without it: everything that is active.")

    def handle(self, *_args: Any, alias: str | None, **_options: Any) -> None:
        faults = self.look_at(alias) if alias is not None else self.look_at_everything()
        if faults:
            raise CommandError(f"{faults} to mend.", returncode=TO_MEND)
        self.stdout.write("Nothing to mend.")

    def look_at(self, reference: str) -> int:
        alias = Alias.objects.named(reference).first()
        if alias is None:
            raise CommandError(f"There is no alias {reference!r}.", returncode=NOT_UNDERSTOOD)
        return self.tell(alias.name, doctor.examine_alias(alias))

    def look_at_everything(self) -> int:
        """Each registry once, however many aliases stand on it."""
        faults = 0
        for alias in Alias.objects.complete().filter(active=True).order_by("name"):
            faults += self.tell(alias.name, doctor.examine_alias(alias, below=False))
        for registry in ApplicationRegistry.objects.filter(active=True).order_by("name"):
            faults += self.tell(registry.name, doctor.examine_registry(registry))
        return faults

    def tell(self, name: str, findings: Iterable[Finding]) -> int:
        self.stdout.write(name)
        faults = 0
        for finding in findings:
            faults += finding.is_fault
            self.stdout.write(f"  {mark(finding)}  {finding.sentence}")
        return faults


def mark(finding: Finding) -> str:
    if finding.is_fault:
        return f"TO MEND by {finding.whose_label}:"
    return "open" if finding.is_open else "ok  "
