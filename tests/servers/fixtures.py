"""The machine's services as fixtures, one of each per test process, and an account of what tests had to go without.

A pytest plugin. A test says what it needs by asking for a fixture, or by being marked `browser`. Any skip whose reason
begins with "needs NAME:" is counted; where KEYRACK_REQUIRE lists that name, it is a failure instead.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.servers import machine

REASON = re.compile(r"needs (\w+):")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    skip_without("postgres")
    with machine.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    skip_without("redis")
    with machine.redis() as url:
        yield url


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    skip_without("rabbitmq")
    with machine.rabbitmq() as url:
        yield url


@pytest.fixture(scope="session")
def chromium() -> Path:
    skip_without("browser")
    return machine.found("browser")


@pytest.fixture(scope="session")
def node() -> Path:
    skip_without("node")
    return machine.found("node")


def skip_without(name: str) -> None:
    if reason := machine.lacks(name):
        pytest.skip(reason)


def required() -> set[str]:
    """What must be there, by the names of machine.NEEDS."""
    return {name for name in re.split(r"[,\s]+", os.environ.get("KEYRACK_REQUIRE", "")) if name}


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser"):
        skip_without("browser")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Playwright's loop runs in the thread of the test, so Django takes all that follows it for asynchronous code."""
    if any(item.get_closest_marker("browser") for item in session.items):
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        lacking = REASON.search(report.longrepr[2])
        if lacking and lacking[1] in required():
            report.outcome, report.longrepr = "failed", f"KEYRACK_REQUIRE: {report.longrepr[2]}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell tests/run.py, which sums up several of us: the tests skipped for each need, and those marked `database`."""
    account: defaultdict[str, set[str]] = defaultdict(set)
    for outcome, reports in terminalreporter.stats.items():
        for report in (report for report in reports if isinstance(report, pytest.TestReport)):
            if outcome == "skipped" and (lacking := REASON.search(str(report.longrepr))):
                account[lacking[1]].add(report.nodeid)
            if "database" in report.keywords:
                account["database"].add(report.nodeid)
    if path := os.environ.get("KEYRACK_ACCOUNT"):
        with Path(path).open("a") as file:
            file.write(json.dumps({name: sorted(tests) for name, tests in account.items()}) + "\n")
