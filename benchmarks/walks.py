"""How many files of the project one real request passes through, and how many of its functions are entered.

    python3 -m benchmarks walks

Each walk is made twice in this process, with a scripted provider, and the second one is traced: statements are compiled
and pages are loaded by then. Only frames of `accounts`, `config`, `foundation` and `integrations` count.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = tuple(f"{ROOT / name}/" for name in ("accounts", "config", "foundation", "integrations"))
# What docs/architecture.md promises of each walk, in files.
TARGETS = {
    "authenticate": 22,
    "callback": 28,
    "proxied call, OAuth token": 24,
    "proxied call, permanent token": 26,
    "token/": 12,
    "revoke click": 18,
    "provider told": 18,
    "subflow by REST": 32,
}


@dataclass
class Trace:
    """Files and functions that were entered."""

    files: set[str] = field(default_factory=set)
    calls: int = 0

    def enter(self, frame: FrameType, event: str, _argument: Any) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(PACKAGES) and "/migrations/" not in path:
            self.files.add(path)
            self.calls += 1


def traced(walk: Callable[[], object]) -> Trace:
    trace = Trace()
    sys.setprofile(trace.enter)
    try:
        walk()
    finally:
        sys.setprofile(None)
    return trace


def main(arguments: list[str]) -> None:
    """`--files NAME` lists the files of one walk."""
    import tests.environment  # noqa: F401 - an environment that settings can be read from

    set_up()
    from benchmarks import report, walking

    with walking.ready() as walks:
        results = {name: traced(walk) for name, walk in walks.items()}
    if arguments[:1] == ["--files"]:
        print("\n".join(sorted(path.removeprefix(f"{ROOT}/") for path in results[arguments[1]].files)))
        return
    rows = [
        {"walk": name, "files": len(trace.files), "target": TARGETS[name], "functions entered": trace.calls}
        for name, trace in results.items()
    ]
    report.say("Walks", rows)


def set_up() -> None:
    """A test database on SQLite."""
    import os

    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    from django.db import connection
    from django.test.utils import setup_test_environment

    setup_test_environment()
    connection.creation.create_test_db(verbosity=0)
