"""A site as a child process, served as in production; which one, its environment says.

    with Served("granian", tmp_path, environment) as site:
        requests.get(f"{site.url}/healthz")
        site.peak_memory()                 # bytes, of its hungriest process so far
        site.processor_seconds()           # of all its processes so far

Knows nothing of what is asked, and no settings.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from tests.servers import machine

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds until it must answer
TICKS = os.sysconf("SC_CLK_TCK")
COMMANDS = {
    "granian": "granian --interface wsgi --host 127.0.0.1 --port {port} --workers {workers}"
    " --blocking-threads {threads} --log-level error config.wsgi:application",
    "gunicorn": "gunicorn --bind 127.0.0.1:{port} --workers {workers} --threads {threads}"
    " --log-level error config.wsgi",
}


class SiteFailed(Exception):
    """It did not start; holds the end of its log."""


class Served:
    """Any site, by the settings in its environment; ready when it answers anything at all."""

    def __init__(
        self,
        server: str,
        folder: Path,
        environment: Mapping[str, str],
        *,
        workers: int = 1,
        threads: int = 8,
        site_url: str = "",
    ) -> None:
        port = machine.free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"site-{port}.log"
        command = COMMANDS[server].format(port=port, workers=workers, threads=threads)
        self._command = [sys.executable, "-m", *command.split()]
        self._environment = {**environment, "SITE_URL": site_url or self.url, "STOP": "TERM"}

    def __enter__(self) -> Self:
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                ["/bin/sh", "-c", machine.GUARD, "sh", *self._command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=CHECKOUT,
                env=self._environment,
                start_new_session=True,
            )
        until = time.monotonic() + PATIENCE
        while not self.answers():
            if self._child.poll() is not None or time.monotonic() > until:
                raise SiteFailed(self.log.read_text()[-3000:])
            time.sleep(0.05)
        return self

    def answers(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return bool(requests.get(f"{self.url}/healthz", timeout=2).status_code)
        return False

    def peak_memory(self) -> int:
        return max(_peak(int(each.name)) for each in Path("/proc").iterdir() if _is_of(each, self._child.pid))

    def memory(self) -> int:
        """Bytes of all its processes now; pages that they share count once."""
        return sum(_proportional(int(each.name)) for each in Path("/proc").iterdir() if _is_of(each, self._child.pid))

    def processor_seconds(self) -> float:
        """Processor time of all its processes so far."""
        return sum(_ticks(each) for each in Path("/proc").iterdir() if _is_of(each, self._child.pid)) / TICKS

    def stop(self) -> None:
        """End it with SIGTERM, as an operator does, and wait."""
        assert self._child.stdin
        self._child.stdin.write(b"\n")
        self._child.stdin.flush()
        self._child.wait(PATIENCE)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        if self._child.stdin:
            self._child.stdin.close()
        self._child.wait()


def _is_of(process: Path, group: int) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return os.getpgid(int(process.name)) == group
    return False


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def _ticks(process: Path) -> int:
    """Of user and system time; the name, which may hold spaces, ends with the last bracket."""
    with contextlib.suppress(OSError):
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    return 0


def _peak(pid: int) -> int:
    """VmHWM: the most that was ever resident."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0
