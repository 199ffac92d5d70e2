"""The RSA key that signs ID tokens: made at the first start, kept beside the database, readable by its owner only."""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def signing_key(path: Path) -> str:
    """Return the PEM text at `path`. Safe to call from two starting processes: the first one's key stays."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _publish(new_key(), path)
    return path.read_text(encoding="ascii")


def new_key() -> bytes:
    """Make a fresh key. 2048 bits, the size RFC 7518 section 3.3 asks for at least."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _publish(pem: bytes, path: Path) -> None:
    # A hard link appears whole or not at all and never replaces a key that another process has put there meanwhile.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
