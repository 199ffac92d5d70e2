"""Health is answered whatever is away: PostgreSQL, the cache's Redis and the broker are stopped for real."""

import base64
import contextlib
import os
import select
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
import requests
from django.core.mail import EmailMessage
from django.db import connection
from django.test import Client
from pytest_django import Settings

from config import health
from tests.servers import machine, migrated
from tests.servers.served import Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
THREADS = 64  # as operations.md has it
SLOW = 4  # seconds: 2 until a part has failed, and the machine's own pace
AT_ONCE = 1.8  # seconds: behind a page that hangs it would take 2 at least


@dataclass
class Live:
    """A site on services of its own, each of which can be stopped."""

    site: Served
    database: str
    services: dict[str, contextlib.ExitStack]
    environment: dict[str, str]

    def migrate(self) -> None:
        migrated.migrate(self.environment)

    def ask(self, path: str = "/readyz") -> requests.Response:
        return requests.get(self.site.url + path, timeout=30, allow_redirects=False)

    def stop(self, service: str) -> None:
        self.services[service].close()

    @contextlib.contextmanager
    def frozen_database(self) -> Iterator[None]:
        """PostgreSQL keeps its connections and answers nothing, as behind a network that fails."""
        with psycopg.connect(self.database) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
            assert row
            others = connection.execute("SELECT pid FROM pg_stat_activity").fetchall()
        main = int(Path(row[0], "postmaster.pid").read_text().split()[0])
        processes = [main, *(pid for (pid,) in others)]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    for name in ("postgres", "redis"):
        if words := machine.lacks(name):
            pytest.skip(words)
    services = {name: contextlib.ExitStack() for name in ("database", "cache", "broker")}
    with contextlib.ExitStack() as ends:
        for stack in services.values():
            ends.enter_context(stack)
        database = services["database"].enter_context(machine.postgres())
        environment = {
            **os.environ,
            "DATABASE_URL": database,
            "CACHE_URL": services["cache"].enter_context(machine.redis()),
            "CELERY_BROKER_URL": services["broker"].enter_context(machine.redis()),
            "DATA_DIR": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": "made up for this test, and long enough",
            "TOKEN_ENCRYPTION_KEYS": "k:" + base64.b64encode(os.urandom(32)).decode(),
        }
        environment.pop("DATABASE_POOL", None)
        site = ends.enter_context(Served("granian", tmp_path, environment, threads=THREADS))
        yield Live(site, database, services, environment)


def test_readiness_names_what_is_away_and_goes_red_only_for_what_the_site_needs(live: Live) -> None:
    everything = {
        "status": "degraded",
        "database": "ok",
        "keys": "ok",
        "cache": "ok",
        "broker": "ok",
        "background": "failing",
        "installation": "ok",
    }
    assert live.ask().json()["database"] == "failing", "not migrated"
    live.migrate()
    answer = live.ask()
    assert (answer.status_code, answer.json()) == (200, everything)
    live.stop("broker")
    answer = live.ask()
    assert (answer.status_code, answer.json()) == (200, everything | {"broker": "failing"})
    live.stop("cache")
    answer = live.ask()
    away = {"broker": "failing", "cache": "failing"}
    assert (answer.status_code, answer.json()) == (200, everything | away), "calls are answered without both"
    live.stop("database")
    answer = live.ask()
    # The state of the installation is known for ten seconds
    gone = {
        "status": "failing",
        "database": "failing",
        "keys": "failing",
        "installation": answer.json()["installation"],
    }
    assert (answer.status_code, answer.json()) == (503, everything | away | gone)
    assert answer.elapsed.total_seconds() < SLOW
    assert live.ask("/healthz").text == "ok"


