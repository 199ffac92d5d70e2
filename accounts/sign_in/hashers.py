"""Password hashers that tell "password" from "password" with NUL behind it.

HMAC fills its key up with zeros (RFC 2104), and the key of PBKDF2, which scrypt is built on too, is the password. So to
Django's own hashers both are the same: for people's passwords and for clients' secrets. One that ends with NUL opens
nothing therefore.
"""

from typing import Any

from django.contrib.auth import hashers
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables


class _NulCounts:
    @method_decorator(sensitive_variables("password"))
    def verify(self, password: str, encoded: str) -> bool:
        """Takes as long for one as for the other."""
        parent: Any = super()
        return bool(parent.verify(password, encoded)) and not password.endswith("\0")


class PBKDF2(_NulCounts, hashers.PBKDF2PasswordHasher):
    pass


class PBKDF2SHA1(_NulCounts, hashers.PBKDF2SHA1PasswordHasher):
    pass


class Scrypt(_NulCounts, hashers.ScryptPasswordHasher):
    pass
