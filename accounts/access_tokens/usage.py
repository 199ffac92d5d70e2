"""When and from where a permanent token or an application password was last used: one write a minute at most."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.utils import timezone

from accounts.access_tokens.models import ApplicationPassword, PermanentToken
from accounts.models import User
from foundation.batched_writes import Batch, lock_rows

PLACE_KNOWN_FOR = timedelta(days=30)
COLUMNS = ("last_used_at", "last_used_from")

Secret = PermanentToken | ApplicationPassword
Use = tuple[datetime, str]  # when, and from which network address


def store_use(row: Secret, now: datetime, address: str) -> None:
    """Store a use. A web process does so a bit later, together with others."""
    USES[type(row)].add(row.pk, (now, address[:45]))


def store_uses(model: type[Secret], uses: Mapping[UUID, Use]) -> set[UUID]:
    """Store uses by id, in one statement. Call it in a transaction. Returns the ids of rows that are locked."""
    rows, locked_elsewhere = lock_rows(model.objects.filter(ended_at=None).only(*COLUMNS), uses)
    stale = [row for row in rows if not row.was_used_lately(uses[row.pk][0])]
    for row in stale:
        row.last_used_at, row.last_used_from = uses[row.pk]
    model.objects.bulk_update(stale, COLUMNS)
    return locked_elsewhere


USES: dict[type[Secret], Batch[UUID, Use]] = {
    PermanentToken: Batch("Storing uses of permanent tokens", partial(store_uses, PermanentToken)),
    ApplicationPassword: Batch("Storing uses of application passwords", partial(store_uses, ApplicationPassword)),
}


def known_place(user: User, address: str) -> str:
    """Key of the failure counter for an address that this user's programs connect from; "" for any other address."""
    since = timezone.now() - PLACE_KNOWN_FOR
    recently_used = user.application_passwords.alive().filter(last_used_from=address[:45], last_used_at__gt=since)
    return f"at {address}" if recently_used.exists() else ""
