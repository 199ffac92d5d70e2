"""`manage.py demo`: prepares the demo, starts its processes, prints the links, and stops all of them together.

Runs before Django, whose settings need the keys that are made here. Uses no database; the commands that it starts do.
"""

import argparse
import fcntl
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from threading import Event
from types import FrameType
from typing import cast

import requests

from demo import environment, ports
from demo.children import Child, Guard, Screen, stop

PATIENCE = 60.0  # seconds until each of the three must answer
SHOWN_LINES = 15
BOLD = 1
SERVER = (
    *("granian", "--interface", "wsgi", "--host", "127.0.0.1", "--workers", "1", "--blocking-threads", "64"),
    *("--no-ws", "--no-access-log", "--log-level", "error"),
)
WORKER = (
    *("celery", "--app", "config", "--quiet", "worker", "--beat", "--pool", "threads", "--concurrency", "8"),
    *("--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"),
)


class Stopped(Exception):
    """Ctrl+C or SIGTERM was received."""


class Failed(Exception):
    """The demo cannot continue; the message says why."""


def main(arguments: Sequence[str]) -> int:
    options = parsed(arguments)
    data_dir = environment.folder()
    try:
        with only_one(data_dir):
            if options.fresh:
                environment.empty(data_dir)
            return Demo(data_dir, options.port, opens=options.open).run()
    except (Failed, environment.NotOurs, ports.NoPort, OSError) as error:
        sys.stderr.write(f"Keyrack: {error}\n")
        return 1


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="manage.py demo",
        description="Run Keyrack with a worker and a demo authorization server on this machine, for you to try.",
    )
    parser.add_argument("--port", type=int, default=8000, help="where to look for a free port first (default: 8000)")
    parser.add_argument("--fresh", action="store_true", help="forget everything from earlier starts")
    parser.add_argument("--open", action="store_true", help="open the dashboard in the browser")
    options = parser.parse_args(arguments)
    if not 1 <= options.port <= 65534:
        parser.error("--port must be between 1 and 65534")
    return options


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Allow one demo per folder. The lock ends with the process, however it ends."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / "demo.lock").open("w") as gate:
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"The demo already runs in {data_dir}.") from None
        yield


