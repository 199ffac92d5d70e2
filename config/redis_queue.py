"""kombu's Redis transport, with a worker that outlives a restart of Redis.

When kombu 5.7 has closed a lost connection, it still gives messages back and acknowledges tasks that end later. Both
fail with AttributeError, which ends the worker. Here they fail with a lost connection, which kombu expects: the
messages come back after the visibility timeout, and a sweep does the work of their rows before that.
"""

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError


class RedisChannel(redis.Channel):
    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if self.connection.client is None:
            raise RedisConnectionError("The connection to Redis is closed.")
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]  # the stubs lack it
        return parameters


class RedisTransport(redis.Transport):
    Channel = RedisChannel
