"""`doctor`: check integrations against their providers. Exit code 0: nothing to fix; 1: faults; 2: no such alias."""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.oauth_server import waiting_programs
from foundation import installation
from integrations.models.registry import Alias, ApplicationRegistry
from integrations.monitoring.heartbeats import silent_parts
from integrations.provider_setup import doctor, overview
from integrations.provider_setup.doctor import Finding
from integrations.provider_setup.doctor.findings import Whose, fault, good, undecided

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
        """Examine the background work, programs, all active aliases, and each active registry once."""
        faults = self.write_findings("Background work", background_findings())
        faults += self.write_findings("Programs", program_findings())
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
            self.stdout.write(f"  {mark_of(finding)}  {finding.sentence}")
        return faults


def background_findings() -> list[Finding]:
    if hold := installation.current_state().hold:
        words = _("%(why)s Nothing is renewed, revoked or mailed. Run manage.py after_restore.") % {"why": hold}
        return [fault(Whose.OURS, words)]
    silent = [fault(Whose.OURS, part.sentence) for part in silent_parts()]
    return silent or [good("Beat and workers run, and no task is overdue.")]


def program_findings() -> list[Finding]:
    """Programs that wait for an administrator. Nothing is wrong: a stranger must not make the doctor fail."""
    programs = overview.read_programs()
    if programs is None:
        return [good(_("No program waits for an administrator."))]
    text = ngettext(
        "%(count)d program waits for an administrator to allow or block it (%(hosts)s): %(url)s",
        "%(count)d programs wait for an administrator to allow or block them (%(hosts)s): %(url)s",
        programs.count,
    )
    url = f"{settings.SITE_URL}{waiting_programs.list_url()}"
    return [undecided(text % {"count": programs.count, "hosts": programs.hosts_in_words, "url": url})]


def mark_of(finding: Finding) -> str:
    if finding.is_fault:
        return f"TO FIX, by {finding.whose_label}:"
    return "open" if finding.is_open else "ok  "
