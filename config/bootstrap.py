"""The prelude behind manage.py: a Python that has exactly the locked packages, made in .venv on first use.

It knows the locks and nothing of Django. The running Python is taken as it is if every version in it is the locked one:
true where somebody filled a container or a virtual environment from the lock, never of a system Python that happens to
have another Django. Otherwise it is .venv beside manage.py. `python3 config/bootstrap.py dev` prints which.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON, STAMP = VENV / "bin/python", VENV / "installed.txt"
LOCKS = {name: ROOT / f"requirements/{name}.txt" for name in ("base", "test", "dev")}  # each holds the one before
PIN = r"^([\w.-]+)(?:\[.*\])?==(\S+) \\$"  # name[extra, extra]==version, without a condition
CAUSES = {
    "No space left": "the disk is full; about 500 MB are needed.",
    "No module named pip": "neither pip nor uv is here. On Debian and Ubuntu: apt-get install python3-pip",
    "resolution|resolve|[Cc]onnect|unreachable|timed out": "no package index answers; the first use needs a network.",
}


def enter(lock: str) -> None:
    """Go on in a Python that has the packages of `lock`: return in this one, or start over in the other."""
    if not has(lock):
        python = interpreter(lock)
        os.execv(python, [python, *sys.orig_argv[1:]])  # noqa: S606  our own command line


def interpreter(lock: str) -> str:
    """Its path. Installs where none is ready, one process at a time: manage.py is what they lock."""
    if has(lock):
        return sys.executable
    try:
        with (ROOT / "manage.py").open("rb") as gate:
            os.set_inheritable(gate.fileno(), True)  # an installer that outlives us keeps others waiting
            fcntl.flock(gate, fcntl.LOCK_EX)
            if not ready(lock):
                install(lock)
    except (OSError, KeyboardInterrupt) as exc:
        sys.exit(f"Keyrack: not installed: {str(exc) or 'interrupted'}")
    return str(PYTHON)


def has(lock: str) -> bool:
    if os.path.realpath(sys.prefix) == os.path.realpath(VENV) and STAMP.exists():
        return ready(lock)  # versions alone would not tell that an installation broke off
    try:
        pins = re.findall(PIN, LOCKS[lock].read_text(), re.MULTILINE)
        return all(metadata.version(name) == pin for name, pin in pins)
    except metadata.PackageNotFoundError:
        return False


def ready(lock: str) -> bool:
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text().startswith(mark(lock))


def mark(lock: str) -> str:
    """What is stamped into .venv in the end. The stamp of a larger lock begins with that of a smaller one."""
    held = list(LOCKS.values())[: list(LOCKS).index(lock) + 1]
    return "\n".join(["{}.{}".format(*sys.version_info), *(sha256(path.read_bytes()).hexdigest() for path in held)])


def install(lock: str) -> None:
    """Add what .venv lacks; begin anew if it broke off or was filled from other locks. No stamp: somebody else's."""
    print(f"Keyrack: installing its packages into {VENV}, about a minute …", file=sys.stderr, flush=True)
    outer = str(vars(sys)["_base_executable"])  # the Python around the virtual environment, if we are in one
    if not PYTHON.exists() or (STAMP.exists() and not mark(lock).startswith(STAMP.read_text())):
        shutil.rmtree(VENV, ignore_errors=True)
        run(outer, "-m", "venv", "--without-pip", str(VENV))
    STAMP.write_text("unfinished")
    pip = [str(PYTHON), "-m", "pip", "install"]
    if uv := shutil.which("uv"):
        pip = [uv, "pip", "install", "--python", str(PYTHON)]
    elif subprocess.call([PYTHON, "-m", "ensurepip"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):  # noqa: S603
        pip = [outer, "-m", "pip", "--python", str(PYTHON), "install"]  # Debian's Python may lack ensurepip
    run(*pip, "--quiet", "--require-hashes", "-r", str(LOCKS[lock]))
    STAMP.write_text(mark(lock))


def run(*command: str) -> None:
    environment = {**os.environ, "PIP_USER": "0", "PIP_NO_INPUT": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, close_fds=False)  # noqa: S603
    if done.returncode:
        causes = [sentence for words, sentence in CAUSES.items() if re.search(words, done.stderr)]
        sys.exit(f"{done.stderr}\nKeyrack: not installed: {causes[0] if causes else 'see above.'}")


if __name__ == "__main__":
    print(interpreter(sys.argv[1]))
