"""Sealed values: AES-256-GCM-SIV (RFC 8452) under one key for each purpose, bound to the place of the value.

The place is associated data, so a value copied to another row, column, person or credential cannot be decrypted.

    version (1 byte) | length of key id (1) | key id | nonce (12) | ciphertext and tag
"""

import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from foundation.secrets_at_rest.keyring import NoKeys, derive_key, keyring

VERSION = 1
NONCE_BYTES = 12


class Unreadable(Exception):
    """The value cannot be decrypted: another key, another place, or not a sealed value. Holds no value."""


@lru_cache(maxsize=256)
def _cipher(key: bytes, purpose: str) -> AESGCMSIV:
    """One cipher object per key and purpose. Deriving the key costs more than the decryption."""
    return AESGCMSIV(derive_key(key, purpose))


def seal(plaintext: str, *, purpose: str, context: str) -> bytes:
    key_id, key = next(iter(keyring().items()))
    nonce = os.urandom(NONCE_BYTES)
    ciphertext = _cipher(key, purpose).encrypt(nonce, plaintext.encode(), context.encode())
    encoded_id = key_id.encode()
    return bytes([VERSION, len(encoded_id)]) + encoded_id + nonce + ciphertext


def unseal(sealed: bytes, *, purpose: str, context: str) -> str:
    """The plaintext. Raises `Unreadable`: sealed bytes are never returned as if they were the value."""
    nonce_at = 2 + (sealed[1] if len(sealed) > 1 else 0)
    try:
        key = keyring()[key_id_of(sealed)]
    except (NoKeys, KeyError):
        raise Unreadable from None
    nonce, ciphertext = sealed[nonce_at : nonce_at + NONCE_BYTES], sealed[nonce_at + NONCE_BYTES :]
    try:
        return _cipher(key, purpose).decrypt(nonce, ciphertext, context.encode()).decode()
    except (InvalidTag, ValueError):
        raise Unreadable from None


def key_id_of(sealed: bytes) -> str:
    """The id of the key that sealed this value; "" if it is not a sealed value."""
    if len(sealed) < 2 + NONCE_BYTES or sealed[0] != VERSION:
        return ""
    return sealed[2 : 2 + sealed[1]].decode(errors="replace")


def is_key_here(sealed: bytes) -> bool:
    """Whether the key named in the header of the value is configured. Decrypts nothing."""
    try:
        return key_id_of(sealed) in keyring()
    except NoKeys:
        return False
