"""Counters in the site's cache, for limits: shared by all processes if `CACHE_URL` names a Redis.

On a Redis, counting is one round trip. `cache.incr` is two, since Django first asks whether there is such a key. Hot
calls count each time: it was a fifth to a third of their processor time. Knows no limit.
"""

import functools
from typing import Any

from django.core.cache import cache, caches
from django.core.cache.backends import redis


def count_up(key: str, seconds: int) -> int:
    """Count one more; returns how many there have been. The counter is deleted `seconds` after its first.

    The key must name a period, e.g. a minute of the clock: a process that is killed before it has said when the counter
    ends leaves it in Redis forever. Raises one of `cache_errors` while Redis is unavailable.
    """
    backend = caches["default"]
    if isinstance(backend, RedisCache):
        return backend.count_up(key, seconds)
    try:
        return cache.incr(key)
    except ValueError:  # the first one, or another process is first at this moment
        return 1 if cache.add(key, 1, timeout=seconds) else cache.incr(key)


def cache_errors() -> tuple[type[Exception], ...]:
    """Errors of a Redis that is unavailable, for `except`: evaluated only once something has failed.

    A site without Redis never imports its client, which takes as long as a quarter of Django.
    """
    from redis.exceptions import RedisError

    return (RedisError,)


class RedisClient(redis.RedisCacheClient):
    """Keeps the client of redis-py. Django makes one for each command, which takes as long as the command."""

    def __init__(self, servers: list[str], **options: Any) -> None:
        super().__init__(servers, **options)
        self._client: Any = functools.cache(vars(self)["_client"])  # one for each pool

    def count_up(self, key: str, seconds: int) -> int:
        client = self.get_client(key, write=True)
        number = int(client.incr(key))
        if number == 1:
            client.expire(key, seconds)
        return number


class RedisCache(redis.RedisCache):
    """Django's Redis cache, with counters; `config.settings` uses it for all `redis://` addresses."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = RedisClient

    def count_up(self, key: str, seconds: int) -> int:
        client: RedisClient = self._cache  # type: ignore[assignment]  # the stubs know Django's only
        return client.count_up(self.make_and_validate_key(key), seconds)
