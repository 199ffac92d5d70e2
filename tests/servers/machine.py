"""What this machine has for tests, and services of our own made from it: PostgreSQL, Redis, RabbitMQ.

Each service has a folder, a free port and a process of its own, and ends with its block; the services that the machine
runs already are never touched. Knows nothing of pytest, Django or Keyrack.
"""

import contextlib
import functools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Process: TypeAlias = "subprocess.Popen[bytes]"
PATIENCE = 60.0  # seconds until a service must have answered
# Above, another program's outgoing connection may sit on the port. Chosen by `secrets`: pytest-randomly gives `random`
# the same seed in all processes of a run, which would choose the same port at the same moment.
PORTS = range(20000, 32768)
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ON_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")

# The shell that runs a service ends it with the given signal when our end of the pipe closes: also when we are killed.
GUARD = 'exec 3<&0; "$@" </dev/null 3<&- & server=$!; { read -r _ <&3; kill -s "$STOP" $server; } & wait $server'


class ServiceFailed(Exception):
    """A service that the machine has did not start; holds the end of its log."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that tests need: what people call it, how to find it, and the Debian packages it comes in."""

    words: str
    find: Callable[[], Path | None]
    packages: str


def find_chromium() -> Path | None:
    return _on_path(*CHROMIUM) or (CHROMIUM_ON_MACOS if CHROMIUM_ON_MACOS.exists() else None)


def find_node() -> Path | None:
    """Node.js, if npm is there as well."""
    return _on_path("node") if shutil.which("npm") else None


def find_curl() -> Path | None:
    return _on_path("curl")


def find_nginx() -> Path | None:
    """Debian keeps it where only root looks."""
    debian = Path("/usr/sbin/nginx")
    return _on_path("nginx") or (debian if debian.exists() else None)


def find_caddy() -> Path | None:
    return _on_path("caddy")


def find_promtool() -> Path | None:
    return _on_path("promtool")


def find_postgres() -> Path | None:
    """`postgres`, with `initdb` beside it. Debian keeps both off the PATH, in one folder for each version."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: path.parts[4].zfill(3))
    found = _on_path("postgres") or (debian[-1] if debian else None)
    return found if found and found.resolve().with_name("initdb").exists() else None


def find_pgbouncer() -> Path | None:
    debian = Path("/usr/sbin/pgbouncer")
    return _on_path("pgbouncer") or (debian if debian.exists() else None)


def find_redis() -> Path | None:
    return _on_path("redis-server", "valkey-server")


def find_rabbitmq() -> Path | None:
    """The server itself: Debian's command of this name would leave our environment for that of the service."""
    debian = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    return debian if debian.exists() else _on_path("rabbitmq-server")


NEEDS = {
    "browser": Need(words="Chromium", find=find_chromium, packages="chromium"),
    "postgres": Need(words="PostgreSQL", find=find_postgres, packages="postgresql"),
    "pgbouncer": Need(words="PgBouncer", find=find_pgbouncer, packages="pgbouncer"),
    "redis": Need(words="Redis", find=find_redis, packages="redis-server"),
    "rabbitmq": Need(words="RabbitMQ", find=find_rabbitmq, packages="rabbitmq-server"),
    "node": Need(words="Node.js with npm", find=find_node, packages="nodejs npm"),
    "nginx": Need(words="nginx", find=find_nginx, packages="nginx"),
    "caddy": Need(words="Caddy", find=find_caddy, packages="caddy"),
    "promtool": Need(words="promtool", find=find_promtool, packages="prometheus"),
    "curl": Need(words="curl", find=find_curl, packages="curl"),
}


def found(name: str) -> Path:
    """Where it is. Call it only where `lacks` was asked."""
    path = NEEDS[name].find()
    assert path is not None
    return path


def lacks(name: str) -> str:
    """Why tests that need it cannot run here, beginning with "needs NAME:"; empty if they can."""
    need = NEEDS[name]
    return "" if need.find() else f"needs {name}: {need.words} is not installed (apt-get install {need.packages})"


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A cluster without passwords and without care for power cuts; yields its address as DATABASE_URL has it."""
    port = free_port()
    with folder("postgres") as home:
        initialize_cluster(home)
        with postgres_at(port, home):
            yield f"postgres://keyrack@127.0.0.1:{port}/postgres"


def initialize_cluster(home: Path) -> None:
    _initialize(found("postgres").resolve().with_name("initdb"), home / "cluster")


@contextlib.contextmanager
def postgres_at(port: int, home: Path, *, durable: bool = False) -> Iterator[Process]:
    """The server of a cluster in this folder. It can be ended and started again.

    `durable`: a commit is on disk before it is answered. Otherwise the last ones are lost if the server is killed.
    """
    program = found("postgres").resolve()
    options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
    options |= {"max_connections": "300", "shared_buffers": "32MB"}  # crowds of tests, on small machines
    if not durable:
        options |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    status = home / "cluster" / "postmaster.pid"
    command = [str(program), "-D", str(home / "cluster"), "-p", str(port), *settings]
    before = status.read_text() if status.exists() else ""  # of a server that was killed
    ready = lambda: status.exists() and "ready" in (words := status.read_text()) and words != before  # noqa: E731
    with running(command, home, ready, stop="INT") as process:
        yield process


@contextlib.contextmanager
def pgbouncer_at(port: int, postgres_port: int) -> Iterator[Process]:
    """A pooler in front of that server, by transaction and without prepared statements."""
    options = {
        "listen_addr": "127.0.0.1", "listen_port": port, "auth_type": "any", "pool_mode": "transaction",
        "max_client_conn": 400, "default_pool_size": 20, "unix_socket_dir": "", "server_login_retry": 1,
    }  # fmt: skip
    lines = [f"{name} = {value}" for name, value in options.items()]
    databases = f"[databases]\n* = host=127.0.0.1 port={postgres_port} user=keyrack\n[pgbouncer]\n"
    with folder("pgbouncer") as home:
        (home / "pgbouncer.ini").write_text(databases + "\n".join(lines) + "\n")
        command = [str(found("pgbouncer")), str(home / "pgbouncer.ini")]
        hello = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"  # SSLRequest
        with running(command, home, lambda: answers(port, hello, b"N")) as process:
            yield process


def _initialize(initdb: Path, cluster: Path) -> None:
    uid, gid = ordinary_user()
    options = {"-D": str(cluster), "-U": "keyrack", "-A": "trust", "-E": "UTF8"}
    words = [word for pair in options.items() for word in pair]
    command = [str(initdb), *words, "--locale=C", "--no-sync"]
    made = subprocess.run(command, capture_output=True, text=True, user=uid, group=gid, cwd=cluster.parent)
    if made.returncode:
        raise ServiceFailed(made.stderr)


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A Redis that remembers nothing; yields its address."""
    port = free_port()
    with redis_at(port):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def redis_at(port: int) -> Iterator[Process]:
    options = {"port": port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "daemonize": "no"}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with folder("redis") as home:
        command = [str(found("redis")), *words, "--dir", str(home)]
        with running(command, home, lambda: answers(port, b"PING\r\n", b"+PONG")) as process:
            yield process


