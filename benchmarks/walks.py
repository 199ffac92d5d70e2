"""How many files of the project one real request passes through, and how many statements it sends to the database.

    python3 -m benchmarks walks

Each walk is made twice in this process, with a scripted provider, and the second one is traced: statements are compiled
and pages are loaded by then. Only frames of `accounts`, `config`, `foundation` and `integrations` count, and all
statements but those that begin or end a transaction. With a DATABASE_URL, the test database is on that server.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = tuple(f"{ROOT / name}/" for name in ("accounts", "config", "foundation", "integrations"))
TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


@dataclass(frozen=True)
class Limit:
    """Most files that a walk may touch (docs/decisions/0046), and most statements (0063)."""

    files: int
    statements: int


# Lower a limit when a walk gets shorter.
LIMITS = {
    "authenticate": Limit(35, 8),
    "callback": Limit(63, 14),
    "proxied call, OAuth token": Limit(45, 1),
    "proxied call, permanent token": Limit(46, 1),
    "token/": Limit(23, 1),
    "subflow by REST": Limit(68, 14),
    "subflow of three calls": Limit(45, 15),
    "revoke click": Limit(45, 16),  # two less on SQLite
    "provider told": Limit(33, 12),
}


@dataclass
class Trace:
    """Files and functions that were entered, and statements that were sent."""

    files: set[str] = field(default_factory=set)
    calls: int = 0
    statements: list[str] = field(default_factory=list)

    def enter(self, frame: FrameType, event: str, _argument: Any) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(PACKAGES) and "/migrations/" not in path:
            self.files.add(path)
            self.calls += 1

    def execute(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(TRANSACTIONS):
            self.statements.append(sql)
        return execute(sql, params, many, context)


def traced(walk: Callable[[], object]) -> Trace:
    from django.db import connection

    trace = Trace()
    with connection.execute_wrapper(trace.execute):
        sys.setprofile(trace.enter)
        try:
            walk()
        finally:
            sys.setprofile(None)
    return trace


def is_too_long(name: str, trace: Trace) -> bool:
    return len(trace.files) > LIMITS[name].files or len(trace.statements) > LIMITS[name].statements


def main(arguments: list[str]) -> None:
    """`--files NAME` and `--statements NAME` list those of one walk. Exits with 1 if a walk exceeds a limit."""
    import tests.environment  # noqa: F401 - an environment that settings can be read from

    set_up()
    from benchmarks import report, walking

    with walking.ready() as walks:
        results = {}
        for name, walk in walks.items():
            results[name] = traced(walk)
            walking.store_uses()
    if arguments[:1] == ["--files"]:
        print("\n".join(sorted(path.removeprefix(f"{ROOT}/") for path in results[arguments[1]].files)))
        return
    if arguments[:1] == ["--statements"]:
        print("\n".join(results[arguments[1]].statements))
        return
    rows = [
        {
            "walk": name,
            "files": len(trace.files),
            "at most": LIMITS[name].files,
            "statements": len(trace.statements),
            "at most ": LIMITS[name].statements,
            "functions entered": trace.calls,
        }
        for name, trace in results.items()
    ]
    report.say("Walks", rows)
    if too_long := [name for name, trace in results.items() if is_too_long(name, trace)]:
        sys.exit(f"Longer than the limit: {', '.join(too_long)}")


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
