"""Looks for a marked secret wherever a secret could end up. Knows places and spellings, no promises."""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.db import connection


def spellings(secret: str) -> set[bytes]:
    """The secret as it is, in an address, in JSON, in hexadecimal, and inside of something in base64 at any offset."""
    raw = secret.encode()
    found = {raw, quote(secret).encode(), quote_plus(secret).encode(), json.dumps(secret)[1:-1].encode()}
    found |= {raw.hex().encode(), raw.hex().upper().encode()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            encoded = encode(b"\0" * offset + raw)
            found.add(encoded[offset + 1 if offset else 0 : (offset + len(raw)) * 8 // 6])
    return found


def finds(secret: str, content: bytes | str) -> bool:
    searched = content if isinstance(content, bytes) else content.encode(errors="surrogatepass")
    return any(spelling in searched for spelling in spellings(secret))


def database() -> Iterator[tuple[str, bytes]]:
    """Every value of every table, and where it is a file the file, with what is not yet written back to it."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 - a name of the database's own
            for row in cursor.fetchall():
                for value in row:
                    yield (
                        f"table {table}",
                        bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode(),
                    )
    if connection.vendor == "sqlite":
        name = Path(str(connection.settings_dict["NAME"]))
        for file in name.parent.glob(f"{name.name}*"):
            yield f"file {file.name}", read_elsewhere(file)


def read_elsewhere(file: Path) -> bytes:
    """By a process of its own: who closes a file that SQLite has open in the same process takes SQLite's locks away
    (https://sqlite.org/howtocorrupt.html, 2.2), and the next process that comes destroys the database.
    """
    return subprocess.run(["cat", file], check=True, capture_output=True).stdout


def sessions() -> Iterator[tuple[str, bytes]]:
    for session in Session.objects.all():
        yield "session", json.dumps(session.get_decoded()).encode()


def messages() -> list[bytes]:
    """What lies in the queue's folder, opened."""
    folder = Path(settings.DATA_DIR, "queue")
    found = []
    for file in folder.rglob("*.msg"):
        content = file.read_bytes()
        found += [content, base64.b64decode(json.loads(content)["body"])]
    return found


def everywhere() -> Iterator[tuple[str, bytes]]:
    """Each place at rest and what is in it."""
    yield from database()
    yield from sessions()
    yield "cache", repr(vars(cache._connections[cache._alias])).encode()  # type: ignore[attr-defined]
    for message in messages():
        yield "queue", message
    for letter in mail.outbox:
        yield "mail", letter.message().as_bytes() + str(letter.body).encode()
