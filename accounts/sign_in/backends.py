"""Authentication backend: finds the account of a name or e-mail address, and checks one password hash.

The password hashers distinguish "password" from "password" followed by NUL. HMAC pads its key with zeros (RFC 2104),
and the key of PBKDF2, on which scrypt is built too, is the password. To Django's own hashers both passwords are
therefore the same, for users and for client secrets. These hashers refuse every password that ends with NUL.
"""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth import hashers
from django.db import DEFAULT_DB_ALIAS
from django.db.models import BigAutoField
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from accounts.sign_in import lockout, mfa
from accounts.sign_in.email_addresses import accounts_with
from foundation.database import CompiledQuery, Slot

COLUMNS = tuple(field.attname for field in User._meta.concrete_fields)
USER_OF_A_SESSION = CompiledQuery(
    lambda: (
        User.objects.filter(pk=Slot("id", BigAutoField()))
        .annotate(lacks_second_step=~mfa.is_satisfied())  # type: ignore[no-redef]  # declared on User
        .values_list(*COLUMNS, "lacks_second_step")
    )
)


def find_user(name: str) -> User | None:
    """The user with this username, else with another spelling of it, else with this e-mail address.

    None if several users match.
    """
    name = name.strip()
    if "\0" in name or not name:
        return None
    exact = User.objects.filter(username=name).first()
    return exact or single_user(User.objects.filter(username__iexact=name)[:2]) or find_by_email(name)


def find_by_email(address: str) -> User | None:
    """The only account with this address."""
    return single_user(accounts_with(address)[:2]) if "@" in address else None


def single_user(rows: Any) -> User | None:
    people: list[User] = list(rows)
    return people[0] if len(people) == 1 else None


class Backend(AuthenticationBackend):
    """allauth's backend with one password hash for every name, so that response times don't reveal which names exist.

    Reserves an attempt before hashing, for every caller. Raises `accounts.sign_in.middleware.LockedOut`.
    """

    candidate: User | None = None

    def get_user(self, user_id: Any) -> User | None:
        """The user of a session, with `lacks_second_step`. One statement, which is compiled only once."""
        row = USER_OF_A_SESSION.row(id=user_id)
        if row is None:
            return None
        user = User.from_db(DEFAULT_DB_ALIAS, COLUMNS, row[:-1])
        user.lacks_second_step = row[-1]
        return user if self.user_can_authenticate(user) else None

    def user_can_authenticate(self, user: Any) -> bool:
        """Refuse deactivated users and bots."""
        return not user.is_bot and bool(super().user_can_authenticate(user))

    @sensitive_variables()
    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        name = credentials.get("username") or credentials.get("email") or ""
        self.candidate = find_user(name)
        with lockout.limited_attempt(request or HttpRequest(), self.candidate, name=name) as attempt:
            user: User | None = super().authenticate(request, **credentials)
            attempt.has_succeeded = user is not None
        return user

    def _authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        user: User | None = self._check_password(self.candidate, credentials["password"])
        return user


# Password hashers -----------------------------------------------------------------------------------------------------


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
