"""Counters of limits: right in each kind of cache, and one round trip in a Redis."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from django.core.cache import cache
from pytest_django import Settings
from redis import Redis

from foundation import counters

THREADS, TIMES = 8, 25


@pytest.fixture(params=["memory", "redis"])
def kind(request: pytest.FixtureRequest, settings: Settings) -> Iterator[str]:
    """The site's cache, of each kind."""
    backend = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "counters"}
    if request.param == "redis":
        backend = {"BACKEND": "foundation.counters.RedisCache", "LOCATION": request.getfixturevalue("redis_url")}
    settings.CACHES = {"default": {**backend, "KEY_PREFIX": "https://keyrack.example"}}
    yield request.param
    cache.clear()


def test_each_call_is_counted_once_whoever_counts_beside_it(kind: str) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        counts = list(pool.map(lambda _: counters.count_up("calls", 60), range(THREADS * TIMES)))
    assert sorted(counts) == list(range(1, THREADS * TIMES + 1))
    assert counters.count_up("other-calls", 60) == 1


def test_a_count_is_forgotten_when_its_time_is_over(kind: str, redis_url: str) -> None:
    assert [counters.count_up("brief", 60) for _ in range(3)] == [1, 2, 3]
    if kind == "memory":
        with time_machine.travel(time.time() + 61):
            assert counters.count_up("brief", 60) == 1
        return
    key = cache.make_key("brief")
    with Redis.from_url(redis_url) as server:
        assert 0 < server.ttl(key) <= 60  # it ends by itself
        server.pexpire(key, 1)
        while server.exists(key):
            pass
    assert counters.count_up("brief", 60) == 1


def test_counting_is_one_round_trip_to_redis(settings: Settings, redis_url: str) -> None:
    settings.CACHES = {"default": {"BACKEND": "foundation.counters.RedisCache", "LOCATION": redis_url}}
    counters.count_up("calls", 60)  # connects, and says when the counter ends
    with Redis.from_url(redis_url) as server:
        before = reads_of(server)
        assert [counters.count_up("calls", 60) for _ in range(10)] == list(range(2, 12))
        assert reads_of(server) - before == 10 + 1  # and this question itself


def reads_of(server: "Redis") -> int:
    """How often the server has read from its clients."""
    return int(server.info("stats")["total_reads_processed"])


def test_every_address_of_a_redis_gets_these_counters() -> None:
    environment = {**os.environ, "CACHE_URL": "redis://127.0.0.1:1/0"}
    program = "from config import settings; print(settings.CACHES['default']['BACKEND'])"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "foundation.counters.RedisCache"
