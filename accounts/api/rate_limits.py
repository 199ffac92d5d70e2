"""Fixed-window rate limits, counted in the cache (for all processes together if CACHE_URL names a shared one)."""

from dataclasses import dataclass

from django.core.cache import cache


@dataclass(frozen=True, kw_only=True)
class Limit:
    """At most `times` from one place within `seconds`, counted from the first."""

    name: str
    times: int
    seconds: int

    def count(self, place: str) -> bool:
        """Count one more; returns whether it exceeds the limit."""
        key = f"limit:{self.name}:{place}"
        cache.add(key, 0, timeout=self.seconds)
        try:
            return cache.incr(key) > self.times
        except ValueError:  # the key expired between the two calls
            return False
