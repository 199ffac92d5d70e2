"""Setting of a benchmark: temporary databases, a site with its own keys, and processes of it and of its peers.

No real site is touched: child processes get every variable that settings read from here.
"""

import argparse
import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.servers import installed, machine

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
KEYRACK = "benchmarks.keyrack"
OF_PEERS = "benchmarks.peers."


@dataclass(frozen=True, kw_only=True)
class Place:
    """A kind of database. `new` creates an empty one by name and returns its DATABASE_URL."""

    name: str
    new: Callable[[str], str]
    folder: Path


def options(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--database",
        action="append",
        metavar="sqlite|postgres|URL",
        help="where; may be repeated. A URL names a PostgreSQL server on which databases may be created and dropped."
        " Otherwise SQLite, and a PostgreSQL of its own where that is installed",
    )
    parser.add_argument("--quick", action="store_true", help="small numbers: does it work? The figures say nothing")
    return parser


@contextmanager
def places(names: list[str] | None) -> Iterator[Iterator[Place]]:
    """Yield the places one after the other, so that only one server runs at a time."""
    names = names or ["sqlite", *([] if machine.lacks("postgres") else ["postgres"])]
    temporary = tempfile.TemporaryDirectory(prefix="keyrack-benchmark-", ignore_cleanup_errors=True)
    with temporary as folder, closing(each(names, Path(folder))) as databases:  # its server ends before its folder does
        yield databases


def each(names: list[str], folder: Path) -> Generator[Place]:
    for name in names:
        if name == "sqlite":
            yield Place(name="SQLite", new=lambda name: f"sqlite:///{folder / name}.sqlite3", folder=folder)
        elif name == "postgres":
            with machine.postgres() as url, created(url) as new:
                yield Place(name="PostgreSQL", new=new, folder=folder)
        else:
            with created(name) as new:
                yield Place(name="PostgreSQL", new=new, folder=folder)


@contextmanager
def created(server: str) -> Iterator[Callable[[str], str]]:
    """Yield a function that creates databases; drop them at the end."""
    mark, made = secrets.token_hex(4), []
    with psycopg.connect(server, autocommit=True) as connection:

        def new(name: str) -> str:
            database = f"keyrack_benchmark_{mark}_{name}"
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
            made.append(database)
            return urlunsplit(urlsplit(server)._replace(path=f"/{database}"))

        try:
            yield new
        finally:
            for database in made:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))


def peers() -> str:
    """Return the Python of the peers, installed on first use. Exits with a message if that fails."""
    try:
        return str(installed.environment(PEERS))
    except installed.Missing as missing:
        sys.exit(f"The peers cannot be installed: {missing}")


class Child:
    """A process of a site that reads and writes lines of JSON, and ends when its input ends."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=environment)

    def tell(self, *words: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout
        if line := self.process.stdout.readline():
            return json.loads(line)
        raise RuntimeError(f"{self.process.args!r} ended with {self.process.wait()}")

    def end(self) -> None:
        self.process.communicate()


@dataclass(frozen=True, kw_only=True)
class Site:
    """Keyrack or a peer with its own database, and the environment of its processes."""

    contestant: str  # the module that says how it is used
    environment: dict[str, str]

    @contextmanager
    def running(self, program: str, *arguments: str) -> Iterator[Child]:
        python = peers() if self.contestant.startswith(OF_PEERS) else sys.executable
        command = [python, "-W", "ignore", "-m", f"benchmarks.{program}", self.contestant, *arguments]
        child = Child(command, self.environment)
        try:
            yield child
        finally:
            child.end()

    def ask(self, program: str, *arguments: str) -> Any:
        """Return the only answer of a program that gets everything as arguments."""
        with self.running(program, *arguments) as child:
            return child.answer()

    def ask_of(self, program: str, *arguments: str) -> Any:
        """Like `ask`, for a program that takes no contestant."""
        child = Child([sys.executable, "-W", "ignore", "-m", f"benchmarks.{program}", *arguments], self.environment)
        try:
            return child.answer()
        finally:
            child.end()


def site(contestant: str, place: Place, authority: str = "", *, pool: int = 0) -> Site:
    """Return an empty site with random keys. `authority`: its URL; `pool`: size of the database pool."""
    name = contestant.rpartition(".")[2]
    variables = {
        "DATABASE_URL": place.new(f"{name}_{secrets.token_hex(2)}"),
        "DATA_DIR": str(place.folder / "data"),
        "SECRET_KEY": secrets.token_urlsafe(50),
        "TOKEN_ENCRYPTION_KEYS": "benchmark:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "OUTBOUND_ALLOW": "127.0.0.0/8",
        "LOG_LEVEL": "CRITICAL",
        "AUTHORITY": authority,
        "DATABASE_POOL": str(pool),
        "DJANGO_SETTINGS_MODULE": f"{OF_PEERS if contestant.startswith(OF_PEERS) else 'config.'}settings",
        "OAUTHLIB_INSECURE_TRANSPORT": "1",  # the authority speaks plain http
        "AUTHLIB_INSECURE_TRANSPORT": "1",
    }
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return Site(contestant=contestant, environment={**inherited, **variables})
