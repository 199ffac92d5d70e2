"""`doctor`: check integrations against their providers. Exit code 0: nothing to fix; 1: faults; 2: no such alias."""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.models.registry import Alias, ApplicationRegistry
from integrations.provider_setup import doctor
from integrations.provider_setup.doctor import Finding

TO_FIX, NOT_UNDERSTOOD = 1, 2  # exit codes; 0: nothing to fix


class Command(BaseCommand):
    help = (
        "Compare the set-up with what providers publish, and try each endpoint with made-up values. "
        "Nothing is granted, revoked or stored. Each finding says who can fix it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("alias", nargs="?", help="Name or id of one alias. Default: everything active.")

    def handle(self, *_args: Any, alias: str | None, **_options: Any) -> None:
        faults = self.examine(alias) if alias is not None else self.examine_all()
        if faults:
            raise CommandError(f"{faults} to fix.", returncode=TO_FIX)
        self.stdout.write("Nothing to fix.")

    def examine(self, reference: str) -> int:
        alias = Alias.objects.named(reference).first()
        if alias is None:
            raise CommandError(f"There is no alias {reference!r}.", returncode=NOT_UNDERSTOOD)
        return self.write_findings(alias.name, doctor.examine_alias(alias))

    def examine_all(self) -> int:
        """Examine all active aliases, and each active registry once."""
        faults = 0
        for alias in Alias.objects.complete().filter(active=True).order_by("name"):
            faults += self.write_findings(alias.name, doctor.examine_alias(alias, below=False))
        for registry in ApplicationRegistry.objects.filter(active=True).order_by("name"):
            faults += self.write_findings(registry.name, doctor.examine_registry(registry))
        return faults

    def write_findings(self, name: str, findings: Iterable[Finding]) -> int:
        self.stdout.write(name)
        faults = 0
        for finding in findings:
            faults += finding.is_fault
            self.stdout.write(f"  {mark(finding)}  {finding.sentence}")
        return faults


def mark(finding: Finding) -> str:
    if finding.is_fault:
        return f"TO FIX, by {finding.whose_label}:"
    return "open" if finding.is_open else "ok  "
