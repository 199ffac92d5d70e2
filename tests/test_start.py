"""What a web process imports when it starts: all that it serves, nothing large that this site doesn't use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

UNUSED = ("redis",)  # by a site with a cache in memory and a queue in files
START = """
import gc, os, sys
import config.wsgi
print(*sorted(set(sys.modules) & set(sys.argv[1:])), gc.isenabled(), len(gc.get_objects()), flush=True)
os._exit(0)
"""


def started(*modules: str) -> list[str]:
    """Start a process. Returns those of the modules that it has, if it collects garbage, and in how many objects."""
    names = ("CACHE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"DATABASE_URL": "sqlite://:memory:", "SITE_URL": "https://keyrack.example"}
    command = [sys.executable, "-c", START, *modules]
    checkout = Path(__file__).resolve().parents[1]
    process = subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.split()


def test_a_site_without_redis_does_not_import_its_client() -> None:
    assert started(*UNUSED, "django")[:-2] == ["django"]


def test_views_are_loaded_and_the_garbage_collector_leaves_alone_what_is_loaded() -> None:
    view, collects, objects = started("integrations.views.dashboard")
    assert (view, collects) == ("integrations.views.dashboard", "True")
    assert int(objects) < 10_000
