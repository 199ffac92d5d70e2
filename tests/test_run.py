"""The end of a run says what it could not do, and how to make it possible."""

import json
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

from tests import run
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
    monkeypatch.setattr(run, "tool", lambda *_command: 0)
    assert run.everything({}) == []
    assert sum(Expression.compile(each).evaluate(is_marked) for each in selections) == 1, selections