class Demo:
    """One run of the demo."""

    def __init__(self, data_dir: Path, port: int, *, opens: bool) -> None:
        self.data_dir, self.opens = data_dir, opens
        self.screen = Screen(cast(TextIOWrapper, sys.stdout))
        self.children: list[Child] = []
        self.signals = 0
        self.woken = Event()
        self.hub_port = ports.free(port)
        self.provider_port = ports.free(self.hub_port + 1)
        for requested, actual in ((port, self.hub_port), (self.hub_port + 1, self.provider_port)):
            for line in ports.moved(requested, actual):
                self.screen.say(line)
        self.variables = environment.load(data_dir) | environment.addresses(self.hub_port, self.provider_port)
        environment.save(data_dir, self.variables)
        self.environment = environment.for_children(data_dir, self.variables)
        self.http = requests.Session()
        self.http.trust_env = False  # no proxy for loopback

    def run(self) -> int:
        """Run until stopped. Returns 0 after Ctrl+C or SIGTERM, 1 after a failure."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.note_signal)
        self.guard = Guard()
        try:
            self.start()
            self.watch()
        except Stopped:
            self.screen.say("\nStopping …")
            return 0
        except Failed as error:
            self.screen.say(f"\nKeyrack: {error}")
            return 1
        finally:
            stop(self.children, impatient=lambda: self.signals > 1)
            self.guard.dismiss()
        return 0

    def note_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.signals += 1
        self.woken.set()

    def start(self) -> None:
        """Start everything and print the links."""
        self.screen.say(f"Starting the demo in {self.data_dir} …")
        prepare = self.child("prepare", "django", "demo_prepare", ends=True)
        migrate = self.child("provider", "django", "migrate", "--verbosity=0", of_provider=True, ends=True)
        self.finish(prepare, migrate)
        clients = "\n".join(prepare.answer)
        accounts = self.child("provider", "django", "provider_seed", "-", of_provider=True, ends=True, stdin=clients)
        self.child("web", *SERVER, "--port", str(self.hub_port), "config.wsgi:application")
        self.child("worker", *WORKER)
        port = str(self.provider_port)
        self.child("provider", *SERVER, "--port", port, "demo.provider.wsgi:application", of_provider=True)
        self.finish(accounts)
        self.wait_for("web server", f"{self.variables['SITE_URL']}/readyz", says_ok)
        metadata = f"{self.variables['PROVIDER_URL']}/.well-known/oauth-authorization-server"
        self.wait_for("demo authorization server", metadata, says_json)
        seed = self.child("seed", "django", "demo_seed", ends=True)
        self.finish(seed)
        self.welcome(seed.answer[-1])

    def child(
        self, name: str, *arguments: str, of_provider: bool = False, ends: bool = False, stdin: str = ""
    ) -> Child:
        settings = "demo.provider.settings" if of_provider else "config.settings"
        variables = {**self.environment, "DJANGO_SETTINGS_MODULE": settings}
        child = Child(name, arguments, variables, self.screen, ends=ends, stdin=stdin)
        self.guard.watch(child.group)
        self.children.append(child)
        return child

    def finish(self, *commands: Child) -> None:
        """Wait for commands that end by themselves."""
        for command in commands:
            while command.code is None:
                self.look()
            if command.code:
                raise Failed(obituary(command))
            self.children.remove(command)

    def look(self, *, seconds: float = 0.05) -> None:
        """Wait a moment. Raises `Stopped` after a signal, `Failed` if a child has ended unexpectedly."""
        self.woken.wait(seconds)
        if self.signals or self.screen.is_gone:
            raise Stopped
        for child in self.children:
            if not child.ends and child.code is not None:
                raise Failed(obituary(child))

    def wait_for(self, name: str, url: str, is_well: Callable[[requests.Response], bool]) -> None:
        give_up_at = time.monotonic() + PATIENCE
        while time.monotonic() < give_up_at:
            self.look()
            try:
                if is_well(self.http.get(url, timeout=2)):
                    return
            except requests.RequestException:
                continue
        raise Failed(f"The {name} has not answered at {url} for {PATIENCE:.0f} seconds.")

    def welcome(self, link: str) -> None:
        values, site = self.variables, self.variables["SITE_URL"]
        for line in (
            "",
            self.screen.paint("Keyrack is running.", BOLD),
            "",
            f"  Your dashboard, as Amira  {link}",
            f"  Or sign in by hand        {site}/accounts/login/   amira or tomas · {values['PEOPLE_PASSWORD']}",
            f"  Administration            {site}/admin/   admin · {values['ADMIN_PASSWORD']}",
            f"  The demo provider         {values['PROVIDER_URL']}/   amira or tomas · {values['DEMO_PASSWORD']}",
            "",
            f"  An agent without a model  DATA_DIR={self.data_dir} python3 {environment.ROOT / 'demo' / 'agent.py'}",
            "",
            f"  All keys and passwords are random, and in {self.data_dir / 'demo.env'}",
            "",
            "  Ctrl+C stops everything.",
            "",
        ):
            self.screen.say(line)
        if self.opens:
            open_browser(link)

    def watch(self) -> None:
        while True:
            self.look(seconds=0.5)


def says_ok(answer: requests.Response) -> bool:
    return answer.status_code == 200


def says_json(answer: requests.Response) -> bool:
    return answer.status_code == 200 and answer.headers.get("Content-Type", "").startswith("application/json")


def obituary(child: Child) -> str:
    code = child.code or 0
    cause = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    last = [f"  {line}" for line in list(child.last_lines)[-SHOWN_LINES:]] or ["  (no output)"]
    return "\n".join([f"{child.name} {cause}. Its last lines:", *last, "Stopping the others."])


def open_browser(link: str) -> None:
    """Open a browser in a process without a terminal: lynx or w3m must not take ours."""
    command, quiet = [sys.executable, "-m", "webbrowser", link], subprocess.DEVNULL
    subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)  # noqa: S603  ours
