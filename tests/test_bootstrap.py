"""A fresh machine gets exactly the locked packages, once, and a machine that has them gets nothing."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from config import bootstrap

LOCK = "\n".join(
    [f"pytest=={metadata.version('pytest')} \\", "    --hash=sha256:00", "colorama==0.1 ; os_name == 'nt' \\"]
)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with locks and a .venv that somebody else made, whose Python can do nothing."""
    root = tmp_path / "a päth with spaces"
    (root / "requirements").mkdir(parents=True)
    (root / "manage.py").touch()
    locks = {name: root / f"requirements/{name}.txt" for name in bootstrap.LOCKS}
    for name, path in locks.items():
        path.write_text(f"# {name}\n{LOCK}")
    venv = root / ".venv"
    for name, value in {"ROOT": root, "VENV": venv, "LOCKS": locks, "STAMP": venv / "installed.txt"}.items():
        monkeypatch.setattr(bootstrap, name, value)
    monkeypatch.setattr(bootstrap, "PYTHON", venv / "bin/python")
    (venv / "bin").mkdir(parents=True)
    bootstrap.PYTHON.symlink_to(shutil.which("false") or "/bin/false")
    return root


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What would have been run. Installing for real is a test of its own, below."""
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(bootstrap, "run", lambda *command: ran.append(command))
    return ran


def test_a_python_with_the_locked_versions_is_taken_as_it_is(checkout: Path) -> None:
    assert bootstrap.interpreter("base") == sys.executable


def test_a_python_with_another_version_is_not_taken(checkout: Path, commands: list[tuple[str, ...]]) -> None:
    bootstrap.LOCKS["base"].write_text("pytest==0.1 \\\n")
    assert bootstrap.interpreter("base") == str(bootstrap.PYTHON)
    assert commands


@pytest.mark.parametrize("extras", ["[toml]", "[binary, pool]", "[binary,pool]"])
def test_a_locked_version_is_compared_whatever_extras_are_pinned_with_it(checkout: Path, extras: str) -> None:
    bootstrap.LOCKS["base"].write_text(f"pytest{extras}=={metadata.version('pytest')} \\\n")
    assert bootstrap.has("base")
    bootstrap.LOCKS["base"].write_text(f"pytest{extras}==0.1 \\\n")
    assert not bootstrap.has("base")
    bootstrap.LOCKS["base"].write_text(f"no-such-package{extras}==1.0 \\\n")
    assert not bootstrap.has("base")


def test_a_python_without_a_locked_package_is_not_taken(checkout: Path) -> None:
    bootstrap.LOCKS["base"].write_text("no-such-package==1.0 \\\n")
    assert not bootstrap.has("base")


def test_what_is_installed_stays_until_its_lock_changes(checkout: Path, commands: list[tuple[str, ...]]) -> None:
    bootstrap.install("test")
    assert bootstrap.ready("test")
    bootstrap.LOCKS["dev"].write_text("changed")
    assert bootstrap.ready("test")
    bootstrap.LOCKS["base"].write_text("changed")
    assert not bootstrap.ready("test")


def test_a_larger_lock_is_enough_for_a_smaller_one(checkout: Path, commands: list[tuple[str, ...]]) -> None:
    bootstrap.install("test")
    assert bootstrap.ready("base")
    assert not bootstrap.ready("dev")


def test_more_packages_are_added_to_those_that_are_there(checkout: Path, commands: list[tuple[str, ...]]) -> None:
    bootstrap.install("base")
    (bootstrap.VENV / "kept").touch()
    bootstrap.install("test")
    assert (bootstrap.VENV / "kept").exists()


def test_a_changed_lock_makes_the_environment_anew(checkout: Path, commands: list[tuple[str, ...]]) -> None:
    bootstrap.install("base")
    (bootstrap.VENV / "left over").touch()
    bootstrap.LOCKS["base"].write_text("changed")
    with pytest.raises(FileNotFoundError):  # the stamp's folder: nothing makes a real environment here
        bootstrap.install("base")
    assert commands[-1][1:3] == ("-m", "venv")
    assert not (bootstrap.VENV / "left over").exists()


def test_an_installation_that_broke_off_does_not_count(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "run", _fail)
    with pytest.raises(SystemExit):
        bootstrap.install("base")
    assert not bootstrap.ready("base")
    monkeypatch.setattr(sys, "prefix", str(bootstrap.VENV))
    assert not bootstrap.has("base"), "though every locked version is importable"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("Temporary failure in name resolution", "no package index answers"),
        ("/usr/bin/python3: No module named pip", "apt-get install python3-pip"),
        ("something else", "see above"),
    ],
)
def test_a_failure_is_explained_in_one_sentence(words: str, sentence: str) -> None:
    with pytest.raises(SystemExit, match=sentence):
        bootstrap.run(sys.executable, "-c", f"import sys; sys.exit({words!r})")


def test_an_installer_that_outlives_its_starter_keeps_the_next_one_waiting(checkout: Path) -> None:
    """The starter is killed while its installer sleeps; the lock must be the installer's as well."""
    pid = checkout / "pid"
    orphan = f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(60)"
    script = f"""
import pathlib, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from config import bootstrap
bootstrap.ROOT = pathlib.Path({str(checkout)!r})
bootstrap.has = bootstrap.ready = lambda lock: False
bootstrap.install = lambda lock: bootstrap.run(sys.executable, "-c", {orphan!r})
bootstrap.interpreter("base")
"""
    with subprocess.Popen([sys.executable, "-c", script]) as first:
        while not (pid.exists() and pid.read_text()):
            time.sleep(0.01)
        first.kill()
    with (checkout / "manage.py").open("rb") as gate:
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.kill(int(pid.read_text()), signal.SIGKILL)
        fcntl.flock(gate, fcntl.LOCK_EX)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_fresh_checkout_at_any_path_installs_itself_and_runs(tmp_path: Path) -> None:
    root = tmp_path / "a päth with spaces"
    for name in ("config", "requirements"):
        shutil.copytree(bootstrap.ROOT / name, root / name)
    shutil.copy(bootstrap.ROOT / "manage.py", root)
    outer = vars(sys)["_base_executable"]
    done = subprocess.run(
        [outer, root / "manage.py", "--version"], capture_output=True, text=True, cwd="/", check=False
    )
    if "no package index answers" in done.stderr:
        pytest.skip("needs network: the package index does not answer")
    assert (done.returncode, done.stdout.strip()) == (0, metadata.version("django"))
    assert (root / ".venv/installed.txt").read_text() == bootstrap.mark("base")
    again = subprocess.run([outer, root / "manage.py", "--version"], capture_output=True, text=True, check=False)
    assert "installing" not in again.stderr


def _fail(*command: str) -> None:
    sys.exit("no")
