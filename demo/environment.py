"""The environment of the demo's processes, and demo.env, which stores it from one start to the next.

All its keys and passwords are random and made here; there are no defaults. Runs before settings, so it knows nothing of
Django.
"""

import base64
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = "demo.env"
DATABASE = "keyrack.sqlite3"
MADE_HERE = (
    *(name + end for name in (DATABASE, "provider.sqlite3") for end in ("", "-wal", "-shm")),
    *("celerybeat-schedule" + end for end in ("", ".db", ".dat", ".dir", ".bak", "-wal", "-shm", "-journal")),
    "provider-key.pem",
    "queue",
    "mail",
    "static",
    "demo.seeded",
    "demo.answer",
    "demo.agent",
    FILE,  # last: its presence shows that the rest is the demo's
)
# The shell may have set these for another Keyrack, whose database and keys the demo must not touch.
OF_THE_SHELL = """
    ADMIN_EMAILS ALLOWED_HOSTS BEHIND_TLS_PROXY CACHE_URL CELERY_BROKER_URL DATABASE_URL DEBUG DEFAULT_FROM_EMAIL
    DJANGO_SETTINGS_MODULE EMAIL_URL SECURE_SSL_REDIRECT SITE_URL
"""
# In a container the demo runs as root; no need to warn about it at each start.
QUIET = "ignore:You're running the worker with superuser privileges"


class NotOurs(Exception):
    """The folder holds a database that the demo did not make."""


def folder() -> Path:
    """Return DATA_DIR, as settings do."""
    return (ROOT / os.environ.get("DATA_DIR", "var")).resolve()


def load(data_dir: Path) -> dict[str, str]:
    """Return the variables of demo.env, with fresh secrets for missing ones."""
    file = data_dir / FILE
    if not file.exists() and (data_dir / DATABASE).exists():
        raise NotOurs(
            f"{data_dir / DATABASE} was not made by the demo: there is no {FILE} beside it. "
            "Move it away, or set DATA_DIR to another folder."
        )
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return new_secrets() | dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def new_secrets() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "TOKEN_ENCRYPTION_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "PROVIDER_SECRET_KEY": secrets.token_urlsafe(50),
        "ADMIN_PASSWORD": secrets.token_urlsafe(9),
        "PEOPLE_PASSWORD": secrets.token_urlsafe(9),
        "DEMO_PASSWORD": secrets.token_urlsafe(9),
    }


def save(data_dir: Path, variables: Mapping[str, str]) -> None:
    """Write demo.env atomically, for its owner only. `set -a; . var/demo.env` loads it into a shell."""
    draft = data_dir / f"{FILE}.{secrets.token_hex(4)}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("# Written by `manage.py demo` at each start. `manage.py demo --fresh` makes new ones.\n")
        file.writelines(f"{name}={value}\n" for name, value in variables.items())
    draft.replace(data_dir / FILE)


def empty(data_dir: Path) -> None:
    """Delete only what the demo made; nothing if there is no demo.env."""
    if not (data_dir / FILE).exists():
        return
    for name in MADE_HERE:
        path = data_dir / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def addresses(hub_port: int, provider_port: int) -> dict[str, str]:
    """Return the variables that depend on the ports. Uses two host names, because cookies ignore ports."""
    return {
        "KEYRACK_DEMO": "1",
        "SITE_URL": f"http://127.0.0.1:{hub_port}",
        "PROVIDER_URL": f"http://localhost:{provider_port}",
        "OUTBOUND_ALLOW": "127.0.0.0/8,::1/128",
        "REVOCATION_SWEEP_SECONDS": "3",
    }


def for_children(data_dir: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return a child's environment: the shell's, without variables for another Keyrack."""
    ours = {"LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"), "DATA_DIR": str(data_dir), **variables}
    dropped = {*OF_THE_SHELL.split(), *(f"{name}_FILE" for name in (*OF_THE_SHELL.split(), *ours))}
    inherited = {name: value for name, value in os.environ.items() if name not in dropped}
    python = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONWARNINGS": QUIET}
    return {**inherited, **ours, **python}
