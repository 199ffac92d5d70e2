"""Environment variables for settings, and the folder of the site's own files."""

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from config.private_files import make_private_folder

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()  # also reads NAME_FILE


def required(name: str, purpose: str) -> str:
    """Return a variable. Raises `ImproperlyConfigured` if it is missing: there is no default secret."""
    value: str = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(f"Set {name}: {purpose}. `python3 manage.py demo` makes one for you.")
    return value


def path_from_checkout(name: str, default: str) -> Path:
    return (BASE_DIR / str(env.str(name, default=default))).resolve()


DATA_DIR = path_from_checkout("DATA_DIR", "var")
make_private_folder(DATA_DIR)
