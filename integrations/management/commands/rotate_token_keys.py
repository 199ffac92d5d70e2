"""`rotate_token_keys`: seal every stored secret with the first key of TOKEN_ENCRYPTION_KEYS, while the site runs."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from foundation.secrets_at_rest import NoKeys, first_key_id, keyring, rotation
from foundation.secrets_at_rest.rotation import Census
from integrations.provider_setup.key_checks import count_hashes_by_key

NAMED_AT_MOST = 100  # values that don't open; if there are more, the cause is the key
STILL_HASHED = (
    "{count} {what} are hashed with {key_id}. "
    "Each moves to the first key when it is used; the others stop working if the key is removed."
)
NOT_SEALED = "(not sealed)"


class Command(BaseCommand):
    help = (
        "Seal every stored secret with the first key of TOKEN_ENCRYPTION_KEYS, while the site runs. "
        "Safe to stop at any time and to run again. First add the new key to every process as the last one of the "
        "list, then make it the first one; run this; then remove the old key."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Only open every value once, and show which key seals it."
        )

    def handle(self, *_args: Any, dry_run: bool, **_options: Any) -> None:
        try:
            first = first_key_id()
        except NoKeys as error:
            raise CommandError(f"{error} Nothing was read or written.") from None
        self.is_watched = self.stdout.isatty()
        census = rotation.count_sealed_values(self.note) if dry_run else rotation.rotate(self.note)
        self.clear_note()
        if dry_run:
            self.write_table(census, first)
        else:
            self.stdout.write(
                f"{census.moved} values sealed anew, {census.total(first)} are under the key {first} now."
            )
        self.write_keys(census, first)
        self.report_problems(census, first, dry_run=dry_run)

    def note(self, table: str, rows: int) -> None:
        """Show progress on a terminal."""
        if self.is_watched:
            self.stdout.write(f"\r\x1b[K{table}: {rows} rows", ending="")

    def clear_note(self) -> None:
        if self.is_watched:
            self.stdout.write("\r\x1b[K", ending="")

    def write_table(self, census: Census, first: str) -> None:
        lines = [("Column", "Key", "Values", "Unreadable", ""), *rows_of(census, first)]
        widths = [max(len(line[column]) for line in lines) for column in range(5)]
        for name, key_id, values, unreadable, remark in lines:
            cells = (
                f"{name:{widths[0]}}",
                f"{key_id:{widths[1]}}",
                f"{values:>{widths[2]}}",
                f"{unreadable:>{widths[3]}}",
            )
            self.stdout.write("  ".join([*cells, remark]).rstrip())

    def write_keys(self, census: Census, first: str) -> None:
        hashed = count_hashes_by_key()
        others = [key_id for key_id in keyring() if key_id != first]
        for key_id in others:
            for what, counts in hashed.items():
                if counts[key_id]:
                    self.stdout.write(STILL_HASHED.format(count=counts[key_id], what=what, key_id=key_id))
        needed = sum(hashed.values(), Counter())
        unused = [key_id for key_id in others if not census.total(key_id) and not needed[key_id]]
        if unused:
            self.stdout.write(
                f"No value needs these keys. Unless you have just added them, they may be removed: {', '.join(unused)}."
            )

    def report_problems(self, census: Census, first: str, *, dry_run: bool) -> None:
        """Raise `CommandError` if values are left that another run may not fix."""
        for name in census.unreadable[:NAMED_AT_MOST]:
            self.stderr.write(f"Does not open: {name}")
        if len(census.unreadable) > NAMED_AT_MOST:
            self.stderr.write(f"... and {len(census.unreadable) - NAMED_AT_MOST} more.")
        if census.unreadable:
            raise CommandError(f"{len(census.unreadable)} values do not open. They were left as they are.")
        remaining = sum(census.total(key_id) for key_id in keyring() if key_id != first)
        if remaining and not dry_run:
            raise CommandError(f"{remaining} values are under other keys again. Does every process seal with {first}?")


def rows_of(census: Census, first: str) -> Iterator[tuple[str, str, str, str, str]]:
    for name, counts in sorted(census.under.items()):
        for key_id, values in sorted(counts.items()):
            unreadable = census.closed[name][key_id] if name in census.closed else 0
            yield name, key_id or NOT_SEALED, str(values), str(unreadable or ""), remark_on(key_id, first)


def remark_on(key_id: str, first: str) -> str:
    if not key_id:
        return ""
    if key_id not in keyring():
        return "this key is not set"
    return "first key" if key_id == first else "to be sealed anew"
