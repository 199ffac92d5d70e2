"""The mark of an installation: whether this database is the one that this site last worked with.

A database that was restored or copied gives life back to what was ended since, and two sites that renew the same
refresh tokens use up each other's. So the database records where it belongs, and DATA_DIR when it was last seen. While
they don't fit, the site is held: it renews nothing, tells providers nothing, starts no runs and sends no mails, until
`manage.py after_restore` has been run. Nothing else is stopped.

What is compared, because none of it notices everything:

    SITE_URL            a copy on another site, however it was made
    identity            a dump that was restored, on this or another server: PostgreSQL gives the table another OID
    DATA_DIR            an older database at the same site, of any kind; an empty DATA_DIR says nothing
    START_HELD          an operator who knows
"""

import json
import logging
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, models
from django.utils import timezone
from django.utils.translation import gettext_noop

from foundation.database import is_inside_a_transaction
from foundation.stored_texts import in_reader_language

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 10.0
SEEN_EVERY = timedelta(minutes=1)
LOST_BY_FAILOVER = timedelta(minutes=5)  # a standby that takes over may lack the last moments, which is no restore
FILE = "installation.json"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Installation(models.Model):
    """The only row: which site this database belongs to. `accounts` has the migrations of its table."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    mark = models.UUIDField(default=uuid.uuid4)
    site_url = models.CharField(max_length=500)
    identity = models.CharField(max_length=100, blank=True)  # of the database, "" where it has none
    seen_at = models.DateTimeField(default=timezone.now)  # advances each minute, so a backup knows its own moment
    epoch = models.PositiveIntegerField(default=1)  # one more after each restore
    restored_from = models.DateTimeField(null=True)  # the moment of the backup
    restored_at = models.DateTimeField(null=True)
    is_copy = models.BooleanField(default=False)  # of another site: sends no mails

    class Meta:
        app_label = "accounts"
        verbose_name = "Installation"

    def __str__(self) -> str:
        return f"{self.site_url}, epoch {self.epoch}"


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Why the site is held: an English text with its values, since it is stored for readers of several languages."""

    text: str
    values: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return in_reader_language(self.text) % self.values


@dataclass(frozen=True, kw_only=True)
class State:
    """What is known now."""

    reason: Hold | None = None
    is_copy: bool = False
    restored_from: datetime | None = None
    restored_at: datetime | None = None

    @property
    def hold(self) -> str:
        """Why the site is held, in a sentence for the administrator who reads it; "" if it isn't."""
        return str(self.reason) if self.reason else ""


# Ask ------------------------------------------------------------------------------------------------------------------

_known: tuple[float, State] | None = None  # when it was read, and what


def current_state() -> State:
    """Return the state, read again every ten seconds: a database may be restored under a running process."""
    global _known
    if _known is None or time.monotonic() - _known[0] > RECHECK_SECONDS:
        _known = time.monotonic(), read_state()
    return _known[1]


def is_held() -> bool:
    return current_state().reason is not None


def sends_mails() -> bool:
    return not (is_held() or current_state().is_copy)


def is_of_backup(granted_at: datetime) -> bool:
    """Tell whether something that was stored at this moment was brought back by a restore, and may be outdated."""
    state = current_state()
    return state.restored_from is not None and state.restored_at is not None and granted_at <= state.restored_at


def forget_state() -> None:
    """Read the state again when it is next asked for."""
    global _known
    _known = None


def set_state(state: State) -> None:
    """Take this for the state until it is next due to be read."""
    global _known
    _known = time.monotonic(), state


def read_state() -> State:
    row = Installation.objects.first()
    reason = find_hold(row)
    if row is None:
        return State(reason=reason)
    if reason is None:
        note_seen(row)
    return State(reason=reason, is_copy=row.is_copy, restored_from=row.restored_from, restored_at=row.restored_at)


