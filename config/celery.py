"""The Celery application: `celery -A config worker`, `celery -A config beat`; and the embedded queue.

The queue is kombu's filesystem transport, with atomic writes and tolerance for unreadable files. kombu's writes a
message in place, and a file that it cannot parse ends the worker. Here a message appears whole or not at all, and an
unreadable file is removed and logged. What has to be done is stored in rows, so a lost message costs seconds.
"""

import logging
import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from celery.utils.log import get_multiprocessing_logger
from kombu import transport
from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)


class Channel(filesystem.Channel):
    def _put(self, queue: str, message: Any, **_options: Any) -> None:  # type: ignore[override]  # like its base class
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        hidden = Path(self.data_folder_out, f".{name}")
        try:
            hidden.write_text(dumps(message))
            hidden.rename(Path(self.data_folder_out, name))
        except OSError as error:
            raise ChannelError(f"The queue's folder cannot be written: {type(error).__name__}") from error

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        """Return the oldest message. A missing folder counts as an empty one, so that the worker survives it."""
        for name in sorted(self._names(queue)):
            claimed = Path(self.processed_folder, name)
            try:
                Path(self.data_folder_in, name).rename(claimed)  # succeeds for one worker only
                content = claimed.read_bytes()
                claimed.unlink()
            except OSError:
                continue
            if (message := self._parse(content)) is not None:
                return message
            logger.error("Removed a file from the queue that is not a message: %s", name)
        raise Empty

    def _parse(self, content: bytes) -> dict[str, Any] | None:
        """Return the message, or None if kombu could not read it."""
        try:
            message: dict[str, Any] = loads(content.decode())
            self.Message(message, channel=self)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return None
        return message

    def _names(self, queue: str) -> list[str]:
        try:
            return [name for name in os.listdir(self.data_folder_in) if name.partition(".")[2] == f"{queue}.msg"]
        except OSError:
            return []


class Transport(filesystem.Transport):
    Channel = Channel


def install_transports() -> None:
    """Make these the transports of URLs: of files from this module, of Redis and RabbitMQ from theirs."""
    transport.TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
    transport.TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "config.redis_queue:RedisTransport"))
    transport.TRANSPORT_ALIASES.update(dict.fromkeys(("amqp", "pyamqp"), "config.rabbitmq_queue:RabbitTransport"))
    transport.TRANSPORT_ALIASES["amqps"] = "config.rabbitmq_queue:SecureRabbitTransport"


# Application ----------------------------------------------------------------------------------------------------------


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
install_transports()


@setup_logging.connect(dispatch_uid="keyrack.logging")
def keep_logging(**_arguments: Any) -> None:
    """Leave logging as the settings have it: their handlers, and LOG_LEVEL for workers and beat too.

    Celery would raise the level of all logs to its own (WARNING), and write some lines in a format of its own. A
    message about a process of the pool that was killed goes the same way as all others.
    """
    if pool := get_multiprocessing_logger():
        pool.propagate, pool.level = True, logging.ERROR


app = Celery("keyrack")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
