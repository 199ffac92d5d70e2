"""What a web process costs before its first page: processor time and memory, beside an empty Django project.

    python3 -m benchmarks start [--rounds 10]

Each process imports the WSGI application and answers one request for its sign-in page. Keyrack's has the settings of a
new site on SQLite, the other is what `django-admin startproject` writes. Both are started in turn; a first round, which
writes bytecode, does not count. Processor time hardly depends on what else the machine does.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report, setting
from benchmarks.setting import KEYRACK

FIRST_PAGE = """
import os, sys
from importlib import import_module
from wsgiref.util import setup_testing_defaults
environ, statuses = {"PATH_INFO": sys.argv[2], "HTTP_HOST": "127.0.0.1:8000"}, []
setup_testing_defaults(environ)
body = b"".join(import_module(sys.argv[1]).application(environ, lambda status, headers: statuses.append(status)))
if statuses != ["200 OK"]:
    sys.exit(f"{statuses} {body[:500]}")
os._exit(0)  # without waiting for threads
"""


@dataclass(frozen=True, kw_only=True)
class Project:
    name: str
    module: str
    page: str
    folder: Path
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Start:
    seconds: float  # of processor time
    memory: int  # bytes, the most that was resident


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="What a web process costs before its first page")
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args(arguments).rounds
    with projects() as both:
        for project in both:
            start(project)
        starts = [[start(project) for project in both] for _ in range(rounds)]
    rows = [row(project.name, [(each[place], each[0]) for each in starts]) for place, project in enumerate(both)]
    report.say("Start of a web process, with its first page", rows, rounds=rounds)


def row(name: str, rounds: Sequence[tuple[Start, Start]]) -> dict[str, object]:
    """A row of the table. In each round there is also a start of the empty project."""
    ratio = statistics.median(one.seconds / empty.seconds for one, empty in rounds)
    return {
        "project": name,
        "processor seconds": f"{statistics.median(one.seconds for one, _empty in rounds):.2f}",
        "÷ empty project": f"{ratio:.1f} ×",
        "MiB": round(statistics.median(one.memory for one, _empty in rounds) / 2**20),
    }


@contextmanager
def projects() -> Iterator[list[Project]]:
    with setting.places(["sqlite"]) as places, tempfile.TemporaryDirectory(prefix="keyrack-benchmark-") as folder:
        empty = Path(folder)
        command = [sys.executable, "-m", "django", "startproject", "empty", str(empty)]
        subprocess.run(command, check=True)
        site = setting.site(KEYRACK, next(places))
        environment = {"PATH": os.environ.get("PATH", ""), "DJANGO_SETTINGS_MODULE": "empty.settings"}
        yield [
            Project(
                name="empty project",
                module="empty.wsgi",
                page="/admin/login/",
                folder=empty,
                environment=environment,
            ),
            Project(
                name="**Keyrack**",
                module="config.wsgi",
                page="/accounts/login/",
                folder=setting.ROOT,
                environment=site.environment,
            ),
        ]


def start(project: Project) -> Start:
    command = [sys.executable, "-c", FIRST_PAGE, project.module, project.page]
    child = subprocess.Popen(command, cwd=project.folder, env=project.environment)
    _pid, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{project.name} did not start.")
    return Start(seconds=usage.ru_utime + usage.ru_stime, memory=usage.ru_maxrss << 10)
