"""The prelude behind manage.py: a Python that has exactly the locked packages, made in .venv on first use.

It knows the locks and nothing of Django. The running Python is taken as it is if every version in it is the locked one:
true where somebody filled a container or a virtual environment from the lock, never of a system Python that happens to
have another Django. Otherwise it is .venv beside manage.py. `python3 config/bootstrap.py dev` prints which.

.venv is a link to an environment that is complete. Another lock gets an environment of its own beside it, and the link
moves when that one is complete too: a failed installation changes nothing, and a running process keeps its packages.
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
KEPT_DAYS = 7  # how long a replaced environment stays for the processes that run in it
LOCKS = {name: ROOT / f"requirements/{name}.txt" for name in ("base", "test", "dev")}  # each holds the one before
PIN = r"^([\w.-]+)(?:\[.*\])?==(\S+) \\$"  # name[extra, extra]==version, without a condition
CAUSES = {
    "No space left": "the disk is full; about 500 MB are needed.",
    "No module named pip": "neither pip nor uv is here. On Debian and Ubuntu: apt-get install python3-pip",
    "resolution|resolve|[Cc]onnect|unreachable|timed out": "no package index answers; the first use needs a network.",
}


def enter(lock: str) -> None:
    """Go on in a Python that has the packages of `lock`: return in this one, or start over in the other."""
    if not has(lock) and (python := interpreter(lock)) != sys.executable:
        os.execv(python, [python, *sys.orig_argv[1:]])  # noqa: S606  our own command line


def interpreter(lock: str) -> str:
    """Its path. Installs where none is ready, one process at a time: manage.py is what they lock."""
    if has(lock):
        return sys.executable
    try:
        with (ROOT / "manage.py").open("rb") as gate:
            os.set_inheritable(gate.fileno(), True)  # an installer that outlives us keeps others waiting
            fcntl.flock(gate, fcntl.LOCK_EX)
            home = VENV.resolve()
            if not ready(home, lock):
                home = ROOT / f".venv-{sha256(mark(lock).encode()).hexdigest()[:12]}"
                if not ready(home, lock):
                    install(home, lock)
                replace(home)
    except (OSError, KeyboardInterrupt) as exc:
        sys.exit(f"Keyrack: not installed: {str(exc) or 'interrupted'}")
    return str(home / "bin/python")


def has(lock: str) -> bool:
    home = Path(sys.prefix)
    if (home / STAMP).exists():  # versions alone would not tell that an installation broke off
        return ready(home, lock) and home == home.resolve()  # the link may move while we run
    try:
        pins = re.findall(PIN, LOCKS[lock].read_text(), re.MULTILINE)
        return all(metadata.version(name) == pin for name, pin in pins)
    except metadata.PackageNotFoundError:
        return False


def ready(home: Path, lock: str) -> bool:
    stamp = home / STAMP
    return (home / "bin/python").exists() and stamp.exists() and stamp.read_text().startswith(mark(lock))


def mark(lock: str) -> str:
    """What is stamped into an environment. The stamp of a larger lock begins with that of a smaller one."""
    held = list(LOCKS.values())[: list(LOCKS).index(lock) + 1]
    return "\n".join(["{}.{}".format(*sys.version_info), *(sha256(path.read_bytes()).hexdigest() for path in held)])


def install(home: Path, lock: str) -> None:
    """Make the environment, or nothing."""
    print(f"Keyrack: installing its packages into {VENV}, about a minute …", file=sys.stderr, flush=True)
    outer, python = str(vars(sys)["_base_executable"]), str(home / "bin/python")  # the Python around ours, if any
    shutil.rmtree(home, ignore_errors=True)  # what a killed installer left
    try:
        run(outer, "-m", "venv", "--without-pip", str(home))
        pip = [python, "-m", "pip", "install"]
        if uv := shutil.which("uv"):
            pip = [uv, "pip", "install", "--python", python]
        elif subprocess.call([python, "-m", "ensurepip"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):  # noqa: S603
            pip = [outer, "-m", "pip", "--python", python, "install"]  # Debian's Python may lack ensurepip
        run(*pip, "--quiet", "--require-hashes", "-r", str(LOCKS[lock]))
        (home / STAMP).write_text(mark(lock))
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def replace(home: Path) -> None:
    """Point .venv at this environment, and delete those that were replaced long ago or never completed."""
    now, before = time.time(), VENV.resolve()
    if VENV.exists() and not VENV.is_symlink():  # of an older Keyrack, or somebody's own: never deleted
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


def run(*command: str) -> None:
    environment = {**os.environ, "PIP_USER": "0", "PIP_NO_INPUT": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, close_fds=False)  # noqa: S603
    if done.returncode:
        causes = [sentence for words, sentence in CAUSES.items() if re.search(words, done.stderr)]
        sys.exit(f"{done.stderr}\nKeyrack: not installed: {causes[0] if causes else 'see above.'}")


if __name__ == "__main__":
    print(interpreter(sys.argv[1]))
