"""Two web hosts and two worker hosts behind nginx on one machine: what callers see while parts are restarted or killed.

    python3 -m benchmarks hosts [--broker redis|rabbitmq] [--pooler] [--only NAME]

Each host has its own folder and processes: web by Granian, or worker with beat. They share PostgreSQL (behind PgBouncer
with --pooler), Redis and the broker. Meanwhile programs call without pause: whether a token is valid, a proxied GET and
POST; one call takes ten seconds; and people revoke. An answer is *answered* (2xx), *refused* (an error in JSON, or a
page of nginx with 502 to 504), or *broken*: anything else. At the end, each revocation that was answered must be
confirmed.
"""

import argparse
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import requests

from config.bootstrap import ROOT
from tests.servers import machine
from tests.servers.brokers import Server
from tests.servers.hostile import HostileServer
from tests.servers.worker import eventually

PEOPLE = 150
SLOW_SECONDS = 10
PAUSE = 0.02  # seconds between two calls of one program
SEED = """
import json, sys, django
django.setup()
from django.conf import settings
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # nobody signs in
from accounts.access_tokens import operations
from tests import cast
url, people = sys.argv[1], int(sys.argv[2])
alias = cast.integration_at(cast.registry_at(url))
scopes = ["integrations:read", "integrations:revoke", "service:*"]
tokens = []
for number in range(people):
    person = cast.person(f"person{number}")
    cast.signed_in(person, alias)
    tokens.append(str(operations.make_token(person, name="A program", scopes=scopes, expires_at=None, by=person)[1]))
print(json.dumps(tokens))
"""
# max_fails=0: by default nginx leaves a host alone for ten seconds after one failure, and answers 502 meanwhile.
NGINX = """
daemon off; pid {home}/pid; error_log {home}/error.log; worker_processes 1; {user}
events {{ worker_connections 1024; }}
http {{
    access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
    upstream keyrack {{ {servers} keepalive 32; }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_read_timeout 60s;
        location / {{ proxy_pass http://keyrack; }}
        location /api/v1/integrations/ {{
            proxy_pass http://keyrack; proxy_request_buffering off; proxy_read_timeout 90s;
        }}
    }}
}}
"""


@dataclass
class Process:
    """One process of a host, with a log of its own. `command` begins with the module that Python runs."""

    name: str
    command: list[str]
    environment: dict[str, str]
    folder: Path
    child: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with (self.folder / f"{self.name}.log").open("ab") as output:
            self.child = subprocess.Popen(
                ["/bin/sh", "-c", machine.GUARD, "sh", sys.executable, "-m", *self.command],
                stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=ROOT,
                env={**self.environment, "STOP": "TERM"}, start_new_session=True,
            )  # fmt: skip

    def end(self, number: signal.Signals) -> None:
        """TERM: wait until it has finished what it does, as systemd does. KILL: all its processes at once."""
        child, self.child = self.child, None
        if child is None:
            return
        if number is signal.SIGTERM and child.stdin:
            child.stdin.close()  # the guard sends TERM
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        if child.stdin:
            child.stdin.close()
        child.wait()


