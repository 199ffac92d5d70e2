"""Password hashers that distinguish "password" from "password" followed by NUL.

HMAC pads its key with zeros (RFC 2104), and the key of PBKDF2, on which scrypt is built too, is the password. To
Django's own hashers both passwords are therefore the same, for users and for client secrets. These hashers refuse every
password that ends with NUL.
"""

from typing import Any

from django.contrib.auth import hashers
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables


class _NulCounts:
    @method_decorator(sensitive_variables("password"))
    def verify(self, password: str, encoded: str) -> bool:
        """Verify the hash first, so that the response time is the same."""
        parent: Any = super()
        return bool(parent.verify(password, encoded)) and not password.endswith("\0")


class PBKDF2(_NulCounts, hashers.PBKDF2PasswordHasher):
    pass


class PBKDF2SHA1(_NulCounts, hashers.PBKDF2SHA1PasswordHasher):
    pass


class Scrypt(_NulCounts, hashers.ScryptPasswordHasher):
    pass
