"""The end of a run says what it could not do, and how to make it possible."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest.mark.expression import Expression

from tests import conftest, run
from tests.servers import machine


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed but Chromium."""
    monkeypatch.setattr(machine, "lacks", lambda name: "" if name == "browser" else f"needs {name}: not here")


def test_the_tests_of_several_runs_are_counted_once(tmp_path: Path) -> None:
    account = tmp_path / "account"
    account.write_text("".join(json.dumps({"redis": tests}) + "\n" for tests in (["a", "b"], ["b", "c"])))
    assert run.read(account) == {"redis": {"a", "b", "c"}}


def test_a_run_without_an_account_lacked_nothing(tmp_path: Path) -> None:
    assert run.read(tmp_path / "account") == {}


@pytest.mark.usefixtures("bare_machine")
def test_what_is_lacking_is_listed_with_one_command_for_all() -> None:
    lines = run.lacking({"redis": {"a", "b"}, "database": {"c"}, "network": {"d"}})
    assert "Needs redis: 2 tests skipped" in lines
    assert "Needs postgres: 0 tests skipped, 1 ran on SQLite only" in lines
    assert "Needs network: 1 tests skipped" in lines
    assert lines[-1].endswith(
        "apt-get install postgresql pgbouncer redis-server rabbitmq-server nodejs npm nginx caddy prometheus curl"
    )
    assert not any("browser" in line for line in lines)


@pytest.mark.usefixtures("bare_machine")
def test_a_name_that_nothing_answers_to_is_lacking() -> None:
    assert run.absent("redis")
    assert run.absent("chrome")
    assert not run.absent("browser")


@pytest.mark.parametrize(
    "marks", [set(), {"slow"}, {"database"}, {"slow", "database"}, {"browser"}, {"browser", "slow"}]
)
@pytest.mark.usefixtures("bare_machine")
def test_each_test_has_one_run_on_sqlite(marks: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    selections: list[str] = []

    def note(*arguments: str, **_environment: str) -> int:
        selections.append(arguments[1])
        return 0

    def is_marked(name: str, /, **_keywords: object) -> bool:
        return name in marks

    monkeypatch.setattr(run, "pytest", note)
    assert run.everything({}) == []
    assert sum(Expression.compile(each).evaluate(is_marked) for each in selections) == 1, selections


ALL_SLOW, SOME_SLOW, DATABASE = "pytestmark = [pytest.mark.slow]", "@pytest.mark.slow", "@pytest.mark.database"
FAST_RUN, SLOW_RUN, POSTGRES_RUN = "not slow and not browser", "slow and not browser", "database and not browser"


@pytest.mark.parametrize(
    ("text", "chosen", "is_left_out"),
    [
        (ALL_SLOW, FAST_RUN, True),
        (SOME_SLOW, FAST_RUN, False),
        ("", FAST_RUN, False),
        (ALL_SLOW, SLOW_RUN, False),
        (SOME_SLOW, SLOW_RUN, False),
        ("", SLOW_RUN, True),
        (DATABASE, POSTGRES_RUN, False),
        (ALL_SLOW, POSTGRES_RUN, True),
        ("", "browser", True),
        ("", "", False),
        ("", "slow or database", False),
    ],
)
def test_a_run_imports_no_module_without_a_test_for_it(
    text: str, chosen: str, is_left_out: bool, tmp_path: Path
) -> None:
    path = tmp_path / "test_it.py"
    path.write_text(text)
    config: Any = SimpleNamespace(option=SimpleNamespace(markexpr=chosen))
    assert bool(conftest.pytest_ignore_collect(path, config)) is is_left_out


@pytest.mark.parametrize(
    ("chosen", "is_left_out"), [(FAST_RUN, True), (SLOW_RUN, True), ("browser", False), ("", False)]
)
def test_only_the_run_of_the_browser_imports_its_tests(chosen: str, is_left_out: bool, tmp_path: Path) -> None:
    config: Any = SimpleNamespace(option=SimpleNamespace(markexpr=chosen))
    assert bool(conftest.pytest_ignore_collect(tmp_path / "browser", config)) is is_left_out
    (tmp_path / "browser").mkdir()
    (tmp_path / "browser/test_it.py").touch()
    if chosen == "browser":
        assert not conftest.pytest_ignore_collect(tmp_path / "browser/test_it.py", config)


def test_a_mark_that_is_not_written_in_the_module_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "test_it.py").write_text("pytestmark = imported_from_elsewhere")
    item: Any = SimpleNamespace(path=path, get_closest_marker=lambda name: name == "slow")
    with pytest.raises(pytest.UsageError, match=r"write pytest\.mark\.slow"):
        conftest.pytest_collection_modifyitems([item])
