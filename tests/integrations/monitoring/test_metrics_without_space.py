"""A full disk does not end a process that counts, and no sum is lost or counted twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.bootstrap import ROOT

pytestmark = pytest.mark.slow

START = """
import errno, os, sys
import django
django.setup()
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

def seen(folder):
    text = generate_latest(MultiProcessCollector(None, folder)).decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("keyrack_refusals_total"))
"""
COUNT = """
from integrations.metrics import REFUSALS
for number in range(int(sys.argv[2])):
    REFUSALS.labels(f"reason {number}").inc()
    REFUSALS.labels("reason 0").inc()
total = sum(s.value for m in REFUSALS.collect() for s in m.samples if s.name.endswith("_total"))
print(total, seen(sys.argv[1]))
"""
MERGE = """
from pathlib import Path
from config.metrics import merge_ended

def refuse(*arguments):
    raise OSError(errno.ENOSPC, "no space")

reserve = os.posix_fallocate
print(seen(sys.argv[1]))
for os.posix_fallocate in (refuse, refuse, reserve):
    merge_ended(Path(sys.argv[1]))
    print(seen(sys.argv[1]))
own = f"counter_{os.getpid()}.db"
print(*[path.name for path in Path(sys.argv[1]).glob("counter_*.db") if path.name != own])
"""


def run(program: str, folder: Path, *arguments: object, disk: str = "") -> list[str]:
    """Run it, on a disk of this size if there is one. The disk ends with the process."""
    variables = {
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"), "METRICS_TOKEN": "a bearer", "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": "sqlite://:memory:",
    }  # fmt: skip
    command = [sys.executable, "-c", START + program, str(folder / "metrics"), *map(str, arguments)]
    if disk:
        mount = 'mkdir "$0" && mount -t tmpfs -o size="$1" tmpfs "$0"'
        alone = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
        if subprocess.run([*alone, mount, folder / "tried", disk], capture_output=True, check=False).returncode:
            pytest.skip("no disk can be mounted here")
        command = [*alone, f'{mount} && shift && exec "$@"', str(folder / "metrics"), disk, *command]
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


def test_a_process_that_finds_no_space_at_all_counts_in_memory(tmp_path: Path) -> None:
    assert run(COUNT, tmp_path, 10, disk="8k") == ["20.0", "0"]


def test_a_process_whose_file_cannot_grow_goes_on_in_memory(tmp_path: Path) -> None:
    """Its file stays readable, with what was counted until then."""
    total, visible = run(COUNT, tmp_path, 2000, disk="220k")
    assert total == "4000.0"
    assert 0 < float(visible) < 4000


def test_files_of_ended_processes_are_merged_once_there_is_space(tmp_path: Path) -> None:
    for _process in range(2):
        run(COUNT, tmp_path, 10)
    assert run(MERGE, tmp_path) == ["40.0", "40.0", "40.0", "40.0", "counter_0.db"]
