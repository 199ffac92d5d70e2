"""PgBouncer that pools by transaction: the check finds it, and with the switch the site works behind it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.bootstrap import ROOT
from tests.servers import fixtures, machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SETTINGS = {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_POOL": "0"}


@pytest.fixture(scope="module")
def pooled_url() -> Iterator[str]:
    for name in ("postgres", "pgbouncer"):
        fixtures.skip_without(name)
    port, pooler = machine.free_port(), machine.free_port()
    with machine.folder("postgres") as home:
        machine.initialize_cluster(home)
        with machine.postgres_at(port, home), machine.pgbouncer_at(pooler, port):
            yield f"postgres://keyrack@127.0.0.1:{pooler}/postgres"


def check(url: str, data: Path, *, prepares: bool) -> str:
    variables = {**SETTINGS, "DATABASE_URL": url, "DATA_DIR": str(data), "DATABASE_PREPARED_STATEMENTS": str(prepares)}
    command = [sys.executable, "manage.py", "check", "--database", "default", "--tag", "database"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_the_check_finds_a_pooler_that_loses_prepared_statements(pooled_url: str, tmp_path: Path) -> None:
    assert "keyrack.E037" in check(pooled_url, tmp_path, prepares=True)
    assert "no issues" in check(pooled_url, tmp_path, prepares=False)


def test_a_database_without_a_pooler_passes(postgres_url: str, tmp_path: Path) -> None:
    assert "no issues" in check(postgres_url, tmp_path, prepares=True)
