"""Brokers that go away and come back at the same address: killed, when all they held is lost, or frozen.

    with broker_of("redis", tmp_path) as broker:
        broker.kill()
        broker.start()
        with broker.frozen(): ...

Knows nothing of Celery. The folder of the embedded queue is a broker too; it cannot freeze.
"""

import contextlib
import os
import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers import fixtures, machine
from tests.servers.worker import FILES


class Broker(ABC):
    url: str

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def kill(self) -> None: ...

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()


class Server(Broker):
    def __init__(self, url: str, run: Callable[[], AbstractContextManager[machine.Process]]) -> None:
        self.url, self._run = url, run
        self._up = ExitStack()

    def start(self) -> None:
        self._process = self._up.enter_context(self._run())

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._up.close()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """The kernel takes connections for it, and nobody answers."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class Folder(Broker):
    url = FILES

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "queue"

    def start(self) -> None:
        for name in ("messages", "control", "processed"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)

    def kill(self) -> None:
        gone = self._folder.with_name("gone")
        self._folder.rename(gone)  # at once, so that nobody writes into what is being removed
        shutil.rmtree(gone)


def broker_of(kind: str, folder: Path) -> Broker:
    """One of "files", "redis" and "rabbitmq", not started yet; skips the test where the machine has none."""
    if kind == "files":
        return Folder(folder)
    return server_of(kind)


def server_of(kind: str) -> Server:
    fixtures.skip_without(kind)
    port = machine.free_port()
    if kind == "redis":
        return Server(f"redis://127.0.0.1:{port}/0", lambda: machine.redis_at(port))
    return Server(f"amqp://guest:guest@127.0.0.1:{port}//", lambda: machine.rabbitmq_at(port))