@dataclass
class Load:
    """Programs that call all the time, and what they saw. `tokens` are those of people who have not revoked yet."""

    url: str
    tokens: list[str]
    seen: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    revoked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        steady = self.tokens[:8]
        kinds = [
            lambda token: self.call("GET", "token-valid/", token),
            lambda token: self.call("GET", "proxy/contacts", token),
            lambda token: self.call("POST", "proxy/contacts", token),
        ]
        self.threads = [threading.Thread(target=self.repeat, args=(kinds[n % 3], steady[n])) for n in range(6)]
        self.threads += [threading.Thread(target=self.revoke_one_by_one), threading.Thread(target=self.call_slowly)]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def repeat(self, call: Callable[[str], object], token: str) -> None:
        while not self.ended.wait(PAUSE):
            call(token)

    def call_slowly(self) -> None:
        while not self.ended.is_set():
            self.call("GET", "proxy/slow", self.tokens[7])

    def revoke_one_by_one(self) -> None:
        for token in self.tokens[8:]:
            if self.ended.wait(0.5):
                return
            if self.call("POST", "revoke/", token) == 200:
                self.revoked += 1

    def call(self, method: str, path: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        try:
            response = requests.request(
                method, f"{self.url}/api/v1/integrations/northwind/{path}", headers=headers, timeout=90
            )
        except requests.RequestException as error:
            self.note("broken", f"{method} {path}: {type(error).__name__}")
            return 0
        if response.ok:
            self.note("answered", "")
        else:
            in_words = "json" in response.headers.get("Content-Type", "") and "error" in response.json()
            by_nginx = response.status_code in {502, 503, 504} and "nginx" in response.text
            words = response.json().get("error") if in_words else ""
            kind = "refused" if in_words else ("refused by nginx" if by_nginx else "broken")
            self.note(kind, f"{method} {path}: {response.status_code} {words}")
        return response.status_code

    def note(self, kind: str, words: str) -> None:
        with self.lock:
            self.seen[kind] += 1
            if words:
                self.faults.append(f"{kind}: {words}")

    def take(self) -> tuple[Counter[str], list[str]]:
        with self.lock:
            seen, faults = self.seen, self.faults
            self.seen, self.faults = Counter(), []
        return seen, faults


class Site:
    """The hosts, what they share, and nginx in front of them."""

    def __init__(self, folder: Path, broker: str, *, pooler: bool, ends: ExitStack) -> None:
        self.folder, self.ends = folder, ends
        self.provider = ends.enter_context(HostileServer())
        self.provider.on("GET /api/contacts").always(json=[])
        self.provider.on("POST /api/contacts").always(json={})
        self.provider.on("GET /api/slow").always(json=[], delay=SLOW_SECONDS)
        self.provider.on("POST /revoke").always(status=200)
        self.start_shared(broker, pooler=pooler)
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SECRET_KEY": secrets.token_hex(25),
            "TOKEN_ENCRYPTION_KEYS": "k:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "DATABASE_URL": self.database_url,
            "DATABASE_PREPARED_STATEMENTS": str(not pooler),
            "CACHE_URL": f"redis://127.0.0.1:{self.redis_port}/1",
            "CELERY_BROKER_URL": self.shared[broker].url,
            "OUTBOUND_ALLOW": "127.0.0.0/8",
            "API_CALLS_PER_MINUTE": "1000000",
            "REVOCATION_SWEEP_SECONDS": "2",
        }
        self.port = machine.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment["SITE_URL"] = self.url
        self.run("manage.py", "migrate", "-v0")
        self.tokens: list[str] = json.loads(self.run("-c", SEED, self.provider.url, str(PEOPLE)))
        self.web_ports = [machine.free_port(), machine.free_port()]
        self.processes = {process.name: process for process in self.hosts()}

    def start_shared(self, broker: str, *, pooler: bool) -> None:
        home = self.ends.enter_context(machine.folder("postgres"))
        machine.initialize_cluster(home)
        port, pooler_port, self.redis_port = (machine.free_port() for _ in range(3))
        self.direct_url = f"postgres://keyrack@127.0.0.1:{port}/postgres"
        self.database_url = f"postgres://keyrack@127.0.0.1:{pooler_port if pooler else port}/postgres"
        redis_url = f"redis://127.0.0.1:{self.redis_port}/0"
        self.shared = {
            "postgres": Server(self.direct_url, lambda: machine.postgres_at(port, home, durable=True)),
            "redis": Server(redis_url, lambda: machine.redis_at(self.redis_port)),
        }
        if pooler:
            self.shared["pgbouncer"] = Server(self.database_url, lambda: machine.pgbouncer_at(pooler_port, port))
        if broker == "rabbitmq":
            queue_port = machine.free_port()
            url = f"amqp://guest:guest@127.0.0.1:{queue_port}//"
            self.shared["rabbitmq"] = Server(url, lambda: machine.rabbitmq_at(queue_port))
        for server in self.shared.values():
            self.ends.enter_context(server)

    def run(self, *arguments: str) -> str:
        environment = {**self.environment, "DATA_DIR": str(self.folder / "setup")}
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return done.stdout

    def hosts(self) -> Iterator[Process]:
        for number, port in enumerate(self.web_ports, 1):
            command = f"granian --interface wsgi --host 127.0.0.1 --port {port} --workers 1 --blocking-threads 32"
            command += " --workers-kill-timeout 35 --log-level error config.wsgi:application"
            yield self.process(f"web{number}", command)
        for number in (1, 2):
            worker = f"celery --quiet --app config worker --concurrency 2 -n w{number}@host"
            yield self.process(f"worker{number}", worker)
            yield self.process(f"beat{number}", "celery --quiet --app config beat")

    def process(self, name: str, command: str) -> Process:
        folder = self.folder / name
        folder.mkdir()
        return Process(name, command.split(), {**self.environment, "DATA_DIR": str(folder / "data")}, folder)

    def start(self) -> None:
        for process in self.processes.values():
            process.start()
            self.ends.callback(process.end, signal.SIGKILL)
        home = self.nginx_home = self.ends.enter_context(machine.folder("nginx"))
        self.configure_nginx()
        command = [str(machine.found("nginx")), "-p", str(home), "-c", str(home / "nginx.conf")]
        ready = lambda: machine.answers(self.port, b"GET /healthz HTTP/1.0\r\n\r\n", b"HTTP/1.1 ")  # noqa: E731
        self.ends.enter_context(machine.running(command, home, ready))
        for port in self.web_ports:
            self.wait_for_web(port)
        if not eventually(lambda: self.runs() > 0, 90):
            sys.exit("No worker ran a task within 90 seconds.")

    def configure_nginx(self, out: str = "") -> None:
        """Write its configuration, with the host `out` (a name like `web1`) marked as down."""
        down = {f"web{number}": port for number, port in enumerate(self.web_ports, 1)}.get(out)
        servers = " ".join(
            f"server 127.0.0.1:{port} max_fails=0{' down' if port == down else ''};" for port in self.web_ports
        )
        user = "" if os.geteuid() else "user root;"
        text = NGINX.format(home=self.nginx_home, servers=servers, port=self.port, user=user)
        (self.nginx_home / "nginx.conf").write_text(text)

    def reload_nginx(self, out: str = "") -> None:
        self.configure_nginx(out)
        os.kill(int((self.nginx_home / "pid").read_text()), signal.SIGHUP)
        time.sleep(1)  # its old processes take no new requests any more

    def wait_for_web(self, port: int) -> None:
        if not eventually(lambda: is_healthy(port), 90):
            sys.exit(f"No web process answers at port {port}.")

    def runs(self) -> int:
        """How many tasks have ended, by their heartbeats."""
        return int(self.ask("SELECT count(*) FROM integrations_heartbeat"))

    def unconfirmed(self) -> int:
        return int(
            self.ask("SELECT count(*) FROM integrations_revocation WHERE state NOT IN ('confirmed', 'verified')")
        )

    def ask(self, statement: str) -> str:
        with psycopg.connect(self.direct_url) as connection:
            row = connection.execute(statement).fetchone()
        return str(row[0] if row else "")

    # What happens to them ---------------------------------------------------------------------------------------------

    def restart(self, name: str) -> None:
        """As docs/two-hosts.md says: nginx leaves a web host alone before it ends."""
        process = self.processes[name]
        if name.startswith("web"):
            self.reload_nginx(out=name)
        process.end(signal.SIGTERM)
        self.begin_again(process)
        if name.startswith("web"):
            self.reload_nginx()

    def kill(self, name: str) -> None:
        process = self.processes[name]
        process.end(signal.SIGKILL)
        time.sleep(2)  # RestartSec of the units
        self.begin_again(process)

    def begin_again(self, process: Process) -> None:
        process.start()
        if process.name.startswith("web"):
            self.wait_for_web(self.web_ports[int(process.name[-1]) - 1])

    def restart_shared(self, name: str) -> None:
        self.shared[name].kill()
        time.sleep(2)
        self.shared[name].start()


