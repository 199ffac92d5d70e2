"""How often somebody may try something. Counted in the cache: several processes share it where CACHE_URL names one."""

from dataclasses import dataclass

from django.core.cache import cache


@dataclass(frozen=True, kw_only=True)
class Limit:
    """So many times from one place in so many seconds; then a wait until those seconds are over."""

    name: str
    times: int
    seconds: int

    def count(self, place: str) -> bool:
        """One more; whether it was one too many."""
        key = f"limit:{self.name}:{place}"
        cache.add(key, 0, timeout=self.seconds)
        try:
            return cache.incr(key) > self.times
        except ValueError:  # it ran out just now
            return False
