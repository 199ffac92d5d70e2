"""Whom a name means, and whether the password is theirs. One account and one hash, whatever was typed."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.models import EmailAddress
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from accounts.sign_in import lockout


def meant_by(name: str) -> User | None:
    """By username, else by the spelling of one, else by e-mail address. Nobody where it could be two people."""
    name = name.strip()
    if "\0" in name or not name:
        return None
    exact = User.objects.filter(username=name).first()
    return exact or only(User.objects.filter(username__iexact=name)[:2]) or owner_of(name)


def owner_of(address: str) -> User | None:
    if "@" not in address:
        return None
    verified = EmailAddress.objects.filter(email=address.lower(), verified=True).select_related("user")
    return only([each.user for each in verified[:2]]) or only(User.objects.filter(email__iexact=address)[:2])


def only(found: Any) -> User | None:
    people: list[User] = list(found)
    return people[0] if len(people) == 1 else None


class Backend(AuthenticationBackend):
    """allauth's, which would hash a password up to three times for some names and so tell which ones exist.

    An attempt is reserved before the hash, whoever asks: `accounts.sign_in.lockout.LockedOut`.
    """

    meant: User | None = None

    @sensitive_variables()
    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        name = credentials.get("username") or credentials.get("email") or ""
        self.meant = meant_by(name)
        with lockout.attempt(request or HttpRequest(), self.meant, name=name) as attempt:
            found: User | None = super().authenticate(request, **credentials)
            attempt.has_succeeded = found is not None
        return found

    def _authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        found: User | None = self._check_password(self.meant, credentials["password"])
        return found