@contextlib.contextmanager
def rabbitmq() -> Iterator[str]:
    """A node with its own name, ports, cookie and port mapper; yields its address. Takes about ten seconds."""
    port = free_port()
    with rabbitmq_at(port):
        yield f"amqp://guest:guest@127.0.0.1:{port}//"


@contextlib.contextmanager
def rabbitmq_at(port: int) -> Iterator[Process]:
    mapper = free_port()
    hello, greeting = b"AMQP\x00\x00\x09\x01", b"\x01"
    with folder("rabbitmq") as home, port_mapper(home, mapper):
        environment = _node(home, port, mapper)
        ready = functools.partial(answers, port, hello, greeting)
        with running([str(found("rabbitmq"))], home, ready, environment=environment) as process:
            yield process


def _node(home: Path, port: int, mapper: int) -> dict[str, str]:
    """What keeps a node apart from the machine's own: every name, port and file that they would share."""
    (home / "plugins").write_text("[].")
    (home / "empty.conf").write_text("")
    values = {
        "HOME": home,
        "ERL_EPMD_PORT": mapper,
        "RABBITMQ_NODENAME": f"keyrack{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": port,
        "RABBITMQ_DIST_PORT": free_port(),
        "RABBITMQ_MNESIA_BASE": home / "mnesia",
        "RABBITMQ_LOG_BASE": home / "log",
        "RABBITMQ_CONF_ENV_FILE": home / "empty.conf",
        "RABBITMQ_CONFIG_FILE": home / "empty.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE": home / "plugins",
        "RABBITMQ_PID_FILE": home / "pid",
    }
    return {name: str(value) for name, value in values.items()}


@contextlib.contextmanager
def port_mapper(home: Path, port: int) -> Iterator[None]:
    """Erlang's own. Where none listens, the node would start one in the background that nobody ends."""
    command = [shutil.which("epmd") or "epmd", "-port", str(port), "-address", "127.0.0.1"]
    with running(command, home, lambda: answers(port, b"\x00\x01n", port.to_bytes(4, "big"))):
        yield


@contextlib.contextmanager
def folder(name: str) -> Iterator[Path]:
    """A temporary folder that the service may write into, also when it must not run as root."""
    with tempfile.TemporaryDirectory(prefix=f"keyrack-{name}-", ignore_cleanup_errors=True) as path:
        uid, gid = ordinary_user()
        if uid is not None and gid is not None:
            os.chown(path, uid, gid)
        yield Path(path)


@contextlib.contextmanager
def running(
    command: list[str],
    home: Path,
    ready: Callable[[], bool],
    *,
    stop: str = "TERM",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Run it until the block ends, which begins once it is ready. What is yielded leads the service's own group."""
    log = home / "log.txt"
    uid, gid = ordinary_user()
    with log.open("w") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=home,
            env={**os.environ, **(environment or {}), "STOP": stop},
            start_new_session=True,  # Ctrl+C is for us; we end it
            user=uid,
            group=gid,
        )
    try:
        _wait(process, ready, log)
        yield process
    finally:
        _end(process)


def _wait(process: Process, ready: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            raise ServiceFailed("\n".join(log.read_text().splitlines()[-30:]))
        time.sleep(0.05)


def _end(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def ordinary_user() -> tuple[int | None, int | None]:
    """User and group for a process that refuses to run as root; nothing if we are not root ourselves."""
    if os.geteuid() != 0:
        return None, None
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    return user.pw_uid, user.pw_gid


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.bind(("127.0.0.1", port))
            return port


def answers(port: int, question: bytes, expected: bytes) -> bool:
    """Whether what listens there says, to this question, what only such a service says."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(question)
            return connection.recv(64).startswith(expected)
    except OSError:
        return False


def _on_path(*names: str) -> Path | None:
    paths = [path for name in names if (path := shutil.which(name))]
    return Path(paths[0]) if paths else None
