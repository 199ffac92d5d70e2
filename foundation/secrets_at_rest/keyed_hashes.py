"""Keyed hashes (HMAC-SHA-256) of secrets that this site issues and later only has to recognise.

New hashes use the first key; lookups try all of them. Secrets of 112 random bits and more need no slow hash
(NIST SP 800-63B-4 §3.1.2).
"""

import hashlib
import hmac
from functools import lru_cache

from django.views.decorators.debug import sensitive_variables

from foundation.secrets_at_rest.keyring import NoKeys, derive_key, keyring


@sensitive_variables()
def keyed_hash(secret: str, *, key_id: str, purpose: str) -> str:
    """The hash as 64 hexadecimal digits; "", which equals no hash, if the key is no longer configured."""
    try:
        key = keyring().get(key_id)
    except NoKeys:
        key = None
    if key is None:
        return ""
    return hmac.new(_derived_key(key, purpose), secret.encode(), hashlib.sha256).hexdigest()


@sensitive_variables()
def all_hashes(secret: str, *, purpose: str) -> list[str]:
    """The hash of the secret under each configured key. Empty without keys."""
    try:
        key_ids = list(keyring())
    except NoKeys:
        return []
    return [keyed_hash(secret, key_id=key_id, purpose=purpose) for key_id in key_ids]


@lru_cache(maxsize=64)
def _derived_key(key: bytes, purpose: str) -> bytes:
    return derive_key(key, purpose)
