"""Environment variables for settings, and the site's own files, which only its own user can read."""

import contextlib
import os
import stat
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path

from config.variables import Variables, refuse_variable

# Private files --------------------------------------------------------------------------------------------------------


GROUP_AND_OTHERS = 0o077


def make_private_folder(path: Path) -> None:
    """Make a folder with mode 0700, or remove other users' permissions from our own. Leaves a shared /tmp alone."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.stat().st_mode & stat.S_ISVTX:
        close_to_others(path)


def make_private_database(path: Path) -> None:
    """Make the database file with mode 0600 before SQLite does. -wal and -shm files take its mode."""
    try:
        if not path.parent.is_dir():
            return
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        refuse_variable("DATABASE_URL", f"names a file that this user cannot make: {path}: {error.strerror}.")
    for end in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            close_to_others(path.with_name(path.name + end))


def close_to_others(path: Path) -> None:
    """Remove other users' permissions. Leaves files of another owner alone."""
    status = path.stat()
    if status.st_uid == os.geteuid() and status.st_mode & GROUP_AND_OTHERS:
        path.chmod(stat.S_IMODE(status.st_mode) & ~GROUP_AND_OTHERS)


# Variables ------------------------------------------------------------------------------------------------------------


RENAMED: dict[str, str] = {}  # old name → name today; an old one works until the next major version


def use_new_names(variables: MutableMapping[str, str], renamed: Mapping[str, str]) -> dict[str, str]:
    """Give variables that are set by an old name their new one, also as NAME_FILE. A new name that is set wins.

    Returns the old names that are still set, with the new ones.
    """
    outdated = {}
    for old, new in renamed.items():
        names = {old: new, f"{old}_FILE": f"{new}_FILE"}
        has_new_name = any(variables.get(name) for name in names.values())
        for old_name, new_name in names.items():
            if value := variables.get(old_name):
                outdated[old_name] = new_name
                if not has_new_name:
                    variables[new_name] = value
    return outdated


OUTDATED_VARIABLES = use_new_names(os.environ, RENAMED)
BASE_DIR = Path(__file__).resolve().parent.parent
env = Variables(os.environ)


def required_text(name: str, purpose: str) -> str:
    """Return a variable. Ends the process if it is missing: there is no default secret."""
    value = env.text(name, strip=False)  # a site's SECRET_KEY may end with a newline: without it, sessions would end
    return value or refuse_variable(name, f"is not set: {purpose}. `python3 manage.py demo` makes one for you.")


def path_from_checkout(name: str, default: str) -> Path:
    return (BASE_DIR / env.text(name, default=default)).resolve()


def made_folder(name: str, default: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that exists, or is made now."""
    path = path_from_checkout(name, default)
    try:
        make(path)
    except OSError as error:
        refuse_variable(name, f"must be a folder, or one that this user can make: {path}: {error.strerror}.")
    return path


def private_folder(name: str, default: str) -> Path:
    """Return a folder with mode 0700."""
    return made_folder(name, default, make_private_folder)


def public_folder(name: str, default: str) -> Path:
    return made_folder(name, default, lambda path: path.mkdir(parents=True, exist_ok=True))


DATA_DIR = private_folder("DATA_DIR", "var")
