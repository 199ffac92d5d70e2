"""Permissions and throttles of the REST API: what a token allows, and how often.

A session has all rights of its user, a token only its scopes. Throttles count by user and program, and unauthenticated
calls by network address, in the site's cache: for all processes together if `CACHE_URL` names a shared one. Calls with
an invalid token count for their address, which slows down guessing but never delays a valid token from there.
"""

import time
from collections.abc import Sequence, Set
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

from django.conf import settings
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts import scopes
from accounts.sign_in.middleware import client_address
from foundation import counters

REALM = "keyrack"
METADATA_PATH = "/.well-known/oauth-protected-resource"


def bearer_challenge(**attributes: str) -> str:
    """The WWW-Authenticate header of an error (RFC 6750 §3). Pass no values from outside: quotes are not escaped."""
    words = {"realm": REALM, **attributes}
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in words.items())


def metadata_url(path: str) -> str:
    """Where the metadata of the protected resource at this path is (RFC 9728 §3.1)."""
    return f"{settings.SITE_URL}{METADATA_PATH}{path}"


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Scopes and origin of a token, as `request.auth`. None there stands for a session."""

    scopes: Set[str]
    client_id: str = ""  # of an OAuth access token
    secret_id: str = ""  # of a permanent token or an application password
    name: str = ""  # of the application, token or password, as its user knows it

    @property
    def counted_as(self) -> str:
        """Key of the program in throttles."""
        return self.client_id or self.secret_id


def counted_program(user: Any, rights: Rights | None) -> str:
    """Key of a program of this person in limits; their sessions are one of them."""
    return f"{user.pk} {rights.counted_as if rights else 'session'}"


class InsufficientScope(PermissionDenied):
    """The token lacks a scope. `needed` has all scopes of the call, not just the missing ones (RFC 6750 §3.1)."""

    default_code = "insufficient_scope"

    def __init__(self, needed: Sequence[str], missing: Sequence[str]) -> None:
        super().__init__(f"The access token lacks: {' '.join(missing)}.")
        self.needed = tuple(needed)


class HasScopes(BasePermission):
    """Allows sessions, and tokens with the scopes that `needed_scopes` of the view names for the method.

    A view without `needed_scopes` refuses every token. This is the default permission class, so that no view lacks it.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            return False
        rights = cast("Rights | None", request.auth)
        if rights is None:
            return True
        if not hasattr(view, "needed_scopes"):
            return False
        needed: Sequence[str] = view.needed_scopes(request.method)
        missing = [scope for scope in needed if not scopes.allows_scope(rights.scopes, scope)]
        if missing:
            raise InsufficientScope(needed, missing)
        return True


# Throttles ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Limit:
    """At most `times` from one place in each period of so many `seconds`. No limit while Redis is unavailable."""

    name: str
    times: int
    seconds: int

    def count(self, place: str) -> bool:
        """Count one more; returns whether it exceeds the limit."""
        key = f"limit:{self.name}:{place}:{int(time.time() // self.seconds)}"
        try:
            return counters.count_up(key, self.seconds) > self.times
        except counters.cache_errors():
            return False

    def wait(self) -> float:
        """Seconds until the next period begins."""
        return self.seconds - time.time() % self.seconds


class Calls(SimpleRateThrottle):
    """Counts the calls of each minute of the clock, in one counter: as cheap for the last call as for the first.

    Allows every call while Redis is unavailable: an outage of the cache must not stop the API.
    """

    num_requests: int
    duration: int  # seconds

    def allow_request(self, request: Request, view: Any) -> bool:
        key = self.get_cache_key(request, view)
        if self.rate is None or key is None:
            return True
        self.now = self.timer()
        try:
            calls = counters.count_up(f"{key}-{int(self.now // self.duration)}", self.duration)
        except counters.cache_errors():
            return True
        return calls <= self.num_requests

    def wait(self) -> float:
        """Seconds until the next period begins."""
        return self.duration - float(self.now) % self.duration


class KnownCalls(Calls):
    """Counts each program of a user separately, and the user's sessions together: none can use up another's limit."""

    scope = "known"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if not request.user.is_authenticated:
            return None
        rights: Rights | None = request.auth  # type: ignore[assignment]  # typed as DRF's own Token
        program = counted_program(request.user, rights)
        # Hashed, since a client ID may hold characters that a cache key may not.
        return f"api-calls-{sha256(program.encode()).hexdigest()}"


class AnonymousCalls(Calls):
    """Counts unauthenticated calls by network address."""

    scope = "anonymous"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if request.user.is_authenticated:
            return None
        return f"api-calls-from-{client_address(request._request)}"


def throttle_unauthenticated(request: Request, view: Any) -> float | None:
    """Count a call without a valid token; returns the seconds to wait if there were too many, else None."""
    calls = AnonymousCalls()
    return None if calls.allow_request(request, view) else calls.wait() or 1
