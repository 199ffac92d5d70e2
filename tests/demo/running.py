"""`manage.py demo` as a visitor starts it: a process of its own, in a folder of its own, on free ports."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import requests

CHECKOUT = Path(__file__).resolve().parents[2]
STARTING_SECONDS = 200  # on a machine with other work; 40 are usual
STOPPING_SECONDS = 60
LAST_LINE = "Ctrl+C stops everything."


@dataclass
class Demo:
    """A running demo, and what it has printed."""

    data_dir: Path
    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def printed(self, pattern: str) -> str:
        found = re.search(pattern, self.text)
        assert found, f"not printed: {pattern}\n{self.text}"
        return found[1]

    @property
    def link(self) -> str:
        return self.printed(r"as Amira +(\S+)")

    @property
    def url(self) -> str:
        return self.printed(r"as Amira +(http://127\.0\.0\.1:\d+)/")

    @property
    def provider_url(self) -> str:
        return self.printed(r"demo provider +(http://localhost:\d+)/")

    @property
    def provider_password(self) -> str:
        return self.printed(r"demo provider .* amira or tomas · (\S+)")

    def visitor(self) -> requests.Session:
        """A browser that followed the link."""
        browser = new_browser()
        assert browser.get(self.link, timeout=30).url == f"{self.url}/integrations/"
        return browser

    def processes(self) -> dict[int, str]:
        """Command lines by process id, of all that run with this folder in their environment."""
        mark, found = f"DATA_DIR={self.data_dir}\0".encode(), {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if mark in (entry / "environ").read_bytes() + b"\0" and is_running(entry):
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=STOPPING_SECONDS)

    def is_gone(self, *, within: float) -> bool:
        return eventually(lambda: not self.processes(), within=within)


def is_running(entry: Path) -> bool:
    return (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"


def new_browser() -> requests.Session:
    browser = requests.Session()
    browser.trust_env = False
    browser.headers["Sec-Fetch-Site"] = "same-origin"
    return browser


def eventually(question: Callable[[], object], *, within: float) -> bool:
    give_up_at = time.monotonic() + within
    while time.monotonic() < give_up_at:
        if question():
            return True
        time.sleep(0.25)
    return False


@contextlib.contextmanager
def running_demo(data_dir: Path, port: int) -> Iterator[Demo]:
    """Start it and wait for the links."""
    with started_demo(data_dir, port) as demo:
        process = demo.process
        assert eventually(lambda: LAST_LINE in demo.text or process.poll() is not None, within=STARTING_SECONDS)
        assert process.poll() is None, demo.text
        yield demo


@contextlib.contextmanager
def started_demo(data_dir: Path, port: int) -> Iterator[Demo]:
    """Start it; end it, whatever happened. The shell belongs to another Keyrack."""
    command = [sys.executable, str(CHECKOUT / "manage.py"), "demo", "--port", str(port)]
    environment = {**os.environ, "DATA_DIR": str(data_dir), "DATABASE_URL": "sqlite:////nobody/has/this.sqlite3"}
    process = subprocess.Popen(
        command, cwd="/", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    demo = Demo(data_dir, process)
    reader = Thread(target=read, args=(demo,), daemon=True)
    reader.start()
    try:
        yield demo
    finally:
        end(demo)
        reader.join(timeout=10)


def read(demo: Demo) -> None:
    assert demo.process.stdout
    with demo.process.stdout as stream:
        for line in stream:
            demo.lines.append(line.rstrip("\n"))


def end(demo: Demo) -> None:
    if demo.process.poll() is None:
        demo.stop()
    for number in demo.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
