"""Encryption at rest for what allauth keeps as text: the secrets of authenticator apps, the seeds of recovery codes.

AES-256-GCM-SIV (RFC 8452) under a key of this purpose, derived from TOKEN_ENCRYPTION_KEYS; the key id stands in front.

    key id ":" base64(nonce (12) | ciphertext and tag)
"""

import base64
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils.translation import gettext_lazy as _

PURPOSE = b"keyrack:accounts:second-factor"
NONCE_BYTES = 12


class Unreadable(ValidationError):
    """It does not open: its key is not set here. An error of the form that needed it, and nothing in a template."""

    silent_variable_failure = True

    def __init__(self) -> None:
        super().__init__(_("Your second step can’t be checked: its key is gone here. Ask your administrator."))


@lru_cache(maxsize=16)
def _cipher(key: str) -> AESGCMSIV:
    secret = base64.b64decode(key, validate=True)
    return AESGCMSIV(HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(secret))


def keyring() -> dict[str, str]:
    """By key id, still in base64; the first one seals, all open."""
    pairs = (entry.strip().partition(":") for entry in settings.TOKEN_ENCRYPTION_KEYS)
    return {key_id: key for key_id, _colon, key in pairs}


def seal(plaintext: str) -> str:
    key_id, key = next(iter(keyring().items()), ("", ""))
    if not key_id:
        raise ImproperlyConfigured("TOKEN_ENCRYPTION_KEYS is not set.")
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + _cipher(key).encrypt(nonce, plaintext.encode(), None)
    return f"{key_id}:{base64.b64encode(sealed).decode()}"


def unseal(sealed: str) -> str:
    """The plaintext, or `Unreadable`: whatever does not open is never taken for the value itself."""
    key_id, _colon, encoded = sealed.partition(":")
    try:
        content = base64.b64decode(encoded, validate=True)
        return _cipher(keyring()[key_id]).decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], None).decode()
    except (KeyError, ValueError, InvalidTag):
        raise Unreadable from None


def key_id_of(sealed: str) -> str:
    return sealed.partition(":")[0]
