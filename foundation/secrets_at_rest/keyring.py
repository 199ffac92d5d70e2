"""Keys of TOKEN_ENCRYPTION_KEYS: parsed and checked once, derived for each purpose by HKDF (RFC 5869)."""

import base64
from collections.abc import Iterable
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

KEY_BYTES = 32


class NoKeys(Exception):
    """TOKEN_ENCRYPTION_KEYS is missing or cannot be parsed: nothing can be sealed, unsealed or hashed."""


def parse_keyring(entries: Iterable[str]) -> dict[str, bytes]:
    """Parse entries of the form `id:base64(32 bytes)`. The first key encrypts; all of them decrypt. Raises `NoKeys`."""
    keyring: dict[str, bytes] = {}
    for entry in entries:
        key_id, _, encoded = entry.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:  # also raised for text that is not ASCII
            key = b""
        if not key_id or len(key_id.encode()) > 255 or len(key) != KEY_BYTES:
            raise NoKeys("TOKEN_ENCRYPTION_KEYS must be a comma-separated list of id:base64(32 bytes).")
        if keyring.setdefault(key_id, key) != key:
            raise NoKeys("TOKEN_ENCRYPTION_KEYS has two keys with the same id.")
    if not keyring:
        raise NoKeys("TOKEN_ENCRYPTION_KEYS is not set.")
    return keyring


def new_key() -> str:
    return base64.b64encode(AESGCMSIV.generate_key(256)).decode()


@lru_cache(maxsize=4)
def _keyring(entries: tuple[str, ...]) -> dict[str, bytes]:
    return parse_keyring(entries)


def keyring() -> dict[str, bytes]:
    """Configured keys by id, in the order of the setting. Raises `NoKeys`."""
    return _keyring(tuple(settings.TOKEN_ENCRYPTION_KEYS))


def first_key_id() -> str:
    """The id of the key that new values are sealed with. Raises `NoKeys`."""
    return next(iter(keyring()))


def derive_key(key: bytes, purpose: str, salt: bytes | None = None) -> bytes:
    """The key for one purpose, independent of the keys for others. Slow: cache the result."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=f"keyrack:{purpose}".encode()).derive(key)
