"""The embedded queue: kombu's folder of messages, made to survive what lies in it.

kombu's own writes a message under its final name bit by bit, reads whatever it finds, and lets what it cannot read end
the worker. Here a message appears whole or not at all, and what is none is put away with a word in the log: the rows
hold the promises, so a lost message costs seconds. Knows nothing of tasks.
"""

import logging
import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu import transport
from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)


class Channel(filesystem.Channel):
    def _put(self, queue: str, message: Any, **_options: Any) -> None:  # type: ignore[override]  # as its own base
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        unseen = Path(self.data_folder_out, f".{name}")
        try:
            unseen.write_text(dumps(message))
            unseen.rename(Path(self.data_folder_out, name))
        except OSError as error:
            raise ChannelError(f"The queue's folder cannot be written: {type(error).__name__}") from error

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        """The oldest message. A folder that is away for a while is empty, not the worker's end."""
        for name in sorted(self._names(queue)):
            claimed = Path(self.processed_folder, name)
            try:
                Path(self.data_folder_in, name).rename(claimed)  # for exactly one worker
                content = claimed.read_bytes()
                claimed.unlink()
            except OSError:
                continue
            if (message := self._parsed(content)) is not None:
                return message
            logger.error("Put away a file in the queue that is no message: %s", name)
        raise Empty

    def _parsed(self, content: bytes) -> dict[str, Any] | None:
        """A message that kombu can take on from here, or None."""
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


def install() -> None:
    """From now on filesystem:// means this."""
    transport.TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
