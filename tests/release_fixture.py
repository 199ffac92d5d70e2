"""Writes the fixture of a release: an earlier one, migrated by this version. `tests/test_upgrade.py` reads all.

python3 -m tests.release_fixture 0.2.0
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from tests.test_upgrade import DUMPS, KEY, ROOT


def write_fixture(version: str) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "keyrack.sqlite3")
        with closing(sqlite3.connect(file)) as database:
            database.executescript(DUMPS[-1].read_text())
        variables = {"DATA_DIR": folder, "DATABASE_URL": f"sqlite:///{file}", "TOKEN_ENCRYPTION_KEYS": KEY}
        environment = {**os.environ, **variables, "SECRET_KEY": "of a fixture"}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
        target = ROOT / f"tests/data/keyrack-{version}.sql"
        with closing(sqlite3.connect(file)) as database:
            target.write_text("\n".join(database.iterdump()) + "\n")
    return target


if __name__ == "__main__":
    print(write_fixture(sys.argv[1]))
