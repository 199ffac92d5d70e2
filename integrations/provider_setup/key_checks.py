"""System check of the keys: is one missing that stored values are sealed with?"""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError

from foundation.secrets_at_rest import NoKeys, rotation


@register(Tags.database)
def keys_are_complete(databases: Sequence[str] | None = None, **_options: Any) -> list[CheckMessage]:
    """Warn about a key that was removed too early, if a database is named. Reads a few rows of each table."""
    try:
        missing = rotation.find_missing_keys() if databases else []
    except (DatabaseError, NoKeys):  # not migrated yet, or another check says so
        return []
    hint = "Put the key back at the end; remove it when rotate_token_keys says so. A lost key: docs/operations.md."
    text = "Stored values are sealed with the key %s, which TOKEN_ENCRYPTION_KEYS does not have: they can't be used."
    return [Warning(text % key_id, hint=hint, id="keyrack.W009") for key_id in missing]
