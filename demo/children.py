"""Child processes of the demo: each is started in its own process group, read line by line, and stopped as a group.

Knows nothing of what they do.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from threading import Lock, Thread
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 8.0  # seconds from SIGTERM to SIGKILL
KEPT_LINES = 30
WIDTH = len("provider")
COLOURS = {"web": 36, "worker": 33, "provider": 35, "prepare": 34, "seed": 34}


class Screen:
    """Writes whole lines from many threads. Uses colours only on a terminal."""

    def __init__(self, stream: TextIOWrapper) -> None:
        stream.reconfigure(errors="replace")  # a terminal that lacks a letter
        self.stream, self.is_gone = stream, False
        self.colourful = stream.isatty() and not os.environ.get("NO_COLOR")
        self.lock = Lock()

    def say(self, line: str = "") -> None:
        with self.lock:
            try:
                self.stream.write(f"{line}\n")
                self.stream.flush()
            except BrokenPipeError:  # the reader has gone (`… | head`): discard the rest
                self.is_gone = True
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())

    def say_of(self, name: str, line: str) -> None:
        prefix = f"{name:<{WIDTH}} |"
        self.say(f"{self.paint(prefix, COLOURS.get(name, 37))} {line}")

    def paint(self, text: str, colour: int) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colourful else text


class Guard:
    """The process of demo/guard.py, which ends the children if the demo is killed."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", str(ROOT / "demo/guard.py")]
        self.script = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)  # noqa: S603  ours

    def watch(self, group: int) -> None:
        self.tell(str(group))

    def dismiss(self) -> None:
        self.tell("done")
        self.script.communicate()

    def tell(self, line: str) -> None:
        if self.script.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.script.stdin.write(f"{line}\n")
                self.script.stdin.flush()


class Child:
    """A process with its descendants. Its output is shown.

    With `ends` it is a command that ends by itself; its standard output is its result and isn't shown.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        screen: Screen,
        *,
        ends: bool = False,
        stdin: str = "",
    ) -> None:
        self.name, self.screen, self.ends = name, screen, ends
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.answer: list[str] = []
        self.started = subprocess.Popen(  # noqa: S603  our own interpreter and our own commands
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self.readers = [
            self.reading(self.started.stdout, self.answer.append if ends else self.show),
            self.reading(self.started.stderr, self.show),
        ]
        with contextlib.suppress(BrokenPipeError):
            self.give(stdin)

    def give(self, text: str) -> None:
        if self.started.stdin:
            self.started.stdin.write(text)
            self.started.stdin.close()

    def reading(self, stream: IO[str] | None, sink: Callable[[str], None]) -> Thread:
        thread = Thread(target=self.read, args=(stream, sink), daemon=True)
        thread.start()
        return thread

    def read(self, stream: IO[str], sink: Callable[[str], None]) -> None:
        for line in stream:
            sink(line.rstrip("\n"))

    def show(self, line: str) -> None:
        self.last_lines.append(line)
        self.screen.say_of(self.name, line)

    @property
    def group(self) -> int:
        return self.started.pid

    @property
    def code(self) -> int | None:
        """Exit code, once all output is read; None while it runs."""
        code = self.started.poll()
        if code is not None:
            for reader in self.readers:
                reader.join(timeout=1)  # a grandchild may hold the pipe open
        return code

    def is_alive(self) -> bool:
        """Tell whether the process or a descendant runs."""
        self.started.poll()
        try:
            os.killpg(self.group, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the process, which stops its descendants; or to these, if it is dead."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            ask = os.kill if self.started.poll() is None else os.killpg
            ask(self.group, signal.SIGTERM)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, signal.SIGKILL)
        self.started.wait()


def stop(children: Iterable[Child], *, impatient: Callable[[], bool]) -> None:
    """Stop all children. Kills those that still run after some seconds, or once `impatient` returns true."""
    remaining = list(children)
    for child in remaining:
        child.ask_to_stop()
    give_up_at = time.monotonic() + PATIENCE
    while remaining and time.monotonic() < give_up_at and not impatient():
        remaining = [child for child in remaining if child.is_alive()]
        time.sleep(0.05)
    for child in remaining:
        child.kill()
