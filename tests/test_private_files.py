"""What a site writes at run time is its own user's to read, whatever the umask says."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from config import environment
from config.bootstrap import ROOT

SCRIPT = """
import django; django.setup()
from django.db import connection
cursor = connection.cursor(); cursor.execute("CREATE TABLE t (x)"); cursor.execute("SELECT 1")
import os; from django.conf import settings
for name in sorted(os.listdir(settings.DATA_DIR)):
    path = os.path.join(settings.DATA_DIR, name)
    print(name, oct(os.stat(path).st_mode & 0o777))
print("folder", oct(os.stat(settings.DATA_DIR).st_mode & 0o777))
"""


@pytest.mark.slow
def test_a_real_site_writes_for_its_own_user_only(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    (data / "keyrack.sqlite3").touch(mode=0o644)  # as an older Keyrack made it
    environment = {**os.environ, "DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "config.settings", "SECRET_KEY": "k"}
    environment["CELERY_BROKER_URL"] = "filesystem://localhost//"
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        umask=0o022,
    )
    modes = dict(line.split() for line in done.stdout.splitlines())
    files = {name for name in modes if name.startswith("keyrack.sqlite3")}
    assert files >= {"keyrack.sqlite3", "keyrack.sqlite3-wal", "keyrack.sqlite3-shm"}
    assert {modes[name] for name in files} == {"0o600"}
    assert modes["folder"] == "0o700"
    assert modes["queue"] == "0o700"


def test_a_new_database_is_private_from_its_first_byte(tmp_path: Path) -> None:
    environment.make_private_database(tmp_path / "new.sqlite3")
    assert stat.S_IMODE((tmp_path / "new.sqlite3").stat().st_mode) == 0o600


def test_a_database_that_cannot_be_made_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        environment.make_private_database(Path("/proc/keyrack.sqlite3"))
    assert ended.value.code == 3
    assert "DATABASE_URL names a file that this user cannot make: /proc/keyrack.sqlite3: " in capsys.readouterr().err


def test_a_folder_that_everybody_shares_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    environment.make_private_folder(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777
