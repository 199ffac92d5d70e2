"""Cache of rows: sealed, under keys derived from the person's tokens, so that they expire with them.

A key covers the id and version of each token. Revoking, signing in again and renewing change it, so that old rows are
no longer found; the cache drops them after the table's `cache_seconds`. The cached values are encrypted.
"""

import hashlib
import json
from typing import Any

from django.core.cache import cache

from foundation.secrets_at_rest import Unreadable, seal, unseal
from integrations.models.remote_tables import RemoteTable
from integrations.remote_tables.fetch import Source

PURPOSE = "remote-table"


def key_of(table: RemoteTable, source: Source) -> str:
    """Return the cache key for this definition of the table, these addresses and these versions of the tokens."""
    token_versions = [[str(token.user_id), token.hex, token.version] for token in source.tokens]
    parts = [table.hex, table.definition(), source.addresses, token_versions]
    return f"remote-table:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"


def keep(table: RemoteTable, source: Source, rows: dict[str, Any]) -> None:
    if table.cache_seconds and source.tokens:
        key = key_of(table, source)
        cache.set(key, seal(json.dumps(rows), purpose=PURPOSE, context=key), table.cache_seconds)


def find(table: RemoteTable, source: Source) -> dict[str, Any] | None:
    if not (table.cache_seconds and source.tokens):
        return None
    key = key_of(table, source)
    try:
        rows: dict[str, Any] = json.loads(unseal(cache.get(key) or b"", purpose=PURPOSE, context=key))
    except Unreadable:
        return None
    return rows
