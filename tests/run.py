"""What `manage.py test` does: all that can run on this machine, and in the end what could not and why.

Knows how to start pytest and what there is to start it with; of the tests it knows only their markers. Without
arguments it is several pytest runs, which all run even if the first fails: SQLite and PostgreSQL take different
settings, and Playwright's loop makes Django refuse the database to every test that comes after it.

On a crowded machine a clock can run out before a test had its turn. So the few that fail among many are tried once
more, alone; those that pass then are named in the end as unsteady, and want mending.

The lines and branches that tests take are counted in the run that has nearly all of them, but not for those that are
tried once more. And the schema is made by migrations where that is cheap enough: on PostgreSQL here, on SQLite by the
demo's own tests.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests import coverage
from tests.servers import machine
from tests.servers.fixtures import required

ROOT = Path(__file__).resolve().parent.parent
NOTING_COVERAGE = ("-p", "tests.probes") if coverage.CAN_BE_NOTED else ()
SCHEMA_FROM_MODELS = "--no-migrations"
SPREAD = ("--dist", "worksteal")  # a process that has nothing left takes tests from another
MIGRATE = """
import tests.environment, django
from django.core.management import call_command
django.setup()
call_command("migrate", verbosity=0)
"""
NOTHING_COLLECTED, SOME_FAILED = 5, 1
FEW = 10  # failures; more of them are no accident
UNSTEADY: list[str] = []


def main(arguments: list[str]) -> int:
    """Give the arguments to pytest as they are, or run everything; the exit code."""
    if arguments:
        os.chdir(Path.cwd() if Path.cwd().is_relative_to(ROOT) else ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])  # noqa: S606  what we were asked for
    os.chdir(ROOT)
    signal.signal(signal.SIGTERM, _stop)
    with tempfile.TemporaryDirectory(prefix="keyrack-run-") as folder:
        account, counts = Path(folder, "account"), Path(folder, "coverage")
        counts.mkdir()
        failures = everything({"KEYRACK_ACCOUNT": str(account), "KEYRACK_COVERAGE": str(counts)})
        say("Coverage" if coverage.CAN_BE_NOTED else "Coverage was not noted: SlipCover is not installed")
        failures += coverage.report(coverage.add_up(counts))
        words = lacking(read(account))
    failures += [f"KEYRACK_REQUIRE asks for {name}, which is not here" for name in sorted(required()) if absent(name)]
    words += [f"Unsteady, failed among many and passed alone: {test}" for test in UNSTEADY]
    say(*words, *(f"Failed: {failure}" for failure in failures), "" if failures else "All that could run has passed.")
    return 1 if failures else 0


def everything(environment: Mapping[str, str]) -> list[str]:
    """Run all of it; what failed, in words."""
    on_sqlite = {**environment, "DATABASE_URL": ""}
    cores = os.cpu_count() or 2
    parallel = (*SPREAD, "-n", str(max(2, min(8, cores))))
    crowded = (*SPREAD, "-n", str(max(2, min(8, 2 * cores))))  # many of these wait for processes and clocks
    say("All but the browser, on SQLite")
    code = twice("-m", "not browser", SCHEMA_FROM_MODELS, crowd=(*crowded, *NOTING_COVERAGE), **on_sqlite)
    failures = [] if code == 0 else ["tests on SQLite"]
    if not absent("postgres"):
        say("What depends on the database, on PostgreSQL")
        with machine.postgres() as url:
            migrate_template(url)
            code = twice("-m", "database and not browser", crowd=crowded, **{**environment, "DATABASE_URL": url})
        failures += [] if code in (0, NOTHING_COLLECTED) else ["tests on PostgreSQL"]
    say("The browser")
    code = twice("-m", "browser", SCHEMA_FROM_MODELS, crowd=parallel, **on_sqlite)
    return failures + ([] if code in (0, NOTHING_COLLECTED) else ["tests in the browser"])


def migrate_template(url: str) -> None:
    """Migrate what PostgreSQL copies for each new database, so that the test databases need not be migrated one by one.

    If it fails, each of them is, and its tests say why.
    """
    template = url.rpartition("/")[0] + "/template1"
    environment = {**os.environ, "DATABASE_URL": template, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "-c", MIGRATE], env=environment, check=False)


def lacking(account: Mapping[str, set[str]]) -> list[str]:
    """What could not run here, and the one command that installs what it needs."""
    names = [name for name in machine.NEEDS if absent(name)]
    counts = {name: f"{len(account.get(name, ()))} tests skipped" for name in (*names, *account) if name != "database"}
    if "postgres" in counts:
        counts["postgres"] += f", {len(account.get('database', ()))} ran on SQLite only"
    words = [f"Needs {name}: {count}" for name, count in counts.items()]
    packages = " ".join(machine.NEEDS[name].packages for name in names)
    return [*words, f"To run them too (Debian, Ubuntu): apt-get install {packages}"] if names else words


def read(account: Path) -> dict[str, set[str]]:
    """The tests that each need was lacking for, over all runs."""
    total: defaultdict[str, set[str]] = defaultdict(set)
    for line in account.read_text().splitlines() if account.exists() else ():
        for name, tests in json.loads(line).items():
            total[name].update(tests)
    return total


def absent(name: str) -> bool:
    return name not in machine.NEEDS or bool(machine.lacks(name))


def twice(*arguments: str, crowd: tuple[str, ...], **environment: str) -> int:
    """Among many, and what fails there once more, alone."""
    with tempfile.TemporaryDirectory(prefix="keyrack-failed-") as cache:
        remembered = ("-o", f"cache_dir={cache}")
        code = pytest(*arguments, *crowd, *remembered, **environment)
        record = Path(cache, "v", "cache", "lastfailed")
        failed = list(json.loads(record.read_text())) if record.exists() else []
        if code != SOME_FAILED or not 0 < len(failed) <= FEW:
            return code
        say("Once more, alone: what failed among many")
        code = pytest(*arguments, *remembered, "--last-failed", **environment)
    if code == 0:
        UNSTEADY.extend(failed)
    return code


def pytest(*arguments: str, **environment: str) -> int:
    """Run it to its end, also when we are stopped: it has servers to end. An empty variable is taken away."""
    variables = {name: value for name, value in {**os.environ, **environment}.items() if value}
    child = subprocess.Popen([sys.executable, "-m", "pytest", *arguments], env=variables)
    try:
        return child.wait()
    except KeyboardInterrupt:  # it has got that as well
        sys.exit(child.wait())
    except SystemExit:
        child.send_signal(signal.SIGINT)
        child.wait()
        raise


def say(*lines: str) -> None:
    print("", *(f"Keyrack: {line}" for line in lines if line), sep="\n", flush=True)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
