"""Sealed text, for columns of other libraries' models and for values stored outside an `EncryptedField`.

AES-256-GCM-SIV (RFC 8452) under one key for each purpose; the key id comes first.

    key id ":" base64(nonce (12) | ciphertext and tag)
"""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from foundation.secrets_at_rest.keyring import NoKeys, derive_key, keyring
from foundation.secrets_at_rest.sealed_values import NONCE_BYTES, Unreadable


def seal_text(plaintext: str, *, purpose: str, also_needs: str = "") -> str:
    """Encrypt. `also_needs`: a second secret, without which the keys of the site do not decrypt it. Raises `NoKeys`."""
    key_id, key = next(iter(keyring().items()))
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + _cipher(key, purpose, also_needs).encrypt(nonce, plaintext.encode(), None)
    return f"{key_id}:{base64.b64encode(sealed).decode()}"


def unseal_text(sealed: str, *, purpose: str, also_needs: str = "") -> str:
    """The plaintext. Raises `Unreadable`: sealed text is never returned as if it were the value."""
    key_id, _colon, encoded = sealed.partition(":")
    try:
        content = base64.b64decode(encoded, validate=True)
        cipher = _cipher(keyring()[key_id], purpose, also_needs)
        return cipher.decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], None).decode()
    except (NoKeys, KeyError, ValueError, InvalidTag):
        raise Unreadable from None


def key_id_of_text(sealed: str) -> str:
    return sealed.partition(":")[0]


def _cipher(key: bytes, purpose: str, also_needs: str) -> AESGCMSIV:
    return AESGCMSIV(derive_key(key, purpose, also_needs.encode() or None))
