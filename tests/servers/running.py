"""A server as a child process: started on a socket that is already open, gone when we are gone.

The child gets its settings as one line on standard input and must end when that pipe closes, which the kernel does
for us even when the test run is killed. It inherits the listening socket (settings: `listens_on`, a file descriptor),
so no port can be snatched between choosing and using it.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import requests

from tests.servers.machine import PORTS

PATIENCE = 60.0  # seconds until it must have answered


class ServerDied(Exception):
    """The child ended by itself, or never answered; holds the end of its log."""


@contextmanager
def server(
    command: list[str], listening: socket.socket, settings: Mapping[str, object], answers_at: str
) -> Iterator[None]:
    """Run `command` until the block ends; begins once `answers_at` (a path) is answered."""
    host, port = listening.getsockname()
    with (
        tempfile.TemporaryDirectory(prefix="keyrack-server-") as directory,
        (Path(directory) / "log").open("w+") as log,
    ):
        child = _spawn(command, listening, log, {**settings, "directory": directory})
        listening.close()  # ours; a dead child shall refuse connections, not leave them waiting
        try:
            _wait(child, f"http://{host}:{port}{answers_at}", log)
            yield
            if child.poll() is not None:
                raise ServerDied(_end_of(log))
        finally:
            _end(child)


def listening_socket() -> socket.socket:
    """A socket that listens on a free loopback port below the ephemeral range."""
    while True:
        candidate = socket.socket()
        try:
            candidate.bind(("127.0.0.1", secrets.choice(PORTS)))
        except OSError:
            candidate.close()
            continue
        candidate.listen(128)
        return candidate


def _spawn(
    command: list[str], listening: socket.socket, log: IO[str], settings: Mapping[str, object]
) -> subprocess.Popen[str]:
    number = listening.fileno()
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=[number],
        start_new_session=True,
    )
    assert child.stdin is not None
    child.stdin.write(json.dumps({**settings, "listens_on": number}) + "\n")
    child.stdin.flush()
    return child


def _wait(child: subprocess.Popen[str], url: str, log: IO[str]) -> None:
    until = time.monotonic() + PATIENCE
    while child.poll() is None and time.monotonic() < until:
        with suppress(requests.RequestException):
            if requests.get(url, timeout=2).ok:
                return
        time.sleep(0.05)
    raise ServerDied(_end_of(log))


def _end(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    with suppress(BrokenPipeError):
        child.stdin.close()
    try:
        child.wait(3)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(2)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # whatever of its group is left
    child.wait()


def _end_of(log: IO[str]) -> str:
    log.seek(0)
    return "the server's last words:\n" + "".join(log.readlines()[-40:])
