"""Migrations run while the site of the version before them serves: they block no table for long, and break no old code.

Squawk (https://squawkhq.com) reads their SQL for PostgreSQL. Migrations up to `BASELINE` ran with the site stopped.
"""

import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from tests.servers.fixtures import skip_without

BASELINE = {"accounts": 12, "integrations": 20}  # the last migration that is not held to the rules
# Findings that a person has read: the table is small, or the old version does not use the column. By migration.
REVIEWED: dict[str, set[str]] = {}
# About style; and timeouts, which are set for the whole command (docs/operations.md, Upgrade).
NOT_ABOUT_LOCKS = [
    "prefer-text-field",
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-robust-stmts",
    "require-statement-timeout",
    "require-lock-timeout",
]
OLDEST_POSTGRESQL = "14.0"


def find_faults(statements: str) -> set[str]:
    """Names of Squawk's rules that the SQL of one migration breaks."""
    squawk = Path(sys.executable).with_name("squawk")
    options = ["--reporter=gcc", "--pg-version", OLDEST_POSTGRESQL, "--exclude", ",".join(NOT_ABOUT_LOCKS)]
    done = subprocess.run([squawk, *options], input=statements, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return set(re.findall(r"(?:warning|error): ([a-z-]+)", done.stdout))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("ALTER TABLE t ADD COLUMN c varchar(9) DEFAULT '' NOT NULL; ALTER TABLE t ALTER COLUMN c DROP DEFAULT;",
         "ban-drop-default"),
        ("CREATE INDEX i ON t (c);", "require-concurrent-index-creation"),
        ("ALTER TABLE t ALTER COLUMN c TYPE varchar(5);", "changing-column-type"),
        ("ALTER TABLE t RENAME COLUMN c TO d;", "renaming-column"),
        ("ALTER TABLE t DROP COLUMN c;", "ban-drop-column"),
        ("ALTER TABLE t ADD CONSTRAINT k CHECK (c > 0);", "constraint-missing-not-valid"),
        ("ALTER TABLE t ADD COLUMN c varchar(9) DEFAULT '' NOT NULL;", ""),
        ("CREATE TABLE t (c varchar(9) NOT NULL); CREATE INDEX i ON t (c);", ""),
    ],
)  # fmt: skip
def test_what_blocks_a_table_or_breaks_the_old_version_is_found(statement: str, fault: str) -> None:
    assert find_faults(f"BEGIN; {statement} COMMIT;") == ({fault} if fault else set())


@pytest.mark.database
@pytest.mark.django_db
def test_each_new_migration_can_run_beside_the_version_before_it() -> None:
    skip_without("postgres")
    if connection.vendor != "postgresql":
        pytest.skip("reads the SQL for PostgreSQL, in the run on PostgreSQL")
    loader = MigrationLoader(connection, replace_migrations=False)
    faults = {}
    for app, name in sorted(loader.disk_migrations):
        if int(name[:4]) > BASELINE.get(app, 9999):
            statements = StringIO()
            call_command("sqlmigrate", app, name, stdout=statements)
            faults[f"{app}.{name}"] = find_faults(statements.getvalue()) - REVIEWED.get(f"{app}.{name}", set())
    assert {name: found for name, found in faults.items() if found} == {}
