"""Servers from npm and PyPI, installed on first use into var/servers/ of this checkout.

One folder per lock file, so that a changed lock never meets an old installation; one file lock per folder, so that
parallel test processes install once. What the machine lacks is `Missing`, and its text says what to install.
"""

import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

SERVERS = Path(__file__).resolve().parents[2] / "var" / "servers"
OLDEST_NODE = 20
NO_NETWORK = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT"
    r"|NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|dns error|error sending request|timed out"
)


class Missing(Exception):
    """Something that this machine lacks; the text begins with `needs <what>:`."""


def node() -> str:
    """The path of a Node.js that is new enough and has npm beside it."""
    program = shutil.which("node")
    if program is None or shutil.which("npm") is None:
        raise Missing(f"needs node: Node.js {OLDEST_NODE} or newer with npm is not on PATH")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        raise Missing(f"needs node: Node.js {OLDEST_NODE} or newer; {version} is too old")
    return program


def node_modules(source: Path) -> Path:
    """The folder whose node_modules/ holds exactly what `source`/package-lock.json says."""
    node()
    lock = source / "package-lock.json"
    with made_once(source.name.replace("_", "-"), lock.read_bytes()) as (folder, to_do):
        if to_do:
            shutil.copy(source / "package.json", folder)
            shutil.copy(lock, folder)
            npm = shutil.which("npm") or "npm"
            _install([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
    return folder


def environment(source: Path) -> Path:
    """The Python of a virtual environment that holds exactly what `source`/requirements.txt says."""
    requirements = source / "requirements.txt"
    with made_once(source.name, requirements.read_bytes() + sys.version.encode()) as (folder, to_do):
        python = folder / "venv" / "bin" / "python"
        if to_do:
            for command in _environment_commands(folder / "venv", python):
                _install([*command, "-r", str(requirements)] if "install" in command else command, folder)
    return python


def _environment_commands(target: Path, python: Path) -> list[list[str]]:
    if uv := shutil.which("uv"):
        return [
            [uv, "venv", "--python", sys.executable, str(target)],
            [uv, "pip", "install", "--python", str(python)],
        ]
    make = [sys.executable, "-m", "venv", str(target)]
    if importlib.util.find_spec("ensurepip"):
        return [make, [str(python), "-m", "pip", "install"]]
    # Debian keeps ensurepip in a package of its own: fill the environment from outside, with the pip that there is.
    return [[*make, "--without-pip"], [_python_with_pip(), "-m", "pip", "--python", str(python), "install"]]


def _python_with_pip() -> str:
    base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    for python in (sys.executable, str(base)):
        found = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False)
        if found.returncode == 0:
            return python
    raise Missing("needs pip: neither uv nor pip is there to install the server with")


@contextmanager
def made_once(name: str, content: bytes) -> Iterator[tuple[Path, bool]]:
    """Yield the folder and whether it is still to be filled; a half-filled one is emptied first."""
    SERVERS.mkdir(parents=True, exist_ok=True)
    folder = SERVERS / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    complete = folder / ".complete"
    with FileLock(folder.with_suffix(".lock")):
        to_do = not complete.exists()
        if to_do:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        yield folder, to_do
        complete.touch()


def _install(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    said = done.stdout + done.stderr
    if NO_NETWORK.search(said):
        raise Missing(f"needs network: {command[0]} could not download what {folder.name} is made of")
    raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{said[-4000:]}")
