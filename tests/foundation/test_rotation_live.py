"""Key rotation on a busy site, and killed half-way: no request fails, and no secret is lost."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from foundation.secrets_at_rest import key_id_of, rotation
from integrations.models import ApplicationRegistry, Token
from integrations.personal_auth import PersonalAuthAPI
from tests import cast, walks
from tests.foundation.rotating import NEW, OLD, ROOT, command, environment, key_ids, rotate, stored
from tests.servers.hostile import Answer, Call, HostileServer

pytestmark = [pytest.mark.database, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

LOAD_SECONDS = 3
CROWD = 600  # several times the size of a batch

# Script of a process that renews as fast as it can until its standard input ends.
RENEWING = """
import sys, threading
import django
django.setup()
from integrations.connections import renewal
from integrations.models import Token
stopped = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
renewed = 0
print("ready", flush=True)
while not stopped.is_set():
    for token in Token.objects.with_registry().filter(account_id="busy"):
        renewed += renewal.renew(token).version > token.version
print(renewed, flush=True)
"""


@pytest.fixture(autouse=True)
def _one_key_yet(settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [OLD]


@contextmanager
def renewing(folder: Path, keyrings: Sequence[Sequence[str]]) -> Iterator[list["subprocess.Popen[str]"]]:
    """Processes that renew all the time; one for each keyring."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", RENEWING], text=True, cwd=ROOT, env=environment(folder, keyring), **pipes
        )
        for keyring in keyrings
    ]
    try:
        yield children
    finally:
        for child in children:
            child.kill()
            child.communicate()


class RotatingProvider:
    """A provider that rotates refresh tokens and accepts only the last one, as strict servers do."""

    def __init__(self, server: HostileServer) -> None:
        self.issued: Counter[str] = Counter()
        self.stale: list[str] = []
        self._lock = threading.Lock()
        server.on("POST /token").always(self.answer)
        server.on("GET /api/contacts").always(self.contacts)

    def answer(self, call: Call) -> Answer:
        name, _, number = call.form["refresh_token"].rpartition("-")
        with self._lock:
            if number != str(self.issued[name]):
                self.stale.append(call.form["refresh_token"])
                return Answer(status=400, json={"error": "invalid_grant"})
            self.issued[name] += 1
            pair = {
                "refresh_token": f"{name}-{self.issued[name]}",
                "access_token": f"access-{name}-{self.issued[name]}",
            }
        return Answer(json={**pair, "token_type": "Bearer", "expires_in": 3600})

    def contacts(self, call: Call) -> Answer:
        return Answer(status=200 if call.headers["authorization"].startswith("Bearer access-") else 401, json=[])


class Web(threading.Thread):
    """A person who opens the dashboard and calls the API all the time; collects failures."""

    def __init__(self, user: User, client: Client) -> None:
        super().__init__(daemon=True)
        self.user, self.client = user, client
        self.served, self.wrong = 0, list[object]()
        self.ended = threading.Event()

    def run(self) -> None:
        try:
            while not self.ended.is_set():
                page = self.client.get("/integrations/")
                called = PersonalAuthAPI(self.user).request("northwind", "GET", "/contacts")
                self.wrong += [code for code in (page.status_code, called.status_code) if code != 200]
                self.served += 1
        except Exception as error:
            self.wrong.append(error)
            raise
        finally:
            connection.close()


@pytest.mark.timeout(300)
def test_under_load_no_request_fails_and_nothing_is_lost(
    server: HostileServer, amira: User, as_amira: Client, settings: Settings, tmp_path: Path
) -> None:
    """Two of the four workers still seal with the old key, which an operator who rotates too early will see."""
    alias, provider = walks.northwind(server), RotatingProvider(server)
    people = [amira, *(cast.person(f"person-{number}") for number in range(11))]
    for person in people:
        tokens: dict[str, Any] = {"access_token": f"access-{person.username}", "refresh_token": f"{person.username}-0"}
        cast.signed_in(person, alias, **tokens, account_id="busy" if person.pk % 3 else "")
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    web = Web(amira, as_amira)
    with renewing(tmp_path, [[OLD, NEW], [OLD, NEW], [NEW, OLD], [NEW, OLD]]) as workers:
        for worker in workers:
            assert worker.stdout
            assert worker.stdout.readline() == "ready\n"
        web.start()
        ends_at = time.monotonic() + LOAD_SECONDS
        while web.is_alive() and (web.served < 5 or time.monotonic() < ends_at):
            rotation.rotate()
        web.ended.set()
        web.join()
        renewed = [int(worker.communicate(timeout=60)[0]) for worker in workers]
    assert (web.wrong, provider.stale) == ([], [])
    assert min(renewed) > 0

    rotate()
    assert key_ids() == {"2026"}
    settings.TOKEN_ENCRYPTION_KEYS = [NEW]
    for token in Token.objects.select_related("user"):
        name = token.user.username if token.user else ""
        assert (token.refresh_token, token.state) == (f"{name}-{provider.issued[name]}", "valid")
        assert token.access_token.startswith(f"access-{name}")
    assert ApplicationRegistry.objects.get().client_secret == "CANARY-client-secret"


def test_killed_half_way_it_has_lost_nothing_and_the_next_run_finishes(
    server: HostileServer, amira: User, settings: Settings, tmp_path: Path
) -> None:
    token = cast.signed_in(amira, walks.northwind(server))
    User.objects.bulk_create(User(username=f"person-{number}", password="!") for number in range(CROWD))
    rows = [
        Token(
            user=user,
            credential=token.credential,
            integration_type="personal",
            access_token=user.username,
            agreed=token.agreed,
        )
        for user in User.objects.filter(username__startswith="person-")
    ]
    Token.objects.bulk_create(rows)
    settings.TOKEN_ENCRYPTION_KEYS = [NEW, OLD]
    child = subprocess.Popen(command(), cwd=ROOT, env=environment(tmp_path, [NEW, OLD]))
    try:
        first = Token.objects.order_by("pk").values_list("access_token", flat=True)
        while key_id_of(bytes(first[0])) == "2025":
            assert child.poll() is None
            time.sleep(0.01)
    finally:
        child.kill()
        child.wait()
    values_when_killed = stored()
    assert key_ids() == {"2025", "2026"}
    assert all(value == "CANARY-access-1" or value.startswith("person-") for value in tokens_as_read())

    rotate()
    assert key_ids() == {"2026"}
    settings.TOKEN_ENCRYPTION_KEYS = [NEW]
    assert sorted(tokens_as_read()) == sorted(["CANARY-access-1", *(f"person-{number}" for number in range(CROWD))])
    rotated = {row for row in values_when_killed if key_id_of(row[2]) == "2026"}
    assert rotated <= set(stored())


def tokens_as_read() -> list[str]:
    return [token.access_token for token in Token.objects.all()]
