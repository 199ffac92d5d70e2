"""Run the demo authorization server for a with-block: its own process, its own data, a free port."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from demo import browserless
from tests.servers import machine

CHECKOUT = Path(__file__).resolve().parents[2]
STARTING_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A running provider. `clients` is the document that it was seeded with."""

    url: str
    password: str = field(repr=False)
    clients: dict[str, dict[str, Any]] = field(repr=False)
    data_dir: Path
    environment: dict[str, str] = field(repr=False)

    def session(self) -> requests.Session:
        """Return a new browser, so to say. It ignores proxies of the environment."""
        session = requests.Session()
        session.trust_env = False
        return session

    def sign_in(self, session: requests.Session, username: str) -> None:
        """Sign a person in."""
        browserless.sign_in(session, self.url, username, self.password)

    def consent(self, session: requests.Session, authorization_url: str, *, allow: bool = True) -> str:
        """Press Allow (or Cancel); return where the browser is sent."""
        return browserless.consent(session, authorization_url, allow=allow)

    def seed(self, clients: Sequence[dict[str, Any]], *arguments: str) -> str:
        """Run `provider_seed` once more."""
        return _manage(self.environment, "provider_seed", "-", *arguments, stdin=json.dumps(clients))


@contextlib.contextmanager
def running_provider(
    port: int | None = None, *, clients: Sequence[dict[str, Any]] = (), **env: str
) -> Iterator[Provider]:
    """Migrate, seed and start a provider; stop it and delete its data afterwards. `env` overrides its environment."""
    port = port or machine.free_port()
    data_dir = Path(tempfile.mkdtemp(prefix="demo-provider-"))
    environment = _environment(port, data_dir) | env
    provider = Provider(
        url=environment["PROVIDER_URL"],
        password=environment["DEMO_PASSWORD"],
        clients={client["client_id"]: client for client in clients},
        data_dir=data_dir,
        environment=environment,
    )
    try:
        _manage(environment, "migrate", "--verbosity=0")
        provider.seed(clients)
        with _serving(provider, port):
            yield provider
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def _environment(port: int, data_dir: Path) -> dict[str, str]:
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "demo.provider.settings",
        "DATA_DIR": str(data_dir),
        "PROVIDER_URL": f"http://localhost:{port}",
        "PROVIDER_SECRET_KEY": secrets.token_urlsafe(40),
        "DEMO_PASSWORD": secrets.token_urlsafe(12),
        "PYTHONPATH": str(CHECKOUT),
    }


def _manage(environment: dict[str, str], *arguments: str, stdin: str = "") -> str:
    command = [sys.executable, "-m", "django", *arguments]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, input=stdin, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{arguments[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


@contextlib.contextmanager
def _serving(provider: Provider, port: int) -> Iterator[None]:
    log = provider.data_dir / "server.log"
    options = f"--interface wsgi --host 127.0.0.1 --port {port} --workers 1 --blocking-threads 16 --no-ws".split()
    command = [sys.executable, "-m", "granian", *options, "demo.provider.wsgi:application"]
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=CHECKOUT, env=provider.environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(provider, server, log)
        yield
    finally:
        _stop(server)


def _wait(provider: Provider, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(requests.ConnectionError):
            if provider.session().get(f"{provider.url}/login/", timeout=10).status_code == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the demo provider did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _stop(server: "subprocess.Popen[bytes]") -> None:
    # A session of its own, so that the server's worker process ends with it.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
