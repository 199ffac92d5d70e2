"""The environment that settings are read from, and the folder of the site's own files."""

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from config.private_files import make_private_folder

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()  # NAME_FILE works wherever NAME does


def required(name: str, purpose: str) -> str:
    """The variable's value; a clear sentence instead of a site that runs with a guessable secret."""
    value: str = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(f"Set {name}: {purpose}. `python3 manage.py demo` makes one for you.")
    return value


def path_from_checkout(name: str, default: str) -> Path:
    return (BASE_DIR / str(env.str(name, default=default))).resolve()


DATA_DIR = path_from_checkout("DATA_DIR", "var")
make_private_folder(DATA_DIR)
