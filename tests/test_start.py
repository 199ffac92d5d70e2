"""What a web process imports when it starts: nothing large that this site doesn't use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

UNUSED = ("redis",)  # by a site with a cache in memory and a queue in files
START = """
import os, sys
import config.wsgi
print(*sorted(set(sys.modules) & set(sys.argv[1:])), flush=True)
os._exit(0)
"""


def test_a_site_without_redis_does_not_import_its_client() -> None:
    names = ("CACHE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"DATABASE_URL": "sqlite://:memory:", "SITE_URL": "https://keyrack.example"}
    command = [sys.executable, "-c", START, *UNUSED, "django"]
    checkout = Path(__file__).resolve().parents[1]
    started = subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert started.stdout.split() == ["django"], started.stderr