def find_hold(row: Installation | None) -> Hold | None:
    """Return why the site is held; None if database and site fit."""
    if settings.START_HELD:
        return Hold(text=gettext_noop("START_HELD is set."))
    if row is None:
        return None
    if row.site_url != settings.SITE_URL and not is_loopback(row.site_url):
        text = gettext_noop("This database belongs to %(theirs)s, and SITE_URL is %(ours)s here.")
        return Hold(text=text, values={"theirs": row.site_url, "ours": settings.SITE_URL})
    if not is_same_identity(row.identity, database_identity()):
        return Hold(text=gettext_noop("This database was restored from a dump, or moved."))
    if (seen_at := seen_on_disk(row)) and seen_at - row.seen_at > LOST_BY_FAILOVER:
        text = gettext_noop("This database is older than the one that was used here until %(moment)s.")
        return Hold(text=text, values={"moment": f"{seen_at:%Y-%m-%d %H:%M} UTC"})
    return None


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK


def database_identity() -> str:
    """Return what a restored dump doesn't bring along: `system:database:table`. "" for SQLite, which has nothing.

    A standby that takes over, and a copy of the files, have the same. A part that may not be read is empty.
    """
    if connection.vendor != "postgresql":
        return ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')")
        may_read = cursor.fetchone()[0]
        system = "(SELECT system_identifier FROM pg_control_system())" if may_read else "NULL"
        table = Installation._meta.db_table
        cursor.execute(
            f"SELECT {system}, oid, %s::regclass::oid FROM pg_database WHERE datname = current_database()",  # noqa: S608 - constants
            [table],
        )
        return ":".join("" if part is None else str(part) for part in cursor.fetchone())


def is_same_identity(recorded: str, present: str) -> bool:
    """Compare the parts that are known of both."""
    pairs = zip(recorded.split(":"), present.split(":"), strict=False)
    return all(left == right for left, right in pairs if left and right)


# Disk -----------------------------------------------------------------------------------------------------------------


def seen_on_disk(row: Installation) -> datetime | None:
    """Return when this installation's database was last seen from this DATA_DIR; None if it never was."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        record = json.loads(file_path().read_text())
        if record["mark"] == row.mark.hex:
            return datetime.fromisoformat(record["seen_at"])
    return None


def note_seen(row: Installation) -> None:
    """Advance the moment in the database once a minute, and then the one on the disk, which must not be ahead."""
    now = timezone.now()
    if now - row.seen_at >= SEEN_EVERY and not is_inside_a_transaction():  # which could lock the row for long
        place = {"identity": row.identity or database_identity(), "site_url": settings.SITE_URL}
        Installation.objects.filter(mark=row.mark, epoch=row.epoch).update(seen_at=now, **place)
    if (seen_at := seen_on_disk(row)) is None or row.seen_at > seen_at:
        write_file(row)


def write_file(row: Installation) -> None:
    """Store the mark beside the database. A disk that can't be written makes the site less watchful, and no more."""
    content = json.dumps({"mark": row.mark.hex, "seen_at": row.seen_at.isoformat()})
    hidden = file_path().with_name(f".{FILE}.{uuid.uuid4().hex}")
    try:
        hidden.write_text(content)
        hidden.replace(file_path())
    except OSError as error:
        logger.debug("The mark could not be written to DATA_DIR (%s).", type(error).__name__)


def file_path() -> Path:
    return Path(settings.DATA_DIR) / FILE


# Change ---------------------------------------------------------------------------------------------------------------


def create_mark(**_signal: Any) -> None:
    """Record where a new database belongs, after a migration. An existing record is left alone."""
    if Installation._meta.db_table not in connection.introspection.table_names():
        return  # migrated to an earlier state
    here = {"site_url": settings.SITE_URL, "identity": database_identity()}
    Installation.objects.get_or_create(pk=1, defaults=here)
    forget_state()


def accept_database(**changes: Any) -> Installation:
    """Record that the database belongs here as it is. `changes`: further columns."""
    row = Installation.objects.first() or Installation()
    row.site_url, row.identity, row.seen_at = settings.SITE_URL, database_identity(), timezone.now()
    for name, value in changes.items():
        setattr(row, name, value)
    row.save()
    write_file(row)
    forget_state()
    return row
