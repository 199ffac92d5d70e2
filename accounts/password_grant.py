"""Names and passwords at our own token endpoint (RFC 6749 §4.3): which ones open, and how wrong ones count.

With two-step sign-in on, the password of the account would be a way round it: only an application password opens then.
Knows nothing of clients and tokens.
"""

from dataclasses import dataclass

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest
from django.utils.crypto import get_random_string
from django.views.decorators.debug import sensitive_variables

from accounts import backends, credentials, lockout, second_factor
from accounts.models import ApplicationPassword, User

# The same for everybody: it tells nobody who has two-step sign-in on.
REFUSED = "Wrong username or password. With two-step sign-in on, only an application password is accepted."


class LockedOut(Exception):
    """Too many wrong ones before: this one was not looked at."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    user: User
    application_password: ApplicationPassword | None = None  # which limits what is given for it


@sensitive_variables("password")
def check(request: HttpRequest, username: str, password: str) -> Opened | None:
    """Who that is; None where it is wrong, which counts. `LockedOut` as at every other door."""
    if not AxesProxyHandler.is_allowed(request, {"username": username}):
        raise LockedOut
    meant = backends.meant_by(username)
    if meant and second_factor.is_on(meant):
        return check_application_password(request, meant, password)
    found = authenticate(request, username=username, password=password)
    return Opened(user=found) if isinstance(found, User) and found.is_active else None


@sensitive_variables("password")
def check_application_password(request: HttpRequest, user: User, password: str) -> Opened | None:
    shown = credentials.verify_application_password(user, password, lockout.client_address(request))
    if shown:
        return Opened(user=user, application_password=shown)
    User().set_password(get_random_string(20))  # takes as long as looking at a password of an account
    user_login_failed.send(sender=__name__, credentials={"username": user.get_username()}, request=request)
    return None
