"""Secrets at rest: the keyring, sealed values, the model field that holds them, keyed hashes, and key rotation.

sealed_values   keyring, encryption, `EncryptedField`    keyed_hashes   for secrets that are only recognised
sealed_text     the same for text in other tables        rotation       count sealed values, re-encrypt them
"""

from foundation.secrets_at_rest.sealed_values import (
    EncryptedField,
    NoKeys,
    Unreadable,
    first_key_id,
    has_key,
    is_key_here,
    is_sealed,
    key_id_of,
    keyring,
    new_key,
    parse_keyring,
    seal,
    sealed_bytes,
    sealed_names,
    unseal,
    value_or_blank,
)

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
