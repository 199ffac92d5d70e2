"""The drill on PostgreSQL: dump, go on, restore, check. With real dumps and with processes of their own."""

import base64
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import migrated
from tests.servers.worker import CHECKOUT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BEGIN = """
from foundation import installation
installation.create_mark()
from tests import cast
from tests.accounts import tokens
alias = cast.integration_at(cast.registry_at("https://northwind.example"))
amira, bob = cast.person("amira"), cast.person("bob")
cast.signed_in(amira, alias), cast.signed_in(bob, alias)
ended, kept = (tokens.make_token(amira, "integrations:read", name=name)[1] for name in ("ended", "kept"))
say(ended=ended, kept=kept)
"""
GO_ON = """
from accounts.access_tokens import operations
from accounts.access_tokens.models import PermanentToken
from accounts.audit import log
from accounts.models import User
from integrations.connections import authorization
from integrations.models import Alias
amira, bob = User.objects.get(username="amira"), User.objects.get(username="bob")
operations.end_secret(PermanentToken.objects.get(name="ended"), who=amira)
authorization.revoke(amira, Alias.objects.get())
bob.is_active = False
bob.save()
"""
LOOK = """
from accounts.access_tokens import operations
from accounts.models import User
from foundation import installation
from integrations.models import Revocation, Token
say(
    held=installation.is_held(), ended=bool(operations.verify_token(ENDED)), kept=bool(operations.verify_token(KEPT)),
    people=sorted(User.objects.filter(is_active=True).values_list("username", flat=True)),
    sign_ins=sorted(Token.objects.exclude(access_token=None).values_list("user__username", flat=True)),
    revocations=Revocation.objects.filter(state="pending").count(), due=Revocation.objects.due().count(),
)
"""


class Site:
    """A site on this database, of which each command is a process."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        key = base64.b64encode(os.urandom(32)).decode()
        self.environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")} | {
            "DATABASE_URL": url,
            "DATA_DIR": str(folder / "data"),
            "SITE_URL": "https://hub.example",
            "SECRET_KEY": secrets.token_urlsafe(40),
            "TOKEN_ENCRYPTION_KEYS": f"test:{key}",
            "CELERY_BROKER_URL": "filesystem://localhost//",
            "PYTHON": sys.executable,
        }

    def run(self, *command: str, status: int = 0, **environment: str) -> str:
        done = subprocess.run(
            command, env={**self.environment, **environment}, cwd=CHECKOUT, capture_output=True, text=True
        )
        assert done.returncode == status, (command, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def manage(self, *arguments: str, **options: Any) -> str:
        return self.run(sys.executable, "manage.py", *arguments, **options)

    def do(self, code: str, **names: str) -> dict[str, Any]:
        """Run code in a process of the site; returns what it says."""
        head = "import json\nsay = lambda **facts: print('\\n' + json.dumps(facts))\n"
        values = "".join(f"{name.upper()} = {value!r}\n" for name, value in names.items())
        said = self.manage("shell", "--no-imports", "-c", head + values + code)
        lines = [line for line in said.splitlines() if line.startswith("{")]
        return json.loads(lines[-1]) if lines else {}


@pytest.fixture
def hub(postgres_url: str, tmp_path: Path) -> Iterator[Site]:
    """A site whose database has its tables and no mark yet."""
    name = f"drill_{secrets.token_hex(4)}"
    subprocess.run(["psql", postgres_url, "-qc", f"CREATE DATABASE {name}"], check=True)
    site = Site(f"{postgres_url.rpartition('/')[0]}/{name}", tmp_path)
    migrated.load(site.url)
    yield site
    subprocess.run(["psql", postgres_url, "-qc", f"DROP DATABASE {name}"], check=True)


def test_a_restored_dump_gives_no_life_back_to_what_was_ended_since(hub: Site, tmp_path: Path) -> None:
    begun = hub.do(BEGIN)
    backup, ended = str(tmp_path / "backup.dump"), tmp_path / "events.ndjson"
    hub.run("pg_dump", "--format=custom", f"--file={backup}", hub.url)
    hub.do(GO_ON)
    ended.write_text(hub.manage("export_events"))
    after = hub.do(LOOK, **begun)
    assert (after["ended"], after["people"], after["sign_ins"], after["held"]) == (False, ["amira"], ["bob"], False)

    hub.run("pg_restore", "--clean", "--if-exists", "--no-owner", f"--dbname={hub.url}", backup)
    restored = hub.do(LOOK, **begun)
    assert (restored["ended"], restored["people"], restored["sign_ins"]) == (True, ["amira", "bob"], ["amira", "bob"])
    assert restored["held"]  # although it lives again, nothing is sent
    assert "--in-place" in hub.manage("after_restore", status=1)

    said = hub.manage("after_restore", "--in-place", "--ended", str(ended), "--yes")
    assert "Sign-in of amira at northwind ended" in said
    again = hub.do(LOOK, **begun)
    assert (again["held"], again["ended"], again["kept"]) == (False, False, True)
    assert (again["people"], again["sign_ins"], again["due"]) == (["amira"], ["bob"], 1)
    assert "Not held" in hub.manage("after_restore")
    assert re.search(r"\bTOKEN_ENCRYPTION_KEYS\b", said) is None


def test_the_drill_restores_checks_and_leaves_nothing(hub: Site, tmp_path: Path) -> None:
    hub.do(BEGIN)
    said = hub.run("deploy/restore-drill")
    for words in ("The keys open it", "noticed as a copy", "2 sign-ins were deleted", "can be restored: 2 1 people"):
        assert words in said
    assert "keyrack_drill" not in hub.run("psql", hub.url, "-Atc", "SELECT datname FROM pg_database")
    alive = "SELECT count(*) FROM integrations_token WHERE access_token IS NOT NULL"
    assert hub.run("psql", hub.url, "-Atc", alive).strip() == "2"  # the real one was only read
    wrong = f"test:{base64.b64encode(os.urandom(32)).decode()}"
    said = hub.run("deploy/restore-drill", status=1, TOKEN_ENCRYPTION_KEYS=wrong)
    assert "these keys don’t open it" in said


def test_a_dump_at_another_server_of_the_same_name_is_noticed_too(hub: Site, tmp_path: Path) -> None:
    """Another empty disk and the same SITE_URL: a site that is set up again on new machines."""
    hub.do(BEGIN)
    backup, other = str(tmp_path / "backup.dump"), f"{hub.url}_2"
    hub.run("pg_dump", "--format=custom", f"--file={backup}", hub.url)
    subprocess.run(["psql", hub.url, "-qc", f"CREATE DATABASE {other.rpartition('/')[2]}"], check=True)
    elsewhere = {"DATABASE_URL": other, "DATA_DIR": str(tmp_path / "empty")}
    hub.run("pg_restore", "--no-owner", f"--dbname={other}", backup)
    assert "restored from a dump" in hub.manage("after_restore", status=1, **elsewhere)
    hub.manage("after_restore", "--nothing-lost", "--yes", **elsewhere)
    assert "Not held" in hub.manage("after_restore", **elsewhere)
    subprocess.run(["psql", hub.url, "-qc", f"DROP DATABASE {other.rpartition('/')[2]}"], check=True)
