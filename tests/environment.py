"""The environment that settings find in tests: random keys, a folder of its own, nothing of the shell's.

A pytest plugin, because settings are read before any conftest. A DATABASE_URL stays: it says which database to test on.
Parallel processes share the keys and not the folder: the queue in it is for one site. All processes write bytecode,
also where the shell says that they shall not: a run starts hundreds of them, and each would compile Keyrack anew.

What is there once all tests are collected stays to the end: the garbage collector no longer walks it.
"""

import atexit
import base64
import gc
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

OF_THE_SHELL = """
    ADMIN_EMAILS ALLOWED_HOSTS BEHIND_TLS_PROXY CACHE_URL CELERY_BROKER_URL DEBUG DJANGO_ALLOW_ASYNC_UNSAFE EMAIL_URL
    LOG_LEVEL OUTBOUND_ALLOW SECRET_KEY_FILE SECURE_SSL_REDIRECT SITE_URL TIME_ZONE TOKEN_ENCRYPTION_KEYS_FILE
    TRACES_ENDPOINT TRACES_ENDPOINT_FILE
    PYTHONDONTWRITEBYTECODE
"""


def throw_away(environment: MutableMapping[str, str], folder: str) -> None:
    """Make it one that Keyrack starts with, and that no other Keyrack shares a key or a file with."""
    for name in OF_THE_SHELL.split():
        environment.pop(name, None)
    environment["SECRET_KEY"] = secrets.token_urlsafe(50)
    environment["TOKEN_ENCRYPTION_KEYS"] = "test:" + base64.b64encode(secrets.token_bytes(32)).decode()
    environment["DATA_DIR"] = folder


if name := os.environ.get("PYTEST_XDIST_WORKER"):  # which has inherited the rest
    os.environ["DATA_DIR"] = str(Path(os.environ["DATA_DIR"], name))
else:
    folder = tempfile.mkdtemp(prefix="keyrack-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    throw_away(os.environ, folder)
    sys.dont_write_bytecode = False


def pytest_collection_finish() -> None:
    gc.freeze()
