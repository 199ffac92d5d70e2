"""No kind of request passes through more files than docs/decisions/0046 allows."""

import subprocess
import sys

import pytest

from benchmarks.walks import LIMITS, ROOT

pytestmark = pytest.mark.slow


def test_no_walk_grows() -> None:
    command = [sys.executable, "-m", "benchmarks", "walks"]
    walks = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert walks.returncode == 0, walks.stdout + walks.stderr
    assert all(f"| {name} | " in walks.stdout for name in LIMITS)
