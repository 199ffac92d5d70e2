"""When a token was last used, and by what: one write a minute at most, which may make it due for a renewal ahead."""

from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from integrations.models.tokens import Token, deadlines

NOTE_USE_AT_MOST_EVERY = timedelta(minutes=1)


class UsedToken(Protocol):
    @property
    def pk(self) -> UUID: ...
    @property
    def last_used_at(self) -> datetime | None: ...
    @property
    def expires_at(self) -> datetime | None: ...


def note_use(token: UsedToken, used_by: str) -> None:
    """Record when the token was last used and by what, at most once a minute.

    `used_by`: for people to read, such as the name of a program; cut to 100 characters.
    """
    now = timezone.now()
    threshold = now - NOTE_USE_AT_MOST_EVERY
    if token.last_used_at and token.last_used_at >= threshold:
        return
    is_stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=threshold)
    changes = deadlines.changes_by_use(token.last_used_at, token.expires_at)
    Token.objects.filter(is_stale, pk=token.pk).update(last_used_at=now, last_used_by=used_by[:100], **changes)
