"""Files and folders that only the site's own user can read."""

import contextlib
import os
import stat
from pathlib import Path

GROUP_AND_OTHERS = 0o077


def make_private_folder(path: Path) -> None:
    """Make a folder with mode 0700, or remove other users' permissions from our own. Leaves a shared /tmp alone."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.stat().st_mode & stat.S_ISVTX:
        close_to_others(path)


def make_private_database(path: Path) -> None:
    """Make the database file with mode 0600 before SQLite does. -wal and -shm files take its mode."""
    if not path.parent.is_dir():
        return
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    for end in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            close_to_others(path.with_name(path.name + end))


def close_to_others(path: Path) -> None:
    """Remove other users' permissions. Leaves files of another owner alone."""
    status = path.stat()
    if status.st_uid == os.geteuid() and status.st_mode & GROUP_AND_OTHERS:
        path.chmod(stat.S_IMODE(status.st_mode) & ~GROUP_AND_OTHERS)
