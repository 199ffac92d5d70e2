"""Encryption at rest for text of this app: secrets of authenticator apps, seeds of recovery codes, refresh replays.

AES-256-GCM-SIV (RFC 8452) under a key of each purpose, derived from TOKEN_ENCRYPTION_KEYS; the key id stands in front.

    key id ":" base64(nonce (12) | ciphertext and tag)
"""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils.translation import gettext_lazy as _

SECOND_FACTOR = b"keyrack:accounts:second-factor"
REFRESH_REPLAY = b"keyrack:accounts:refresh-replay"
NONCE_BYTES = 12


class Unreadable(ValidationError):
    """It does not open: its key is not set here. An error of the form that needed it, and nothing in a template."""

    silent_variable_failure = True

    def __init__(self) -> None:
        super().__init__(_("Your second step can’t be checked: its key is gone here. Ask your administrator."))


def _cipher(key: str, purpose: bytes, also_needs: str) -> AESGCMSIV:
    secret, salt = base64.b64decode(key, validate=True), also_needs.encode() or None
    return AESGCMSIV(HKDF(algorithm=SHA256(), length=32, salt=salt, info=purpose).derive(secret))


def keyring() -> dict[str, str]:
    """By key id, still in base64; the first one seals, all open."""
    pairs = (entry.strip().partition(":") for entry in settings.TOKEN_ENCRYPTION_KEYS)
    return {key_id: key for key_id, _colon, key in pairs}


def seal(plaintext: str, *, purpose: bytes = SECOND_FACTOR, also_needs: str = "") -> str:
    """`also_needs`: a secret without which the keys of the site do not open it."""
    key_id, key = next(iter(keyring().items()), ("", ""))
    if not key_id:
        raise ImproperlyConfigured("TOKEN_ENCRYPTION_KEYS is not set.")
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + _cipher(key, purpose, also_needs).encrypt(nonce, plaintext.encode(), None)
    return f"{key_id}:{base64.b64encode(sealed).decode()}"


def unseal(sealed: str, *, purpose: bytes = SECOND_FACTOR, also_needs: str = "") -> str:
    """The plaintext, or `Unreadable`: whatever does not open is never taken for the value itself."""
    key_id, _colon, encoded = sealed.partition(":")
    try:
        content = base64.b64decode(encoded, validate=True)
        cipher = _cipher(keyring()[key_id], purpose, also_needs)
        return cipher.decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], None).decode()
    except (KeyError, ValueError, InvalidTag):
        raise Unreadable from None


def key_id_of(sealed: str) -> str:
    return sealed.partition(":")[0]
