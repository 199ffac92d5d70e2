"""kombu's Redis transport, with a worker that outlives a restart of Redis, and a Redis that takes no messages.

When kombu 5.7 has closed a lost connection, it still gives messages back and acknowledges tasks that end later. Both
fail with AttributeError, which ends the worker. Here they fail with a lost connection, which kombu expects: the
messages come back after the visibility timeout, and a sweep does the work of their rows before that.

A Redis without memory or disk space, or one that became a replica, takes connections and refuses to write. Here such a
connection counts as lost, so that a worker waits longer after each attempt. kombu would try again at once, for ever.
"""

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

TEST_KEY, TEST_SECONDS = "keyrack-writable", 10


class RedisChannel(redis.Channel):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        try:
            self.client.set(TEST_KEY, "1", ex=TEST_SECONDS)
        except ResponseError as error:
            self.close()
            raise RedisConnectionError(str(error)) from error

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if self.connection.client is None:
            raise RedisConnectionError("The connection to Redis is closed.")
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]  # the stubs lack it
        return parameters


class RedisTransport(redis.Transport):
    Channel = RedisChannel
