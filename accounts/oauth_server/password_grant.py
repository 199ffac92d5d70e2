"""Checks of usernames and passwords at our token endpoint (RFC 6749 §4.3), with counting of failures.

If the user has two-step sign-in, only an application password is accepted: the account's would bypass the second step.
If it is required and not set up yet, nothing is.
Knows neither clients nor tokens.
"""

from dataclasses import dataclass

from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.utils.crypto import get_random_string
from django.views.decorators.debug import sensitive_variables

from accounts.access_tokens import operations, usage
from accounts.access_tokens.models import ApplicationPassword
from accounts.models import User
from accounts.sign_in import backends, lockout, mfa
from accounts.sign_in.middleware import LockedOut, client_address

# One message for all: it must not reveal who has two-step sign-in.
REFUSED = "Wrong username or password. With two-step sign-in on, only an application password is accepted."


@dataclass(frozen=True, kw_only=True)
class CheckedUser:
    """The user that a username and password belong to."""

    user: User
    application_password: ApplicationPassword | None = None  # limits the scopes


@sensitive_variables("password")
def check_password(request: HttpRequest, username: str, password: str) -> CheckedUser | None:
    """The user with this username and password; None if they are wrong, which counts as a failure.

    Raises `LockedOut` if the password was not looked at.
    """
    user = backends.find_user(username)
    try:
        if user and mfa.is_on(user):
            return check_application_password(request, user, password)
        account = authenticate(request, username=username, password=password)
    except LockedOut as error:
        if error.was_tried:
            return None
        raise
    if not isinstance(account, User) or not account.is_active or mfa.is_missing(account):
        return None
    return CheckedUser(user=account)


@sensitive_variables("password")
def check_application_password(request: HttpRequest, user: User, password: str) -> CheckedUser | None:
    address = client_address(request)
    with lockout.limited_attempt(request, user, known_place=usage.known_place(user, address)) as attempt:
        row = operations.verify_application_password(user, password, address)
        attempt.has_succeeded = row is not None
        if not row:
            User().set_password(get_random_string(20))  # takes as long as checking the password of an account
    return CheckedUser(user=user, application_password=row) if row else None
