"""How often programs may call. Counted for each person and program, and for each address that nobody stands behind.

Counted in the site's cache: all processes together where `CACHE_URL` is a shared one. A call that is refused for want
of a living token counts for its address, so that guessing is slow; no living token is held up by its neighbours.
"""

from hashlib import sha256
from typing import Any

from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts.api.authentication import Rights
from accounts.sign_in.lockout import client_address


class Calls(SimpleRateThrottle):
    """While the cache is away nothing can be counted, and nobody is held up for that."""

    def allow_request(self, request: Request, view: Any) -> bool:
        try:
            return super().allow_request(request, view)
        except RedisError:
            return True


class KnownCalls(Calls):
    """Each program of a person, and the person's own sessions, by themselves: one that runs wild stops no other."""

    scope = "known"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if not request.user.is_authenticated:
            return None
        rights: Rights | None = request.auth  # type: ignore[assignment]  # django-rest-framework knows only its own
        name = f"{request.user.pk} {rights.counted_as if rights else 'session'}"
        return f"api-calls-{sha256(name.encode()).hexdigest()}"  # a cache may refuse what a client is called


class AnonymousCalls(Calls):
    scope = "anonymous"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if request.user.is_authenticated:
            return None
        return f"api-calls-from-{client_address(request._request)}"


def wait_of_the_refused(request: Request, view: Any) -> float | None:
    """Count a call that showed no living token; the seconds to wait if there were too many, else None."""
    calls = AnonymousCalls()
    return None if calls.allow_request(request, view) else calls.wait() or 1
