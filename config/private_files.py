"""Files and folders that only the site's own user can read."""

import contextlib
import os
import stat
from pathlib import Path

EVERYBODY_ELSE = 0o077


def make_private_folder(path: Path) -> None:
    """Make it with mode 0700, or take the others' permissions from one that is ours. Leaves a shared /tmp alone."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.stat().st_mode & stat.S_ISVTX:
        close_to_others(path)


def make_private_database(path: Path) -> None:
    """Make the file with mode 0600 before SQLite would, which gives -wal and -shm the mode of their database."""
    if not path.parent.is_dir():
        return
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    for end in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            close_to_others(path.with_name(path.name + end))


def close_to_others(path: Path) -> None:
    """Nothing happens to what belongs to another user: its owner decides."""
    status = path.stat()
    if status.st_uid == os.geteuid() and status.st_mode & EVERYBODY_ELSE:
        path.chmod(stat.S_IMODE(status.st_mode) & ~EVERYBODY_ELSE)
