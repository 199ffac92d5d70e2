"""Throttles of the REST API: by user and program, and for unauthenticated calls by address.

Counted in the site's cache, so for all processes together if `CACHE_URL` names a shared one. Calls with an invalid
token count for their address, which slows down guessing but never delays a valid token from the same address.
"""

from hashlib import sha256
from typing import Any

from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts.api.authentication import Rights
from accounts.sign_in.lockout import client_address


class Calls(SimpleRateThrottle):
    """Allows every call while Redis is unavailable: an outage of the cache must not stop the API."""

    def allow_request(self, request: Request, view: Any) -> bool:
        try:
            return super().allow_request(request, view)
        except RedisError:
            return True


class KnownCalls(Calls):
    """Counts each program of a user separately, and the user's sessions together: none can use up another's limit."""

    scope = "known"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if not request.user.is_authenticated:
            return None
        rights: Rights | None = request.auth  # type: ignore[assignment]  # typed as DRF's own Token
        program = f"{request.user.pk} {rights.counted_as if rights else 'session'}"
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
