"""Names and passwords at our own token endpoint (RFC 6749 §4.3): which ones open, and how wrong ones count.

With two-step sign-in on, the password of the account would be a way round it: only an application password opens then.
Knows nothing of clients and tokens.
"""

from dataclasses import dataclass

from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.utils.crypto import get_random_string
from django.views.decorators.debug import sensitive_variables

from accounts.access_tokens import operations
from accounts.access_tokens.models import ApplicationPassword
from accounts.models import User
from accounts.sign_in import backends, lockout, mfa
from accounts.sign_in.lockout import LockedOut

# The same for everybody: it tells nobody who has two-step sign-in on.
REFUSED = "Wrong username or password. With two-step sign-in on, only an application password is accepted."


@dataclass(frozen=True, kw_only=True)
class Opened:
    user: User
    application_password: ApplicationPassword | None = None  # which limits what is given for it


@sensitive_variables("password")
def check(request: HttpRequest, username: str, password: str) -> Opened | None:
    """Who that is; None where it is wrong, which counts. `LockedOut` where it was not looked at."""
    meant = backends.meant_by(username)
    try:
        if meant and mfa.is_on(meant):
            return check_application_password(request, meant, password)
        found = authenticate(request, username=username, password=password)
    except LockedOut as error:
        if error.was_tried:
            return None
        raise
    return Opened(user=found) if isinstance(found, User) and found.is_active else None


@sensitive_variables("password")
def check_application_password(request: HttpRequest, user: User, password: str) -> Opened | None:
    address = lockout.client_address(request)
    with lockout.attempt(request, user, known_place=operations.known_place(user, address)) as attempt:
        shown = operations.verify_application_password(user, password, address)
        attempt.has_succeeded = shown is not None
        if not shown:
            User().set_password(get_random_string(20))  # takes as long as looking at a password of an account
    return Opened(user=user, application_password=shown) if shown else None
