"""`configuration export|import FILE`: the set-up as YAML, without secrets. Exit code 1: nothing was changed."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.audit import log
from integrations.provider_setup import configuration
from integrations.provider_setup.configuration import BadFile

REFUSED = 1


class Command(BaseCommand):
    help = (
        "Export the set-up to a file (groups, registries, profiles, scopes, credentials, aliases, connections, "
        "actions, subflows, remote tables, your own configuration templates, OAuth applications), or import such a "
        "file. It holds no secrets."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("direction", choices=["export", "import"])
        parser.add_argument("file", help="File name, or - for standard output or input.")
        parser.add_argument("--dry-run", action="store_true", help="Import: only show what would change.")
        parser.add_argument(
            "--same-provider",
            action="store_true",
            help="Import: the new addresses belong to the same provider. Users are asked to confirm them before their "
            "tokens go there; the system’s own tokens go there at once.",
        )

    def handle(
        self, *_args: Any, direction: str, file: str, dry_run: bool, same_provider: bool, **_options: Any
    ) -> None:
        if direction == "export":
            self.write_file(file, configuration.export_configuration())
            return
        try:
            with log.attributed_to(None, ""):
                report = configuration.import_configuration(
                    read_file(file), dry_run=dry_run, same_provider=same_provider
                )
        except BadFile as error:
            raise CommandError(f"{escape_line(str(error))} Nothing was changed.", returncode=REFUSED) from None
        for line in (*report.changes, *report.to_do):
            self.stdout.write(escape_line(line))
        summary = f"{len(report.changes)} changes" if report.changes else "Nothing to change"
        self.stdout.write(f"{summary}{'; this was a dry run, and nothing was changed' if dry_run else ''}.")

    def write_file(self, file: str, text: str) -> None:
        if file == "-":
            self.stdout.write(text, ending="")
            return
        try:
            Path(file).write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.", returncode=REFUSED) from None


def read_file(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.", returncode=REFUSED) from None
    except UnicodeDecodeError:
        source = "Standard input" if file == "-" else file
        raise CommandError(f"{source} is not UTF-8. Nothing was changed.", returncode=REFUSED) from None


def escape_line(line: str) -> str:
    """Escape what moves the cursor, ends a line or turns its direction: the file is not to write its own report."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)
