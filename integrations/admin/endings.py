"""Sign-ins that an administrator ends: gone here, written in the person's diary, and the provider will be told."""

from django.db import transaction

from integrations import tasks
from integrations.models import diary
from integrations.models.diary import EventKind
from integrations.models.tokens import TokenQuerySet


def end(tokens: TokenQuerySet, *, reason: str, detail: str) -> int:
    """How many there were. `detail` is what their owners read."""
    with transaction.atomic():
        rows = list(tokens.select_for_update(of=("self",)).with_registry())
        for token in rows:
            diary.write(token.user, token.credential, EventKind.REVOKED, detail)
            tasks.hurry(token.end(reason=reason))
    return len(rows)
