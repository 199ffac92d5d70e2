"""A fresh machine gets exactly the locked packages, once, and a machine that has them gets nothing."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import pytest

from config import bootstrap

pytestmark = pytest.mark.slow

LOCK = "\n".join(
    [f"pytest=={metadata.version('pytest')} \\", "    --hash=sha256:00", "colorama==0.1 ; os_name == 'nt' \\"]
)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with locks, seen from a Python that bootstrap did not install."""
    root = tmp_path / "a päth with spaces"
    (root / "requirements").mkdir(parents=True)
    (root / "manage.py").touch()
    locks = {name: root / f"requirements/{name}.txt" for name in bootstrap.LOCKS}
    for name, path in locks.items():
        path.write_text(f"# {name}\n{LOCK}")
    for name, value in {"ROOT": root, "VENV": root / ".venv", "LOCKS": locks}.items():
        monkeypatch.setattr(bootstrap, name, value)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "elsewhere"))
    return root


@pytest.fixture
def without_ensurepip(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with Debian's Python: its own pip installs, in a fifth of the time that a pip of the environment's takes."""
    command = [vars(sys)["_base_executable"], "-m", "pip", "--version"]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        monkeypatch.setattr(subprocess, "call", lambda *_command, **_options: 1)


@pytest.fixture
def index(checkout: Path, without_ensurepip: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Lines of a lock, by package, for two packages that pip and uv find without a network."""
    folder = checkout / "wheels"
    folder.mkdir()
    for name in ("UV_OFFLINE", "PIP_NO_INDEX", "UV_NO_INDEX"):
        monkeypatch.setenv(name, "1")
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.setenv(name, folder.as_uri())
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return {name: make_wheel(folder, name) for name in ("smaller", "larger", "newer")}


def make_wheel(folder: Path, name: str) -> str:
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.writestr(f"{name}/late.py", "WORD = 'imported late'")
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", f"{name}/__init__.py,,\n{name}/late.py,,\n")
    return f"{name}==1.0 \\\n    --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}\n"


def lock(*lines: str, name: str = "base") -> None:
    bootstrap.LOCKS[name].write_text("".join(lines))


@contextlib.contextmanager
def imports_late(python: str) -> Iterator[Callable[[], str]]:
    """A running process that imports a module of an installed package only when the result is called; its words."""
    script = "import smaller; print(end='', flush=True); input(); import smaller.late; print(smaller.late.WORD)"
    with subprocess.Popen([python, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield lambda: process.communicate("\n", timeout=30)[0].strip()


def test_a_python_with_the_locked_versions_is_taken_as_it_is(checkout: Path) -> None:
    assert bootstrap.find_interpreter("base") == sys.executable


def test_a_python_with_another_version_is_not_taken(checkout: Path) -> None:
    bootstrap.LOCKS["base"].write_text("pytest==0.1 \\\n")
    assert not bootstrap.has_packages("base")


@pytest.mark.parametrize("extras", ["[toml]", "[binary, pool]", "[binary,pool]"])
def test_a_locked_version_is_compared_whatever_extras_are_pinned_with_it(checkout: Path, extras: str) -> None:
    bootstrap.LOCKS["base"].write_text(f"pytest{extras}=={metadata.version('pytest')} \\\n")
    assert bootstrap.has_packages("base")
    bootstrap.LOCKS["base"].write_text(f"pytest{extras}==0.1 \\\n")
    assert not bootstrap.has_packages("base")
    bootstrap.LOCKS["base"].write_text(f"no-such-package{extras}==1.0 \\\n")
    assert not bootstrap.has_packages("base")


def test_a_python_without_a_locked_package_is_not_taken(checkout: Path) -> None:
    bootstrap.LOCKS["base"].write_text("no-such-package==1.0 \\\n")
    assert not bootstrap.has_packages("base")


def test_what_is_installed_serves_smaller_locks_too_and_stays_until_its_lock_changes(index: dict[str, str]) -> None:
    lock(index["smaller"])
    lock(index["smaller"], index["larger"], name="test")
    python = bootstrap.find_interpreter("test")
    bootstrap.LOCKS["dev"].write_text("changed")
    assert bootstrap.find_interpreter("test") == bootstrap.find_interpreter("base") == python
    assert not bootstrap.is_complete(bootstrap.VENV, "dev")
    lock(index["newer"])
    assert not bootstrap.is_complete(bootstrap.VENV, "base")


FAILURES = {
    "another hash": lambda index: index["larger"].replace("sha256:", "sha256:00")[:-3] + "\n",
    "not in the index": lambda index: index["larger"].replace("==1.0", "==2.0"),
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("installer", "failure"), [("uv", "another hash"), ("pip", "another hash"), ("uv", "not in the index")]
)
def test_a_failed_installation_of_a_larger_lock_leaves_the_smaller_one_working(
    index: dict[str, str], monkeypatch: pytest.MonkeyPatch, installer: str, failure: str
) -> None:
    use(installer, monkeypatch)
    lock(index["smaller"])
    python = bootstrap.find_interpreter("base")
    with imports_late(python) as finish:
        lock(index["smaller"], FAILURES[failure](index), name="test")
        with pytest.raises(SystemExit):
            bootstrap.find_interpreter("test")
        assert bootstrap.find_interpreter("base") == python, "and nothing is installed again"
        assert finish() == "imported late"
    lock(index["smaller"], index["larger"], name="test")
    larger = bootstrap.find_interpreter("test")
    subprocess.run([larger, "-c", "import smaller.late, larger.late"], check=True)
    subprocess.run([bootstrap.VENV / "bin/python", "-c", "import smaller.late, larger.late"], check=True)


def test_a_lock_that_changes_under_a_running_process_leaves_its_packages(index: dict[str, str]) -> None:
    lock(index["smaller"])
    with imports_late(bootstrap.find_interpreter("base")) as finish:
        lock(index["newer"])
        newer = bootstrap.find_interpreter("base")
        lock(index["larger"])
        bootstrap.find_interpreter("base")
        assert finish() == "imported late"
    assert subprocess.run([newer, "-c", "import smaller"], capture_output=True, check=False).returncode == 1


def test_a_killed_installation_changes_nothing_and_is_begun_anew(
    index: dict[str, str], checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(index["smaller"])
    python = bootstrap.find_interpreter("base")
    lock(index["smaller"], index["larger"], name="test")
    fake = checkout / "fake/uv"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\ntouch started; exec sleep 60\n")
    fake.chmod(0o755)
    script = f"""
import pathlib, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from config import bootstrap
bootstrap.ROOT = pathlib.Path({str(checkout)!r})
bootstrap.VENV = bootstrap.ROOT / ".venv"
bootstrap.LOCKS = {{name: bootstrap.ROOT / f"requirements/{{name}}.txt" for name in bootstrap.LOCKS}}
bootstrap.has_packages = lambda lock: False
bootstrap.find_interpreter("test")
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=checkout,
        env={**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}"},
        start_new_session=True,
    ) as process:
        while not (checkout / "started").exists():
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    assert bootstrap.find_interpreter("base") == python
    larger = bootstrap.find_interpreter("test")
    subprocess.run([larger, "-c", "import smaller.late, larger.late"], check=True)


def test_a_failed_installation_gives_its_space_back(index: dict[str, str], checkout: Path) -> None:
    lock(FAILURES["not in the index"](index))
    with pytest.raises(SystemExit):
        bootstrap.find_interpreter("base")
    assert list(checkout.glob(".venv*")) == []


def test_an_environment_of_an_older_keyrack_stays_for_what_runs_in_it(index: dict[str, str], checkout: Path) -> None:
    lock(index["smaller"])
    home = Path(bootstrap.find_interpreter("base")).parents[1]
    bootstrap.VENV.unlink()
    home.rename(bootstrap.VENV)  # as it was: a folder, not a link
    lock(index["newer"])
    bootstrap.find_interpreter("base")
    assert bootstrap.VENV.is_symlink()
    assert len(list(checkout.glob(".venv-*"))) == 2


def test_an_environment_that_somebody_else_made_is_moved_and_never_deleted(
    index: dict[str, str], checkout: Path
) -> None:
    bootstrap.VENV.mkdir()
    (bootstrap.VENV / "precious").touch()
    for name in ("smaller", "newer", "larger"):
        lock(index[name])
        bootstrap.find_interpreter("base")
    assert len(list(checkout.glob(".venv.own-*/precious"))) == 1


def test_environments_that_were_replaced_long_ago_are_deleted(index: dict[str, str], checkout: Path) -> None:
    for name in ("smaller", "newer"):
        lock(index[name])
        bootstrap.find_interpreter("base")
    (unfinished := checkout / ".venv-unfinished").mkdir()
    for stamp in checkout.glob(".venv-*/installed.txt"):
        os.utime(stamp, (0, 0))
    lock(index["larger"])
    bootstrap.find_interpreter("base")
    assert not unfinished.exists()
    assert len(list(checkout.glob(".venv-*"))) == 2, "the one that was just replaced and the new one"


def test_a_python_that_was_started_through_the_link_starts_over_behind_it(
    index: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(index["smaller"])
    python = Path(bootstrap.find_interpreter("base"))
    monkeypatch.setattr(sys, "prefix", str(bootstrap.VENV))
    assert bootstrap.find_interpreter("base") == str(python)
    monkeypatch.setattr(sys, "prefix", str(python.parents[1]))
    assert bootstrap.has_packages("base")


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
        bootstrap.run_installer(sys.executable, "-c", f"import sys; sys.exit({words!r})")


def test_an_installer_that_outlives_its_starter_keeps_the_next_one_waiting(checkout: Path) -> None:
    """The starter is killed while its installer sleeps; the lock must be the installer's as well."""
    pid = checkout / "pid"
    orphan = f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(60)"
    script = f"""
import pathlib, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from config import bootstrap
bootstrap.ROOT = pathlib.Path({str(checkout)!r})
bootstrap.has_packages = bootstrap.is_complete = lambda *arguments: False
bootstrap.install_packages = lambda home, lock: bootstrap.run_installer(sys.executable, "-c", {orphan!r})
bootstrap.find_interpreter("base")
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
    environment = {**os.environ, "PIP_NO_COMPILE": "0"}  # which is how pip spells that it shall not: most is never run
    done = subprocess.run(
        [outer, root / "manage.py", "--version"], capture_output=True, text=True, cwd="/", env=environment, check=False
    )
    if "no package index answers" in done.stderr:
        pytest.skip("needs network: the package index does not answer")
    assert (done.returncode, done.stdout.strip()) == (0, metadata.version("django"))
    assert bootstrap.is_complete(root / ".venv", "base")
    again = subprocess.run([outer, root / "manage.py", "--version"], capture_output=True, text=True, check=False)
    assert "installing" not in again.stderr


def use(installer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if installer == "uv" and not shutil.which("uv"):
        pytest.skip("needs uv")
    if installer == "pip":
        monkeypatch.setattr(shutil, "which", lambda name: None)
