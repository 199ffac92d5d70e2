"""A database of each release migrates, and nobody has to sign in again.

`data/keyrack-*.sql` are, by release or day, a site with one person, connected to one integration, with a permanent
token, an application password, two-step sign-in, a subflow and a remote table; somebody
else's revocation is still to be told.
"""

import base64
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parent.parent
DUMPS = sorted((ROOT / "tests/data").glob("keyrack-*.sql"))
KEY = "fixture:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
PERMANENT_TOKEN = "krk_pt_" + "gdStyZ3i1ErcO8dhoMJayq4qEMJgCFe6z12t_2mpzbv"
APPLICATION_PASSWORD = "l6zn 3yhp gb4k sb7w nvm4 2vdm"
LOOK = """
import json, django
django.setup()
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.test import Client
from accounts.models import User
from integrations.models import RemoteTable, Revocation, Subflow
from integrations.personal_auth import PersonalAuthAPI

amira = User.objects.get(username="amira")
bearer = Client(headers={"Authorization": "Bearer PERMANENT_TOKEN"})
basic = Client(headers={"Authorization": "Basic BASIC"})
browser = Client()
browser.force_login(amira)
print(json.dumps({
    "token": PersonalAuthAPI(amira).get_token("northwind").access_token,
    "by permanent token": bearer.get("/api/v1/integrations/northwind/token/").json(),
    "by application password": basic.get("/api/v1/integrations/").status_code,
    "state": bearer.get("/api/v1/integrations/northwind/").json()["state"],
    "dashboard": browser.get("/integrations/").content.decode().count('data-state="connected"'),
    "second step": get_adapter().decrypt(Authenticator.objects.get(user=amira).data["secret"]),
    "revocations": Revocation.objects.count(),
    "subflow": Subflow.objects.get().name,
    "table": RemoteTable.objects.get().name,
}))
"""


@pytest.fixture(params=DUMPS, ids=lambda path: path.stem)
def site(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of a site with this database."""
    with closing(sqlite3.connect(tmp_path / "keyrack.sqlite3")) as database:
        database.executescript(request.param.read_text())
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "CACHE_URL"}}
    return {
        **environment,
        "DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "TOKEN_ENCRYPTION_KEYS": KEY,
        "ALLOWED_HOSTS": "testserver,127.0.0.1",
    }


def run(*arguments: str, site: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=site, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_older_site_goes_on_where_it_was(site: dict[str, str]) -> None:
    run("manage.py", "migrate", site=site)
    basic = base64.b64encode(f"amira:{APPLICATION_PASSWORD}".encode()).decode()
    script = LOOK.replace("PERMANENT_TOKEN", PERMANENT_TOKEN).replace("BASIC", basic)
    site_today: dict[str, Any] = json.loads(run("-c", script, site=site))
    assert site_today.pop("by permanent token")["access_token"] == "kept-access-token"
    assert site_today == {
        "token": "kept-access-token",
        "by application password": 200,
        "state": "connected",
        "dashboard": 1,
        "second step": "JBSWY3DPEHPK3PXP",
        "revocations": 1,
        "subflow": "my_open_incidents",
        "table": "incidents",
    }
