"""Secrets at rest: the keyring, sealed values and text, keyed hashes, and the model field of sealed values.

A sealed value is encrypted with AES-256-GCM-SIV (RFC 8452) under one key for each purpose. A value in a column is bound
to its place, which is associated data: copied to another row, column, person or credential it cannot be decrypted.

    version (1 byte) | length of key id (1) | key id | nonce (12) | ciphertext and tag      sealed value
    key id ":" base64(nonce (12) | ciphertext and tag)                                      sealed text

Sealed text is for columns of other libraries' models and for values stored outside an `EncryptedField`. Keyed hashes
(HMAC-SHA-256) are for secrets that this site issues and later only has to recognise: new ones use the first key,
lookups try all of them. Secrets of 112 random bits and more need no slow hash (NIST SP 800-63B-4 §3.1.2). Keys are
derived for each purpose by HKDF (RFC 5869). Knows no model by name.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NoReturn, Self, overload

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models
from django.views.decorators.debug import sensitive_variables

from foundation.exceptions import Explained

VERSION, KEY_BYTES, NONCE_BYTES = 1, 32, 12


class NoKeys(Explained):
    message = "TOKEN_ENCRYPTION_KEYS is missing or can't be parsed: nothing can be sealed, unsealed or hashed."


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


class Unreadable(Explained):
    message = "The value can't be decrypted: another key, another place, or not a sealed value."


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


def seal_text(plaintext: str, *, purpose: str, also_needs: str = "") -> str:
    """Encrypt. `also_needs`: a second secret, without which the keys of the site do not decrypt it. Raises `NoKeys`."""
    key_id, key = next(iter(keyring().items()))
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + _text_cipher(key, purpose, also_needs).encrypt(nonce, plaintext.encode(), None)
    return f"{key_id}:{base64.b64encode(sealed).decode()}"


def unseal_text(sealed: str, *, purpose: str, also_needs: str = "") -> str:
    """The plaintext. Raises `Unreadable`: sealed text is never returned as if it were the value."""
    key_id, _colon, encoded = sealed.partition(":")
    try:
        content = base64.b64decode(encoded, validate=True)
        cipher = _text_cipher(keyring()[key_id], purpose, also_needs)
        return cipher.decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], None).decode()
    except (NoKeys, KeyError, ValueError, InvalidTag):
        raise Unreadable from None


def key_id_of_text(sealed: str) -> str:
    return sealed.partition(":")[0]


def _text_cipher(key: bytes, purpose: str, also_needs: str) -> AESGCMSIV:
    return AESGCMSIV(derive_key(key, purpose, also_needs.encode() or None))


@sensitive_variables()
def keyed_hash(secret: str, *, key_id: str, purpose: str) -> str:
    """The hash as 64 hexadecimal digits; "", which equals no hash, if the key is no longer configured."""
    try:
        key = keyring()[key_id]
    except (NoKeys, KeyError):
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


# Model field ----------------------------------------------------------------------------------------------------------


class _Plain:
    """A value that was set and is not saved yet. Its repr hides it."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "<sealed>"

    def __reduce__(self) -> NoReturn:
        """Keep the plaintext out of caches, queues and sessions."""
        raise TypeError("A secret that is not sealed yet cannot be pickled.")


class EncryptedField(models.BinaryField):  # type: ignore[type-arg]
    """Text that is encrypted in the database and decrypted when the attribute is read. "" is stored as NULL.

    `sealing_context()` of the model names the place that its values are bound to. Not searchable; forms and
    serializers do not show it.
    """

    def __init__(self, *, purpose: str, **kwargs: Any) -> None:
        self.purpose = purpose
        super().__init__(**{**kwargs, "null": True, "blank": True, "editable": False})

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        for derived in ("null", "blank", "editable"):
            kwargs.pop(derived, None)
        return name, path, list(args), {**kwargs, "purpose": self.purpose}

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, name, _Sealed(self))

    def context_in(self, instance: Any) -> str:
        return self.context(instance.sealing_context())

    def context(self, sealing_context: str) -> str:
        return f"{self.model._meta.db_table}.{self.column}:{sealing_context}"

    def opened(self, stored: bytes, sealing_context: str) -> str:
        """Decrypt a column of a row that was read without a model instance. Raises `Unreadable`."""
        return unseal(bytes(stored), purpose=self.purpose, context=self.context(sealing_context))

    def sealed_in(self, instance: models.Model) -> bytes | None:
        """The stored bytes as they were read; None if the column is NULL or its new value is not sealed yet."""
        value = instance.__dict__.get(self.attname)
        return None if value is None or isinstance(value, _Plain) else bytes(value)

    def sealed_anew(self, instance: models.Model) -> bytes:
        """The same value encrypted under the first key. Raises `Unreadable`."""
        place = {"purpose": self.purpose, "context": self.context_in(instance)}
        return seal(unseal(self.sealed_in(instance) or b"", **place), **place)

    def pre_save(self, model_instance: models.Model, add: bool) -> bytes | None:
        value = model_instance.__dict__.get(self.attname)
        if isinstance(value, _Plain):
            context = self.context_in(model_instance)
            value = seal(value.value, purpose=self.purpose, context=context) if value.value else None
            model_instance.__dict__[self.attname] = value
        return value

    def value_to_string(self, obj: models.Model) -> str:
        """Always "": fixtures and exports carry no secret, sealed or not."""
        return ""


class _Sealed:
    """The descriptor that reads and writes an `EncryptedField` of an instance."""

    def __init__(self, field: EncryptedField) -> None:
        self.field = field

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: models.Model, owner: type) -> str: ...
    def __get__(self, instance: models.Model | None, owner: type) -> Self | str:
        if instance is None:
            return self
        if self.field.attname not in instance.__dict__:
            instance.refresh_from_db(fields=[self.field.attname])
        value = instance.__dict__[self.field.attname]
        if isinstance(value, _Plain):
            return value.value
        purpose, context = self.field.purpose, self.field.context_in
        return "" if value is None else unseal(bytes(value), purpose=purpose, context=context(instance))

    def __set__(self, instance: models.Model, value: str | bytes | memoryview | None) -> None:
        """Text is a new secret to be sealed; bytes are the stored value."""
        instance.__dict__[self.field.attname] = _Plain(value) if isinstance(value, str) else value


def value_or_blank(row: models.Model, name: str) -> str:
    """The decrypted value; "" if its key is gone, because a value that cannot be read cannot be sent."""
    try:
        return str(getattr(row, name))
    except Unreadable:
        return ""


def sealed_names(model: type[models.Model]) -> set[str]:
    return {each.attname for each in model._meta.concrete_fields if isinstance(each, EncryptedField)}


def sealed_bytes(row: models.Model, name: str) -> bytes | None:
    """The stored bytes of this column as they were read, or None."""
    field = row._meta.get_field(name)
    return field.sealed_in(row) if isinstance(field, EncryptedField) else None


def is_sealed(row: models.Model, name: str) -> bool:
    return sealed_bytes(row, name) is not None


def has_key(row: models.Model, name: str) -> bool:
    """Whether the key of this value is configured; True if nothing is stored. Decrypts nothing: pages may call it."""
    stored = sealed_bytes(row, name)
    try:
        return stored is None or key_id_of(stored) in keyring()
    except NoKeys:
        return False
