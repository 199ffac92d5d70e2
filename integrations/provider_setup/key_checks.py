"""System check of the keys: is one missing that stored values are sealed or hashed with?"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError
from django.db.models import Count

from accounts.access_tokens import operations
from foundation.secrets_at_rest import NoKeys, keyring, rotation
from integrations.models.calendar_feeds import CalendarFeed


@register(Tags.database)
def keys_are_complete(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Warn about a key that was removed too early, if a database is named, as `migrate` does.

    The database reads the beginning of each sealed value: about a second for 100,000 values on SQLite.
    """
    try:
        return list(find_missing_keys()) if databases else []
    except (DatabaseError, NoKeys):  # not migrated yet, or another check says so
        return []


def find_missing_keys() -> Iterator[CheckMessage]:
    hint = "Put the key back at the end; remove it when rotate_token_keys says so. A lost key: docs/operations.md."
    for key_id in rotation.find_missing_keys():
        text = (
            "Stored values are sealed with the key %s, which TOKEN_ENCRYPTION_KEYS does not have: they can't be used."
        )
        yield Warning(text % key_id, hint=hint, id="keyrack.W009")
    hint = "Put the key back at the end, or let their owners delete them and make new ones."
    for what, counts in count_hashes_by_key().items():
        for key_id in sorted(counts.keys() - keyring().keys()):
            text = "%s %s are hashed with the key %s, which TOKEN_ENCRYPTION_KEYS does not have: they don't work."
            yield Warning(text % (counts[key_id], what, key_id), hint=hint, id="keyrack.W009")


def count_hashes_by_key() -> dict[str, Counter[str]]:
    """What is stored as a hash and stops working without its key, by kind and key."""
    feeds = CalendarFeed.objects.values_list("key_id").annotate(Count("pk")).order_by()
    return {
        "permanent tokens or application passwords": operations.count_by_key(),
        "calendar addresses": Counter(dict(feeds)),
    }
