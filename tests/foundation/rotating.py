"""Shared by tests of key rotation: keys, the sealed values in the database, and the command as a subprocess."""

import os
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from django.core.management import call_command
from django.db import connection

from foundation import secrets_at_rest
from foundation.secrets_at_rest import key_id_of

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW, OLDER = (f"{name}:{secrets_at_rest.new_key()}" for name in ("2025", "2026", "2024"))


def stored() -> list[tuple[str, str, bytes]]:
    """Table and column, id, and bytes of every sealed value, read with SQL instead of the code under test."""
    values = []
    with connection.cursor() as cursor:
        for table, column in binary_columns():
            cursor.execute(f'SELECT id, "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL')  # noqa: S608
            values += [(f"{table}.{column}", str(row_id), bytes(value)) for row_id, value in cursor.fetchall()]
    return sorted(values)


def binary_columns() -> list[tuple[str, str]]:
    """Binary columns according to the database. The logo is the only one without secrets."""
    with connection.cursor() as cursor:
        columns = [
            (table, column.name)
            for table in connection.introspection.table_names(cursor)
            for column in connection.introspection.get_table_description(cursor, table)
            if connection.introspection.get_field_type(column.type_code, column) == "BinaryField"
        ]
    return [(table, column) for table, column in columns if column != "logo"]


def key_ids() -> set[str]:
    return {key_id_of(value) for _column, _id, value in stored()}


def rotate(*arguments: str) -> str:
    output = StringIO()
    call_command("rotate_token_keys", *arguments, stdout=output, stderr=output)
    return output.getvalue()


def environment(folder: Path, keyring: Sequence[str], **more: str) -> dict[str, str]:
    """Environment variables of a process of the same site with other keys."""
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}"
    if connection.vendor != "sqlite":
        url = f"postgres://{database['USER']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    site = {"DATABASE_URL": url, "DATA_DIR": str(folder), "OUTBOUND_ALLOW": "127.0.0.0/8", **more}
    names = {"DJANGO_SETTINGS_MODULE": "config.settings", "TOKEN_ENCRYPTION_KEYS": ",".join(keyring)}
    return {**os.environ, **site, **names}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "django", "rotate_token_keys", *arguments]


def run(folder: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    variables = environment(folder, [OLD], **more)
    return subprocess.run(command(*arguments), capture_output=True, text=True, cwd=ROOT, env=variables, check=False)
