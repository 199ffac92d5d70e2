"""Finds or makes a Python with exactly the locked packages, before manage.py imports Django.

The running Python is used if all its versions match the lock, as in a container or virtual environment that was
installed from it; a system Python with another Django does not. Otherwise .venv beside manage.py is used, and made on
first use. `python3 config/bootstrap.py dev` prints the path of the Python.

.venv is a link to a complete environment. A changed lock gets a new environment beside it, and the link moves when that
one is complete: a failed installation changes nothing, and a running process keeps its packages.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = "installed.txt"  # written last into an environment
KEPT_DAYS = 7  # a replaced environment stays for the processes that still run in it
LOCKS = {
    name: ROOT / f"requirements/{name}.txt" for name in ("base", "traces", "test", "dev")
}  # each includes the one before
PIN = r"^([\w.-]+)(?:\[.*\])?==(\S+) \\$"  # name[extra, extra]==version, without a condition
CAUSES = {
    "No space left": "the disk is full; about 500 MB are needed.",
    "No module named pip": "there is neither pip nor uv. On Debian and Ubuntu: apt-get install python3-pip",
    "resolution|resolve|[Cc]onnect|unreachable|timed out": "no package index answers; the first use needs a network.",
}


def lock_of_site() -> str:
    """The lock of what a site runs: with OpenTelemetry if it exports traces."""
    has_traces = os.environ.get("TRACES_ENDPOINT") or os.environ.get("TRACES_ENDPOINT_FILE")
    return "traces" if has_traces else "base"


def enter(lock: str) -> None:
    """Continue in a Python with the packages of `lock`: return if this is one, else execute the command in it."""
    if not has_packages(lock) and (python := find_interpreter(lock)) != sys.executable:
        os.execv(python, [python, *sys.orig_argv[1:]])  # noqa: S606  our own command line


def find_interpreter(lock: str) -> str:
    """Return the path of a Python with the packages of `lock`.

    Installs them if needed, one process at a time; manage.py is the lock file.
    """
    if has_packages(lock):
        return sys.executable
    try:
        with (ROOT / "manage.py").open("rb") as gate:
            os.set_inheritable(gate.fileno(), True)  # an installer that outlives us keeps the lock
            fcntl.flock(gate, fcntl.LOCK_EX)
            home = VENV.resolve()
            if not is_complete(home, lock):
                home = ROOT / f".venv-{sha256(stamp_of(lock).encode()).hexdigest()[:12]}"
                if not is_complete(home, lock):
                    install_packages(home, lock)
                point_link_to(home)
    except (OSError, KeyboardInterrupt) as exc:
        sys.exit(f"Keyrack: not installed: {str(exc) or 'interrupted'}")
    return str(home / "bin/python")


def has_packages(lock: str) -> bool:
    home = Path(sys.prefix)
    if (home / STAMP).exists():  # versions alone don't show an interrupted installation
        return is_complete(home, lock) and home == home.resolve()  # the link may move while we run
    try:
        pins = re.findall(PIN, LOCKS[lock].read_text(), re.MULTILINE)
        return all(metadata.version(name) == pin for name, pin in pins)
    except metadata.PackageNotFoundError:
        return False


def is_complete(home: Path, lock: str) -> bool:
    stamp = home / STAMP
    return (home / "bin/python").exists() and stamp.exists() and stamp.read_text().startswith(stamp_of(lock))


def stamp_of(lock: str) -> str:
    """Return the stamp of an environment. A larger lock's stamp begins with the smaller one's."""
    paths = list(LOCKS.values())[: list(LOCKS).index(lock) + 1]
    return "\n".join(["{}.{}".format(*sys.version_info), *(sha256(path.read_bytes()).hexdigest() for path in paths)])


def install_packages(home: Path, lock: str) -> None:
    """Make the environment, or leave nothing behind."""
    print(f"Keyrack: installing its packages into {VENV}, about a minute …", file=sys.stderr, flush=True)
    outer, python = (
        str(vars(sys)["_base_executable"]),
        str(home / "bin/python"),
    )  # the base Python, if this is a virtual environment
    shutil.rmtree(home, ignore_errors=True)  # left by a killed installer
    try:
        run_installer(outer, "-m", "venv", "--without-pip", str(home))
        pip = [python, "-m", "pip", "install"]
        if uv := shutil.which("uv"):
            pip = [uv, "pip", "install", "--python", python]
        elif subprocess.call([python, "-m", "ensurepip"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):  # noqa: S603
            pip = [outer, "-m", "pip", "--python", python, "install"]  # Debian's Python may lack ensurepip
        run_installer(*pip, "--quiet", "--require-hashes", "-r", str(LOCKS[lock]))
        (home / STAMP).write_text(stamp_of(lock))
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def point_link_to(home: Path) -> None:
    """Point .venv at this environment. Delete those that were replaced long ago or never completed."""
    now, before = time.time(), VENV.resolve()
    if VENV.exists() and not VENV.is_symlink():  # made by an older Keyrack, or by hand: never deleted
        before = Path(tempfile.mkdtemp(prefix=".venv-" if (VENV / STAMP).exists() else ".venv.own-", dir=ROOT))
        VENV.rename(before)
    if (before / STAMP).exists():
        os.utime(before / STAMP)
    draft = ROOT / ".venv.link"
    draft.unlink(missing_ok=True)
    draft.symlink_to(home.name)
    draft.replace(VENV)
    for other in ROOT.glob(".venv-*"):
        stamp = other / STAMP
        if other not in (home, before) and not (stamp.exists() and now - stamp.stat().st_mtime < KEPT_DAYS * 86_400):
            shutil.rmtree(other, ignore_errors=True)


def run_installer(*command: str) -> None:
    environment = {**os.environ, "PIP_USER": "0", "PIP_NO_INPUT": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, close_fds=False)  # noqa: S603
    if done.returncode:
        causes = [sentence for words, sentence in CAUSES.items() if re.search(words, done.stderr)]
        sys.exit(f"{done.stderr}\nKeyrack: not installed: {causes[0] if causes else 'see above.'}")


if __name__ == "__main__":
    print(find_interpreter(sys.argv[1]))
