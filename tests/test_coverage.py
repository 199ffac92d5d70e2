"""What tests take of the product is noted by each worker, and added up."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import coverage, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not coverage.CAN_BE_NOTED, reason="SlipCover is not installed"),
]

BRANCHES = [
    "def test_without_a_limit(): assert Bounded(3).words() == 'three'",
    "def test_with_a_limit(): assert Bounded(30).words() == 'many'",
]
PRODUCT = """
class Bounded:
    def __init__(self, number):
        self.number = number

    def words(self):
        if self.number > 3:
            return "many"
        return "three"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a module that is tested and one that nobody imports."""
    for app in coverage.MEASURED:
        (tmp_path / app / "migrations").mkdir(parents=True)
        (tmp_path / app / "__init__.py").touch()
        (tmp_path / app / "migrations/0001_initial.py").write_text("operations = []\n")
    (tmp_path / "accounts/bounded.py").write_text(PRODUCT)
    (tmp_path / "foundation/forgotten.py").write_text("def forgotten():\n    return 1\n")
    (tmp_path / "noted").mkdir()
    return tmp_path


def noted(project: Path, *tests: str) -> dict[str, Any]:
    """What these tests take, run by two workers as `manage.py test` does."""
    (project / "test_it.py").write_text("\n\n".join(["from accounts.bounded import Bounded", *tests]))
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "DJANGO_"))}
    own["PYTHONPATH"] = os.pathsep.join([str(project), str(run.ROOT), own.get("PYTHONPATH", "")])
    options = [*run.NOTING_COVERAGE, "-p", "no:django", "-p", "no:schemathesis", "-n", "2"]
    subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=project, env={**own, "KEYRACK_COVERAGE": str(project / "noted")}, check=True, timeout=100,
    )  # fmt: skip
    return coverage.add_up(project / "noted")


def test_what_one_test_does_not_take_another_may(project: Path) -> None:
    [first, second] = BRANCHES
    file = noted(project, first)["files"]["accounts/bounded.py"]
    assert (file["missing_lines"], file["missing_branches"]) == ([8], [[7, 8]])
    file = noted(project, second)["files"]["accounts/bounded.py"]
    assert (file["missing_lines"], file["missing_branches"]) == ([], []), "with what the first run has left"


def test_what_nobody_imports_is_missing_and_migrations_are_not(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    total = noted(project, *BRANCHES)
    assert {name for name in total["files"] if "__init__" not in name} == {
        "accounts/bounded.py",
        "foundation/forgotten.py",
    }
    assert total["files"]["foundation/forgotten.py"]["missing_lines"] == [1, 2]
    [words] = coverage.report(total)
    assert words.startswith("coverage, 81.8 % of lines and branches")
    assert "accounts: 100" in capsys.readouterr().out


def test_a_run_that_noted_nothing_is_not_blamed(tmp_path: Path) -> None:
    assert coverage.report(coverage.add_up(tmp_path)) == []
