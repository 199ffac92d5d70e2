"""Keyed hashes of secrets that we made ourselves: which key, and what it makes of a secret.

The keys come from TOKEN_ENCRYPTION_KEYS, each by a derivation of its own (HKDF, RFC 5869): a hash tells nothing about
what else the key protects. The first key is for what is made now, all of them for what was made before. Secrets of
112 random bits and more need no slow hash (NIST SP 800-63B-4 §3.1.2).
"""

import base64
import hashlib
import hmac
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.views.decorators.debug import sensitive_variables

from accounts import sealing


def first_id() -> str:
    return next(iter(sealing.keyring()))


@lru_cache(maxsize=64)
def _pepper(key: str, purpose: str) -> bytes:
    secret = base64.b64decode(key, validate=True)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"keyrack:accounts:{purpose}".encode()).derive(secret)


@sensitive_variables()
def keyed_hash(secret: str, *, pepper_id: str, purpose: str) -> str:
    """64 hexadecimal digits; "" where that key is not listed any more, which equals no hash."""
    key = sealing.keyring().get(pepper_id)
    if key is None:
        return ""
    return hmac.new(_pepper(key, purpose), secret.encode(), hashlib.sha256).hexdigest()


@sensitive_variables()
def all_hashes(secret: str, *, purpose: str) -> list[str]:
    """What it may be stored as, under one key or another."""
    return [keyed_hash(secret, pepper_id=pepper_id, purpose=purpose) for pepper_id in sealing.keyring()]
