"""When a token was last used, and by what: one write a minute at most, which may make it due for a renewal ahead."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from django.utils import timezone

from foundation.batched_writes import Batch, lock_rows
from integrations.models.tokens import Token, deadlines

NOTE_USE_AT_MOST_EVERY = timedelta(minutes=1)
COLUMNS = ("last_used_at", "last_used_by", "due_at")  # that a use changes
CONDITIONS = ("expires_at", "state", "failure_code", "refresh_token")  # of its deadline

Use = tuple[datetime, str]  # when, and by what


class UsedToken(Protocol):
    @property
    def pk(self) -> UUID: ...
    @property
    def last_used_at(self) -> datetime | None: ...


def note_use(token: UsedToken, used_by: str) -> None:
    """Record when the token was last used and by what, at most once a minute. A web process stores it a bit later.

    `used_by`: for people to read, such as the name of a program; cut to 100 characters.
    """
    now = timezone.now()
    if is_stale(token, now):
        USES.add(token.pk, (now, used_by[:100]))


def is_stale(token: UsedToken, now: datetime) -> bool:
    """Whether the stored use is so old, or missing, that another one is stored."""
    return token.last_used_at is None or token.last_used_at < now - NOTE_USE_AT_MOST_EVERY


def store_uses(uses: Mapping[UUID, Use]) -> set[UUID]:
    """Store the uses of tokens by their id, and what follows for their deadlines, in one statement.

    Call it in a transaction. Returns the ids of tokens that are locked.
    """
    rows, locked_elsewhere = lock_rows(Token.objects.only(*COLUMNS, *CONDITIONS), uses)
    stale = [token for token in rows if is_stale(token, uses[token.pk][0])]
    for token in stale:
        token.due_at = deadlines.due_after_use(token)
        token.last_used_at, token.last_used_by = uses[token.pk]
    Token.objects.bulk_update(stale, COLUMNS)
    return locked_elsewhere


USES = Batch("Storing uses of tokens", store_uses)
