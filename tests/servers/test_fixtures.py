"""What a test had to go without is counted, and a failure where it must be there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest

def test_that_goes_without(): pytest.skip("needs redis: not here")

def test_that_has_another_reason_to_be_skipped(): pytest.skip("too late in the day")

@pytest.mark.database
def test_of_the_database(): pass
"""


def outcomes(folder: Path, **environment: str) -> str:
    """The closing line of a pytest that runs TESTS with the plugin and nothing else of ours."""
    (folder / "test_it.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    browser\n    database\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:django", "-p", "tests.servers.fixtures", str(folder)]
    variables = {"PYTHONPATH": str(ROOT), "KEYRACK_ACCOUNT": str(folder / "account"), **environment}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=folder, check=False)
    return done.stdout.splitlines()[-1]


def test_what_is_lacking_is_skipped_and_counted(tmp_path: Path) -> None:
    assert "1 passed, 2 skipped" in outcomes(tmp_path)
    account = json.loads((tmp_path / "account").read_text())
    assert account == {
        "redis": ["test_it.py::test_that_goes_without"],
        "database": ["test_it.py::test_of_the_database"],
    }


@pytest.mark.parametrize("required", ["redis", "browser,redis", "browser redis"])
def test_what_is_required_and_lacking_is_a_failure(tmp_path: Path, required: str) -> None:
    assert "1 failed, 1 passed, 1 skipped" in outcomes(tmp_path, KEYRACK_REQUIRE=required)


def test_what_nobody_requires_may_be_lacking(tmp_path: Path) -> None:
    assert "1 passed, 2 skipped" in outcomes(tmp_path, KEYRACK_REQUIRE="node")
