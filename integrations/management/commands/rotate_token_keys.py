"""`rotate_token_keys`: every stored secret comes under the first key of TOKEN_ENCRYPTION_KEYS, while the site works."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.access_tokens import operations
from foundation.secrets_at_rest import NoKeys, first_key_id, keyring, rotation
from foundation.secrets_at_rest.rotation import Census

NAMED_AT_MOST = 100  # of the values that don't open; after that it is the key and not the values
DIES = (
    "{count} permanent tokens or application passwords are hashed with {key_id}. "
    "Each moves when it is used; what is left dies with that key."
)
NOT_SEALED = "(not sealed)"


class Command(BaseCommand):
    help = (
        "Seal every stored secret anew under the first key of TOKEN_ENCRYPTION_KEYS, while the site works. "
        "Safe to stop at any time and to run again. First give the new key to every process as the last one of the "
        "list, then as the first one; run this; then take the old key out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="Only open every value once and say what lies under which key."
        )

    def handle(self, *_args: Any, dry_run: bool, **_options: Any) -> None:
        try:
            first = first_key_id()
        except NoKeys as error:
            raise CommandError(f"{error} Nothing was read or written.") from None
        self.is_watched = self.stdout.isatty()
        found = rotation.census(self.note) if dry_run else rotation.rotate(self.note)
        self.clear_note()
        if dry_run:
            self.write_table(found, first)
        else:
            self.stdout.write(f"{found.moved} values sealed anew, {found.total(first)} are under the key {first} now.")
        self.write_keys(found, first)
        self.complain(found, first, dry_run=dry_run)

    def note(self, table: str, rows: int) -> None:
        """Progress, for a person who watches."""
        if self.is_watched:
            self.stdout.write(f"\r\x1b[K{table}: {rows} rows", ending="")

    def clear_note(self) -> None:
        if self.is_watched:
            self.stdout.write("\r\x1b[K", ending="")

    def write_table(self, found: Census, first: str) -> None:
        lines = [("Column", "Key", "Values", "Unreadable", ""), *rows_of(found, first)]
        widths = [max(len(line[column]) for line in lines) for column in range(5)]
        for name, key_id, values, closed, remark in lines:
            cells = (f"{name:{widths[0]}}", f"{key_id:{widths[1]}}", f"{values:>{widths[2]}}", f"{closed:>{widths[3]}}")
            self.stdout.write("  ".join([*cells, remark]).rstrip())

    def write_keys(self, found: Census, first: str) -> None:
        hashed = operations.living_under_keys()
        others = [key_id for key_id in keyring() if key_id != first]
        for key_id in others:
            if hashed[key_id]:
                self.stdout.write(DIES.format(count=hashed[key_id], key_id=key_id))
        unused = [key_id for key_id in others if not found.total(key_id) and not hashed[key_id]]
        if unused:
            self.stdout.write(f"No value needs these keys any more; they may be removed: {', '.join(unused)}.")

    def complain(self, found: Census, first: str, *, dry_run: bool) -> None:
        """The exit code is 1 where something is left that another run cannot be trusted to mend."""
        for name in found.unreadable[:NAMED_AT_MOST]:
            self.stderr.write(f"Does not open: {name}")
        if len(found.unreadable) > NAMED_AT_MOST:
            self.stderr.write(f"... and {len(found.unreadable) - NAMED_AT_MOST} more.")
        if found.unreadable:
            raise CommandError(f"{len(found.unreadable)} values do not open. They were left as they are.")
        left = sum(found.total(key_id) for key_id in keyring() if key_id != first)
        if left and not dry_run:
            raise CommandError(f"{left} values are under other keys again. Does every process seal with {first}?")


def rows_of(found: Census, first: str) -> Iterator[tuple[str, str, str, str, str]]:
    for name, counts in sorted(found.under.items()):
        for key_id, values in sorted(counts.items()):
            closed = found.closed[name][key_id] if name in found.closed else 0
            yield name, key_id or NOT_SEALED, str(values), str(closed or ""), remark_on(key_id, first)


def remark_on(key_id: str, first: str) -> str:
    if not key_id:
        return ""
    if key_id not in keyring():
        return "this key is not set"
    return "first key" if key_id == first else "to be sealed anew"
