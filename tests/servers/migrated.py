"""A migrated database for a site that is started as processes.

All migrations take about ten seconds. The tables of a new site are made once in this checkout for each state of the
migrations, and copied for each further site; what `migrate` itself does after the last migration is done for each.
"""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psycopg

from tests.servers import machine
from tests.servers.installed import made_once

ROOT = Path(__file__).resolve().parents[2]
FILE, DUMP = "keyrack.sqlite3", "keyrack.sql"
WITHOUT_MARK = "DELETE FROM accounts_installation"  # each site makes its own, see foundation/installation.py


def migrate(environment: Mapping[str, str]) -> None:
    """Do what `manage.py migrate` does with a new database, in this environment of a site."""
    url = environment.get("DATABASE_URL", "")
    if url.startswith("postgres"):
        load(url)
    elif not url:
        folder = Path(environment["DATA_DIR"])
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sqlite_file(), folder / FILE)
    run_migrate(environment)


def load(url: str) -> None:
    """Give an empty PostgreSQL database its tables."""
    subprocess.run(
        ["psql", url, "-qXv", "ON_ERROR_STOP=1", "-f", postgres_dump()], check=True, stdout=subprocess.DEVNULL
    )


def sqlite_file() -> Path:
    with made_once("migrated-sqlite", state()) as (folder, to_do):
        if to_do:
            run_migrate(environment_of_a_site(folder))
            with contextlib.closing(sqlite3.connect(folder / FILE)) as database, database:
                database.execute(WITHOUT_MARK)
    return folder / FILE


def postgres_dump() -> Path:
    with made_once("migrated-postgres", state()) as (folder, to_do):
        if to_do:
            with machine.postgres() as url, tempfile.TemporaryDirectory() as data:
                run_migrate(environment_of_a_site(data, DATABASE_URL=url))
                with psycopg.connect(url) as connection:
                    connection.execute(WITHOUT_MARK)
                subprocess.run(["pg_dump", "--no-owner", f"--file={folder / DUMP}", url], check=True)
    return folder / DUMP


def state() -> bytes:
    """What the tables follow from: our migrations, and the releases of others'."""
    files = [*ROOT.glob("*/migrations/*.py"), *(ROOT / "requirements").glob("*.txt")]
    return b"".join(hashlib.sha256(path.read_bytes()).digest() for path in sorted(files))


def run_migrate(environment: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=environment, cwd=ROOT, check=True)


def environment_of_a_site(folder: Path | str, **variables: str) -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings", "SITE_URL": "https://hub.example"}
    return {**others, **settings, "DATA_DIR": str(folder), **variables}
