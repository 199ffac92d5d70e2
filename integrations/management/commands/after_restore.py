"""`after_restore`: say whether this database was restored or copied, and decide how the site goes on."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from foundation import installation
from foundation.installation import Installation
from integrations.models.tokens import Token
from integrations.restore import BadList, Ended, continue_in_place, read_list, release_held, strip_copy
from integrations.restore.in_place import held_rows

HELD, NOT_UNDERSTOOD = 1, 2  # exit codes; 0: done, or nothing to do
ONE_OF = """
The site is held: nothing is renewed, revoked or mailed. Choose one:
  after_restore --copy                                this is another site, such as staging
  after_restore --in-place --ended events.ndjson      the site goes on; the list says what was ended since the backup
  after_restore --in-place                            the same without a list: permanent tokens are held
  after_restore --nothing-lost                        the database was only moved, or SITE_URL was changed"""


def parse_moment(text: str) -> datetime:
    """Parse a moment; without an offset it is UTC."""
    try:
        at = parse_datetime(text) or datetime.combine(parse_date(text) or "", datetime.min.time())  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise ArgumentTypeError(f"{text} is no moment such as 2026-11-30T02:00") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class Command(BaseCommand):
    help = "Decide how the site goes on with a restored or copied database. Without an option, say what is known."

    def add_arguments(self, parser: ArgumentParser) -> None:
        way = parser.add_mutually_exclusive_group()
        way.add_argument("--copy", action="store_true", help="Another site: delete its sign-ins, and send no mails.")
        way.add_argument("--in-place", action="store_true", help="The site goes on with this backup.")
        way.add_argument("--nothing-lost", action="store_true", help="The same data at another place.")
        way.add_argument("--held", action="store_true", help="List the permanent tokens and passwords that are held.")
        way.add_argument("--release", metavar="ID", help="Release one of them, or “all”.")
        parser.add_argument(
            "--taken-at",
            type=parse_moment,
            metavar="MOMENT",
            help="in-place: of the backup. Default: the database’s.",
        )
        parser.add_argument(
            "--ended",
            action="append",
            default=[],
            metavar="FILE",
            help="in-place: the audit log since, or “-”.",
        )
        parser.add_argument("--hold", action="store_true", help="in-place: hold permanent tokens in spite of a list.")
        parser.add_argument("--yes", action="store_true", help="Do not ask for confirmation.")

    def handle(self, *_args: Any, **options: Any) -> None:
        row = Installation.objects.first()
        if options["copy"]:
            self.strip(row, yes=options["yes"])
        elif options["in_place"]:
            self.go_on(row, **{name: options[name] for name in ("taken_at", "ended", "hold", "yes")})
        elif options["nothing_lost"]:
            require_confirmation(f"Is {settings.SITE_URL} the only site with this data?", yes=options["yes"])
            installation.accept_database()
            self.stdout.write(f"This database belongs to {settings.SITE_URL}.")
        elif options["held"]:
            self.list_held()
        elif options["release"]:
            count = release_held("" if options["release"] == "all" else options["release"])
            self.stdout.write(f"{count} released.")
        else:
            self.describe(row)
        if settings.START_HELD and any(options[name] for name in ("copy", "in_place", "nothing_lost")):
            self.stdout.write("Now remove START_HELD and restart every process.")

    def describe(self, row: Installation | None) -> None:
        if row:
            self.stdout.write(f"Belongs to {row.site_url}; last used {row.seen_at:%Y-%m-%d %H:%M} UTC.")
        if row and row.restored_at:
            origin = f"from {row.restored_from:%Y-%m-%d %H:%M} UTC" if row.restored_from else "as a copy"
            self.stdout.write(f"Restored {row.restored_at:%Y-%m-%d %H:%M} UTC {origin}.")
        if count := len(held_rows()):
            self.stdout.write(f"{count} permanent tokens and application passwords are held. --held lists them.")
        if hold := installation.find_hold(row):
            raise CommandError(f"{hold}{ONE_OF}", returncode=HELD)
        self.stdout.write("Not held.")

    def strip(self, row: Installation | None, *, yes: bool) -> None:
        if row and not row.is_copy and row.site_url == settings.SITE_URL:
            message = f"This database belongs to {row.site_url}, and so do you. Set SITE_URL to that of the copy first."
            raise CommandError(message, returncode=NOT_UNDERSTOOD)
        count = Token.objects.exclude(access_token=None, refresh_token=None).count()
        require_confirmation(
            f"{count} sign-ins will be deleted at {settings.SITE_URL}, and no mails will be sent.", yes=yes
        )
        self.stdout.write(f"{strip_copy()} sign-ins were deleted. This is a copy: it sends no mails.")

    def go_on(
        self, row: Installation | None, *, taken_at: datetime | None, ended: list[str], hold: bool, yes: bool
    ) -> None:
        last_used_at = row.seen_at if row else None
        taken_at = taken_at or last_used_at
        if taken_at is None or taken_at > timezone.now():
            raise CommandError("Say when the backup was made: --taken-at MOMENT.", returncode=NOT_UNDERSTOOD)
        if last_used_at and last_used_at > taken_at + installation.LOST_BY_FAILOVER:
            message = f"This database was in use until {last_used_at:%Y-%m-%d %H:%M} UTC, after --taken-at."
            raise CommandError(message, returncode=NOT_UNDERSTOOD)
        events = read_files(ended, min(filter(None, [taken_at, last_used_at])))
        self.stdout.write(f"The backup is of {taken_at:%Y-%m-%d %H:%M} UTC. {describe_list(ended, events)}")
        is_holding = hold or not ended
        if is_holding:
            self.stdout.write("All permanent tokens and application passwords will be held until you release them.")
            self.stdout.write("OAuth applications lose their access, and ask people for it again.")
        require_confirmation(f"{settings.SITE_URL} goes on with this backup. All browser sessions end.", yes=yes)
        report = continue_in_place(events, taken_at=taken_at, hold=is_holding)
        for title, sentences in (("Done", report.done), ("For you to look at", report.to_do)):
            if sentences:
                self.stdout.write("\n".join([f"{title}:", *(f"  {sentence}" for sentence in dict.fromkeys(sentences))]))
        self.stdout.write("The site goes on. Sign-ins that were renewed since are tried once, and then say why.")

    def list_held(self) -> None:
        for row in held_rows():
            used = f"last used {row.last_used_at:%Y-%m-%d}" if row.last_used_at else "never used"
            self.stdout.write("\t".join([row.hex, str(row._meta.verbose_name), str(row.user), row.name, used]))


def read_files(names: Iterable[str], since: datetime) -> list[Ended]:
    """Return the events of all lists, in their order. Raises `CommandError`."""
    events: list[Ended] = []
    for name in names:
        try:
            text = sys.stdin.read() if name == "-" else Path(name).read_text()
            events += read_list(StringIO(text), since=since)  # `splitlines` would split at U+2028 in a name, too
        except (OSError, UnicodeDecodeError, BadList) as error:
            reason = str(error) if isinstance(error, BadList) else type(error).__name__
            raise CommandError(f"{name}: {reason} Nothing was changed.", returncode=NOT_UNDERSTOOD) from None
    return sorted(events, key=lambda event: event.at)


def describe_list(names: list[str], events: list[Ended]) -> str:
    if not names:
        return "Without a list, nothing is known of what was ended since."
    if not events:
        return "The list has nothing after it: is it the right one?"
    last = events[-1].at
    return f"The list has {len(events)} events since, until {last:%Y-%m-%d %H:%M} UTC. What came later is not known."


def require_confirmation(question: str, *, yes: bool) -> None:
    """Ask on the terminal. Raises `CommandError` if there is none, or the answer isn't yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(f"{question} Confirm by --yes.", returncode=NOT_UNDERSTOOD)
    if input(f"{question} Type yes: ").strip().lower() != "yes":
        raise CommandError("Nothing was changed.", returncode=HELD)
