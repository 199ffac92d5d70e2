"""Secrets at rest: the keyring, sealed values, the model field that holds them, keyed hashes, and key rotation.

keyring         the keys of TOKEN_ENCRYPTION_KEYS    sealed_text    the same for text in other tables
sealed_values   encrypt and decrypt bytes            keyed_hashes   for secrets that are only recognised
fields          `EncryptedField`                     rotation       count sealed values, re-encrypt them
"""

from foundation.secrets_at_rest.fields import (
    EncryptedField,
    has_key,
    is_sealed,
    sealed_bytes,
    sealed_names,
    value_or_blank,
)
from foundation.secrets_at_rest.keyring import NoKeys, first_key_id, keyring, new_key, parse_keyring
from foundation.secrets_at_rest.sealed_values import Unreadable, is_key_here, key_id_of, seal, unseal

__all__ = [
    "EncryptedField",
    "NoKeys",
    "Unreadable",
    "first_key_id",
    "has_key",
    "is_key_here",
    "is_sealed",
    "key_id_of",
    "keyring",
    "new_key",
    "parse_keyring",
    "seal",
    "sealed_bytes",
    "sealed_names",
    "unseal",
    "value_or_blank",
]
