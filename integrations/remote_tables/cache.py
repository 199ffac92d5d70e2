"""Rows that are kept for a while: sealed, under a name made of the person's token, so that they die with it.

The name holds the id and version of each token. Revoking, signing in again and renewing make another name, and nobody
asks for the old one any more; the cache itself forgets it after the table's seconds. Who reads the cache finds bytes.
"""

import hashlib
import json
from typing import Any

from django.core.cache import cache

from foundation.secrets_at_rest import Unreadable, seal, unseal
from integrations.models.remote_tables import RemoteTable
from integrations.remote_tables.sources import Source

PURPOSE = "remote-table"


def name_of(table: RemoteTable, source: Source) -> str:
    """Of this definition of the table, read at these addresses, for this person's tokens as they are now."""
    of_whom = [[str(token.user_id), token.hex, token.version] for token in source.tokens]
    whole = [table.hex, table.definition(), source.addresses, of_whom]
    return f"remote-table:{hashlib.sha256(json.dumps(whole).encode()).hexdigest()}"


def keep(table: RemoteTable, source: Source, rows: dict[str, Any]) -> None:
    if table.cache_seconds and source.tokens:
        name = name_of(table, source)
        cache.set(name, seal(json.dumps(rows), purpose=PURPOSE, context=name), table.cache_seconds)


def find(table: RemoteTable, source: Source) -> dict[str, Any] | None:
    if not (table.cache_seconds and source.tokens):
        return None
    name = name_of(table, source)
    try:
        found: dict[str, Any] = json.loads(unseal(cache.get(name) or b"", purpose=PURPOSE, context=name))
    except Unreadable:
        return None
    return found