def test_a_redis_that_takes_connections_but_no_values_is_named(live: Live) -> None:
    live.migrate()
    for part, variable in (("cache", "CACHE_URL"), ("broker", "CELERY_BROKER_URL")):
        with redis.Redis.from_url(live.environment[variable]) as server:
            for name, refuses, accepts in (("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")):
                server.config_set(name, refuses)
                answer = live.ask()
                assert (answer.status_code, answer.json()[part]) == (200, "failing"), name
                server.config_set(name, accepts)
                assert live.ask().json()[part] == "ok"
            left = [key for key in server.scan_iter() if b"keyrack-test" in key]
            assert left == []


@pytest.mark.django_db
def test_readiness_that_fails_is_named_and_not_mailed_at_each_probe(
    client: Client, settings: Settings, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ADMINS = [("Administrator", "administrator@hub.example")]
    monkeypatch.setattr(health, "PARTS", {"database": lambda: False})
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "failing", "database": "failing"})
    assert mailoutbox == []


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="about the folder of SQLite")
@pytest.mark.parametrize(("folder", "database"), [("/proc", "failing"), ("", "ok")])
def test_a_folder_of_sqlite_that_takes_nothing_is_named(
    folder: str, database: str, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as on a full disk: reading goes on, so only an attempt to write tells."""
    monkeypatch.setitem(connection.settings_dict, "NAME", f"{folder or tmp_path}/keyrack.sqlite3")
    assert client.get("/readyz").json()["database"] == database


def test_a_file_of_sqlite_that_only_others_may_write_is_named() -> None:
    """As after root has copied it: SQLite reads it, and the folder takes files."""
    with tempfile.TemporaryDirectory() as name:
        folder, database = Path(name), Path(name, "keyrack.sqlite3")
        folder.chmod(0o777)
        database.touch(mode=0o444)
        os.seteuid(machine.ordinary_user()[0] or os.geteuid())
        try:
            with pytest.raises(PermissionError, match="is read-only"):
                health.try_disk(database)
        finally:
            os.seteuid(os.getuid())
        database.chmod(0o666)
        health.try_disk(database)


def test_a_database_that_only_reads_is_named(live: Live) -> None:
    """A standby, or a server that became one in a failover."""
    live.migrate()
    assert live.ask().json()["database"] == "ok"
    with psycopg.connect(live.database, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.5)
        answer = live.ask()
        assert (answer.status_code, answer.json()["database"]) == (503, "failing")
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("ALTER SYSTEM RESET default_transaction_read_only")


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_health_is_answered_at_once_without_a_database_and_with_all_threads_busy(live: Live, how: str) -> None:
    with contextlib.ExitStack() as ends:
        pages = ends.enter_context(ThreadPoolExecutor(2 * THREADS))
        for _page in range(THREADS):
            pages.submit(live.ask, "/accounts/login/").result()
        if how == "stopped":
            live.stop("database")
        else:
            ends.enter_context(live.frozen_database())
        for _page in range(2 * THREADS):
            pages.submit(page_with_session, live.site)
        time.sleep(0.3)
        waits = []
        for _probe in range(20):
            began = time.monotonic()
            assert live.ask("/healthz").text == "ok"
            waits.append(time.monotonic() - began)
            time.sleep(0.2)
        answer = live.ask()
        assert answer.status_code == 503
        assert answer.json()["database"] == "failing"
        assert answer.elapsed.total_seconds() < SLOW
        assert max(waits) < AT_ONCE, waits
        pages.shutdown(wait=False, cancel_futures=True)


@pytest.mark.parametrize("server", ["granian", "gunicorn"])
def test_health_is_answered_by_two_threads_on_a_database_that_swallows_everything(server: str, tmp_path: Path) -> None:
    """Connections are taken and nothing is ever said, as by a firewall in the way or a host that is stuck."""
    with contextlib.ExitStack() as ends:
        hole = ends.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        environment = {
            **os.environ,
            "DATABASE_URL": f"postgres://keyrack@127.0.0.1:{hole.getsockname()[1]}/postgres",
            "DATA_DIR": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        site = ends.enter_context(Served(server, tmp_path, environment, threads=2))
        for _again in range(2):  # the second asks while the first question has no answer yet
            answer = requests.get(f"{site.url}/readyz", timeout=30)
            assert (answer.status_code, answer.json()["database"]) == (503, "failing")
            assert answer.elapsed.total_seconds() < SLOW
        pages = ends.enter_context(ThreadPoolExecutor(6))
        hanging = [pages.submit(page_with_session, site) for _page in range(6)]
        while not all(page.done() for page in hanging):
            answer = requests.get(f"{site.url}/healthz", timeout=30)
            assert answer.text == "ok"
            assert answer.elapsed.total_seconds() < AT_ONCE
            time.sleep(0.05)


def page_with_session(site: Served) -> None:
    with contextlib.suppress(requests.RequestException):
        requests.get(site.url + "/integrations/", cookies={"keyrack": "a" * 32}, timeout=20)


def test_parallel_calls_leave_most_connections_of_the_database_to_others(live: Live) -> None:
    """The pool is there without a variable."""
    with ThreadPoolExecutor(100) as pages, psycopg.connect(live.database, autocommit=True) as watcher:
        calls = [pages.submit(page_with_session, live.site) for _call in range(400)]
        most = 0
        while not all(call.done() for call in calls):
            row = watcher.execute("SELECT count(*) - 1 FROM pg_stat_activity WHERE datname IS NOT NULL").fetchone()
            assert row
            most = max(most, row[0])
            time.sleep(0.01)
    assert 1 <= most <= 16


class Pooler(socketserver.BaseRequestHandler):
    """Passes on to PostgreSQL, and refuses the startup parameters that PgBouncer refuses."""

    database: ClassVar[tuple[str, int]]
    KNOWN = {b"user", b"database", b"client_encoding", b"application_name", b"datestyle", b"timezone"}

    def handle(self) -> None:
        (length,) = struct.unpack("!i", self.request.recv(4, socket.MSG_WAITALL))
        startup = self.request.recv(length - 4, socket.MSG_WAITALL)
        if length == 8:  # asks for TLS or GSSAPI
            self.request.sendall(b"N")
            self.handle()
            return
        if not set(startup[4:].rstrip(b"\0").split(b"\0")[::2]) <= self.KNOWN:
            error = b"SFATAL\0C08P01\0Munsupported startup parameter\0\0"
            self.request.sendall(b"E" + struct.pack("!i", len(error) + 4) + error)
            return
        with socket.create_connection(self.database) as server:
            server.sendall(struct.pack("!i", length) + startup)
            while readable := select.select([self.request, server], [], [], 10)[0]:
                for end in readable:
                    data = end.recv(65536)
                    if not data:
                        return
                    (server if end is self.request else self.request).sendall(data)


ASK = """
import django; django.setup()
from django.db import connections
from config import health
def limit():
    with connections["default"].cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return cursor.fetchone() == ("2s",)
print(health.check_parts({"database": health.outside_the_pool(limit)}))
"""


def test_the_database_is_asked_with_a_limit_through_a_pgbouncer_too(tmp_path: Path) -> None:
    if words := machine.lacks("postgres"):
        pytest.skip(words)
    with machine.postgres() as database, socketserver.ThreadingTCPServer(("127.0.0.1", 0), Pooler) as pooler:
        direct = urlsplit(database)
        Pooler.database = (direct.hostname or "", direct.port or 5432)
        threading.Thread(target=pooler.serve_forever, daemon=True).start()
        pooled = database.replace(f":{direct.port}/", f":{pooler.server_address[1]}/")
        told = {
            **os.environ,
            "DATABASE_URL": pooled,
            "DATA_DIR": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        asked = subprocess.run([sys.executable, "-c", ASK], env=told, check=True, capture_output=True, text=True)
        pooler.shutdown()
    assert asked.stdout.strip() == "{'database': True}", asked.stderr