def is_healthy(port: int) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2).ok
    return False


def events(site: Site) -> dict[str, Callable[[], None]]:
    named: dict[str, Callable[[], None]] = {"nothing": partial(time.sleep, 5)}
    named |= {f"restart {name}": partial(site.restart, name) for name in ("web1", "web2")}
    named |= {f"kill -9 {name}": partial(site.kill, name) for name in ("web1", "worker1", "beat1")}
    named |= {f"restart {name}": partial(site.restart_shared, name) for name in site.shared}
    return named | {f"restart {name}": partial(site.restart, name) for name in ("worker1", "worker2", "beat1", "beat2")}


def rehearse(site: Site, only: str = "") -> list[tuple[str, Counter[str], list[str]]]:
    """Let each event happen under load. Returns what callers saw during each, and for five seconds after it."""
    load, rows = Load(site.url, site.tokens), []
    load.run()
    try:
        for name, happen in events(site).items():
            if only in name:
                time.sleep(1)
                load.take()
                happen()
                time.sleep(5)
                rows.append((name, *load.take()))
                print_row(*rows[-1])
    finally:
        load.stop()
    is_done = eventually(lambda: site.unconfirmed() == 0, 120)
    stored = int(site.ask("SELECT count(*) FROM integrations_revocation"))
    print(f"revocations: {load.revoked} answered, {stored} stored, {site.unconfirmed()} unconfirmed")
    if not is_done or stored < load.revoked:
        rows.append(("revocations", Counter(broken=1), ["a revocation was lost"]))
    return rows


def print_row(name: str, seen: Counter[str], faults: list[str]) -> None:
    kinds = ("answered", "refused", "refused by nginx", "broken")
    print(f"{name:20}" + "".join(f"{seen[kind]:>8} {kind}" for kind in kinds), flush=True)
    for words, number in Counter(faults).most_common(4):
        print(f"{'':24}{number} × {words}", flush=True)


@contextlib.contextmanager
def running_site(broker: str, *, pooler: bool) -> Iterator[Site]:
    with TemporaryDirectory(prefix="keyrack-hosts-", ignore_cleanup_errors=True) as folder, ExitStack() as ends:
        site = Site(Path(folder), broker, pooler=pooler, ends=ends)
        site.start()
        yield site


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", choices=["redis", "rabbitmq"], default="redis")
    parser.add_argument("--pooler", action="store_true", help="PgBouncer in front of PostgreSQL, by transaction")
    parser.add_argument("--only", default="", metavar="NAME", help="events whose name has this")
    options = parser.parse_args(arguments)
    with running_site(options.broker, pooler=options.pooler) as site:
        rows = rehearse(site, options.only)
    sys.exit(any(seen["broken"] for _, seen, _ in rows))
