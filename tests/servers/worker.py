"""A Celery worker of our own: `celery -A config worker` as a child process, on the database of the running test.

    with broker(redis_url, folder), Worker(redis_url, folder) as worker:
        ...                       # what this process publishes now, the worker gets
        worker.kill()             # as the kernel would when memory runs out

The settings are the site's own, told by environment variables as in production. The child ends with its block, and
also when the test run is killed. Knows nothing of what the tasks do.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from celery import current_app
from django.db import connection
from kombu import pools

from config.celery_settings import broker_options
from tests.servers import machine

CHECKOUT = Path(__file__).resolve().parents[2]
FILES = "filesystem://localhost//"
PATIENCE = 60.0  # seconds, for what must happen anyway: a machine with other work may take twenty


class WorkerFailed(Exception):
    """It did not start; holds the end of its log."""


class Worker:
    """`beat` also runs the sweep, every second."""

    def __init__(self, broker_url: str, folder: Path, *, beat: bool = True, pool: str = "threads") -> None:
        self.folder = folder
        options = [f"--pool={pool}", "--concurrency=4", "--loglevel=INFO", *(["--beat"] if beat else [])]
        self._command = [sys.executable, "-m", "celery", "-A", "config", "worker", *options, "--hostname=test@%h"]
        self._environment = {**os.environ, **environment(broker_url, folder), "STOP": "TERM"}
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "worker.log").read_text(errors="replace")

    @property
    def is_alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> Self:
        started_before = self.log.count(" ready.") if (self.folder / "worker.log").exists() else 0
        with (self.folder / "worker.log").open("ab") as output:
            self._child = subprocess.Popen(
                ["/bin/sh", "-c", machine.GUARD, "sh", *self._command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=CHECKOUT,
                env=self._environment,
                start_new_session=True,
            )
        if not eventually(lambda: not self.is_alive or self.log.count(" ready.") > started_before, PATIENCE):
            raise WorkerFailed(self.log[-3000:])
        if not self.is_alive:
            raise WorkerFailed(self.log[-3000:])
        return self

    def stop(self) -> None:
        """As a deployment would: TERM, and what runs is finished."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Without a word, in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def revoke_answer(self) -> "subprocess.Popen[bytes]":
        """What the kernel does to our end of the pipe when the test run is killed."""
        child, self._child = self._child, None
        assert child
        assert child.stdin
        child.stdin.close()
        return child

    def _end(self, number: signal.Signals) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        if child.stdin:
            child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()


def environment(broker_url: str, folder: Path) -> dict[str, str]:
    """What a process needs to be of one site with this one. Keys and SECRET_KEY are in our environment already."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database_url(),
        "CELERY_BROKER_URL": broker_url,
        "DATA_DIR": str(folder),
        "OUTBOUND_ALLOW": "127.0.0.0/8",
        "REVOCATION_SWEEP_SECONDS": "1",
    }


def database_url() -> str:
    """The database that this test runs on."""
    told = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{told['NAME']}"
    return f"postgres://{told['USER']}@{told['HOST']}:{told['PORT']}/{told['NAME']}"


@contextlib.contextmanager
def broker(url: str, folder: Path) -> Iterator[None]:
    """This process publishes there, under the settings that a site with this CELERY_BROKER_URL has."""
    conf = current_app.conf
    names = ("broker_url", "broker_write_url", "broker_transport_options")
    before = {name: getattr(conf, name) for name in names}
    conf.update(broker_url=url, broker_write_url=url, broker_transport_options=broker_options(url, folder / "queue"))
    forget_connections()
    try:
        yield
    finally:
        conf.update(before)
        forget_connections()


def forget_connections() -> None:
    pools.reset()
    current_app._after_fork()  # type: ignore[attr-defined]  # what Celery itself does to begin with new pools


def eventually(true: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether it comes true in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return true()
