"""Keyed hashes (HMAC-SHA-256) of secrets that we made ourselves and only recognise later.

The first key is for what is made now, all of them for what was made before. Secrets of 112 random bits and more need no
slow hash (NIST SP 800-63B-4 §3.1.2).
"""

import hashlib
import hmac
from functools import lru_cache

from django.views.decorators.debug import sensitive_variables

from foundation.secrets_at_rest.keyring import NoKeys, derive, keyring


@sensitive_variables()
def keyed_hash(secret: str, *, key_id: str, purpose: str) -> str:
    """64 hexadecimal digits; "" if that key is not listed any more, which equals no hash."""
    try:
        key = keyring().get(key_id)
    except NoKeys:
        key = None
    if key is None:
        return ""
    return hmac.new(_derived(key, purpose), secret.encode(), hashlib.sha256).hexdigest()


@sensitive_variables()
def all_hashes(secret: str, *, purpose: str) -> list[str]:
    """What the secret may be stored as, under one key or another. Empty without keys."""
    try:
        key_ids = list(keyring())
    except NoKeys:
        return []
    return [keyed_hash(secret, key_id=key_id, purpose=purpose) for key_id in key_ids]


@lru_cache(maxsize=64)
def _derived(key: bytes, purpose: str) -> bytes:
    return derive(key, purpose)
