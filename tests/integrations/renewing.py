"""What tests about stored tokens share: what a provider grants, and asking for a token as callers do."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from django.utils import timezone
from psycopg import sql

from accounts.models import User
from integrations.connections import renewal
from integrations.connections.keep_alive import queue
from integrations.models import Alias, OAuth2Credential, Token
from tests.servers.hostile import Answer, Call
from tests.servers.worker import CHECKOUT, FILES, database_url, environment

GRANTED = {
    "access_token": "CANARY-access-2",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "CANARY-refresh-2",
}
ASKED = "POST /token"


def due_tokens() -> list[Token]:
    """What would be renewed ahead now. Rows may have been written behind the back of `save`; nothing stays claimed."""
    now = timezone.now()
    Token.objects.update(due_at=None)
    queue.repair_deadlines(Token.objects.all(), now)
    claimed = [token for source in queue.due_sources(now) for token in queue.claim(source.credential_id, 1000, now)]
    ready = queue.ready_tokens(claimed, now)
    queue.give_back(ready)
    return ready


# Several processes with so many threads each, all of which want the token. Forked, so that Django starts only once.
CALLERS = """
import json, multiprocessing, sys
from concurrent.futures import ThreadPoolExecutor
import django
django.setup()
from django.db import connection
from django.utils import timezone

from integrations.connections import renewal
from integrations.connections.keep_alive import queue
from integrations.models import Token

def call(token):
    try:
        return renewal.current(token.user, token.credential).access_token
    except Exception as error:
        return repr(error)
    finally:
        connection.close()

def callers(token, threads, told):
    with ThreadPoolExecutor(threads) as pool:
        told.put(list(pool.map(call, [token] * threads)))

count, threads = map(int, sys.argv[1:])
token = Token.objects.with_registry().get()
connection.close()
fork = multiprocessing.get_context("fork")
told = fork.Queue()
processes = [fork.Process(target=callers, args=(token, threads, told)) for _ in range(count)]
for process in processes:
    process.start()
print(json.dumps([outcome for _ in processes for outcome in told.get()]))
"""

# What a process runs that gets no further than a given point of its renewal.
DOOMED = """
import os, signal, sys
import django
django.setup()
from django.utils import timezone

from integrations.connections import renewal
from integrations.connections.keep_alive import queue
from integrations.models import Token
from foundation.oauth_client import client

def die(*words, **fields):
    os.kill(os.getpid(), signal.SIGKILL)

def ask_and_die(*words, **fields):
    ask(*words, **fields)
    die()

ask = client.refresh
client.refresh = {"before": die, "while": ask, "after": ask_and_die}[sys.argv[1]]
token = Token.objects.with_registry().get()
renewal.current(token.user, token.credential)
"""


class Rotation:
    """A provider whose refresh tokens work once. A second use ends all of them, or with `grace` gives the same again.

    Scripted for a route; `then` is called when a token is spent and before the answer goes out.
    """

    def __init__(self, *, grace: bool = False, then: Callable[[], Any] = lambda: None) -> None:
        self.grace, self.then = grace, then
        self.newest, self.is_dead = 1, False

    def __call__(self, call: Call) -> Answer:
        spent = f"CANARY-refresh-{self.newest - 1}"
        if call.form["refresh_token"] == f"CANARY-refresh-{self.newest}" and not self.is_dead:
            self.newest += 1
        elif not (self.grace and call.form["refresh_token"] == spent):
            self.is_dead = True
            return Answer(status=400, json={"error": "invalid_grant"})
        self.then()
        names = {name: f"CANARY-{name.split('_')[0]}-{self.newest}" for name in ("access_token", "refresh_token")}
        return Answer(json={**GRANTED, **names})


def credential_of(alias: Alias) -> OAuth2Credential:
    assert alias.effective_credential
    return alias.effective_credential


def current(user: User | None, alias: Alias, **options: Any) -> str:
    held: str = renewal.current(user, credential_of(alias), **options).access_token
    return held


def in_threads(count: int, call: Callable[[], str]) -> list[str]:
    """What so many callers at once get, each on a database connection of its own."""

    def closed(_number: int) -> str:
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(closed, range(count)))


def after(act: Callable[[], Any], answer: Answer | None = None) -> Callable[[Call], Answer]:
    """An answer of the scripted server, before which something happens: in its thread, on a connection of its own."""

    def reply(_call: Call) -> Answer:
        try:
            act()
        finally:
            connection.close()
        return answer or Answer(json=GRANTED)

    return reply


class Outage:
    """The database for a while: nobody can write, and whoever tries gets an error, as when a server fails over."""

    def __init__(self) -> None:
        self._begun, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep)

    def begin(self, *, seconds: float = 60) -> None:
        self._seconds = seconds
        self._thread.start()
        assert self._begun.wait(10)

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _wait(self) -> None:
        self._over.wait(self._seconds)

    def _keep(self) -> None:
        if connection.vendor == "sqlite":
            keep_sqlite_locked(str(connection.settings_dict["NAME"]), self._begun, self._wait)
        else:
            keep_postgres_closed(database_url(), self._begun, self._wait)


def keep_sqlite_locked(path: str, begun: threading.Event, wait: Callable[[], None]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun.set()
        wait()


def keep_postgres_closed(url: str, begun: threading.Event, wait: Callable[[], None]) -> None:
    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as other:
        let = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        other.execute(let.format(sql.Identifier(name), sql.SQL("false")))
        begun.set()
        wait()
        other.execute(let.format(sql.Identifier(name), sql.SQL("true")))


def doomed(point: str, folder: Path) -> "subprocess.Popen[bytes]":
    """A process of this site that begins to renew the one token there is, and will be killed at this point."""
    told = {**os.environ, **environment(FILES, folder)}
    return subprocess.Popen([sys.executable, "-c", DOOMED, point], cwd=CHECKOUT, env=told)


def in_processes(count: int, threads: int, folder: Path) -> list[str]:
    """What so many callers get in so many processes of this site."""
    command = [sys.executable, "-c", CALLERS, str(count), str(threads)]
    told = {**os.environ, **environment(FILES, folder)}
    said = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, env=told, timeout=60, check=True)
    return [str(outcome) for outcome in json.loads(said.stdout)]
