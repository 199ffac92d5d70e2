"""Secrets that carry a mark go through all that can happen to them; afterwards the mark is found nowhere."""

import base64
import logging
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from integrations import registration_health
from integrations.connections import renewal, tasks
from integrations.models import Alias, AuthorizationAttempt, Revocation, Token
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI
from tests import canaries, cast, walks
from tests.servers.hostile import Answer, HostileServer

MARK = "CANARY"
PASSWORD = "CANARY-password"

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("spell", [str, quote, lambda text: base64.b64encode(text.encode()).decode()])
def test_the_search_finds_what_it_looks_for(before: str, spell: Callable[[str], str]) -> None:
    assert canaries.finds("CANARY-ä", f"...{spell(before + 'CANARY-ä' + 'xyz')}...")
    assert not canaries.finds("CANARY-ä", "nothing of the kind")


def test_looking_leaves_the_database_to_who_has_it_open() -> None:
    if connection.vendor != "sqlite" or not (locks := Path("/proc/locks")).exists():
        pytest.skip("only SQLite locks files, and only Linux tells who has")
    index = Path(f"{connection.settings_dict['NAME']}-shm")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM accounts_user")
        list(canaries.database())
        held = [line for line in locks.read_text().splitlines() if f":{index.stat().st_ino} " in line]
    assert any(str(os.getpid()) in line.split() for line in held)


class Browser:
    """Amira's, which keeps everything that it is shown."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.seen: list[bytes] = []

    def keep(self, response: walks.Page) -> walks.Page:
        self.seen.append(response.content + str(response.headers).encode() + response.cookies.output().encode())
        return response

    def get(self, address: str) -> walks.Page:
        return self.keep(self.client.get(address))

    def post(self, address: str, fields: dict[str, str] | None = None) -> walks.Page:
        return self.keep(self.client.post(address, fields or {}))

    def look_around(self, *aliases: Alias) -> None:
        self.get("/integrations/")
        for alias in aliases:
            for page in ("", "revoke/", "forget/"):
                self.get(f"/integrations/{alias.hex}/{page}")


@pytest.fixture
def browser(as_amira: Client) -> Browser:
    as_amira.raise_request_exception = False
    return Browser(as_amira)


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def alias(server: HostileServer, settings: Settings) -> Alias:
    settings.ADMINS = [("Administrator", "admin@hub.example")]
    server.on("POST /revoke").answer(status=503).always(status=200)
    server.on("GET /api/me").always(json={})
    server.on("GET /userinfo").always(json=walks.PROVIDERS_ACCOUNT)
    return walks.northwind(server, userinfo_url=f"{server.url}/userinfo")


def come_back(browser: Browser, alias: Alias) -> walks.Page:
    """Sign in as far as the callback; neither the address there nor what is sent to the provider is a place at rest."""
    state = walks.begin(browser.client, alias)
    return browser.keep(walks.come_back(browser.client, alias, state))


def deliver_all() -> None:
    Revocation.objects.update(next_attempt_at="2020-01-01T00:00Z")
    for revocation in Revocation.objects.due():
        tasks.deliver_revocation(revocation.hex)


def test_no_secret_is_left_anywhere(
    browser: Browser,
    amira: User,
    alias: Alias,
    server: HostileServer,
    everything_logged: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local = cast.integration_at(walks.registry_of(alias), name="local", grant_type="password", label="Records")
    sign_in_at_both(browser, alias, local, server)
    browser.look_around(alias, local)
    renew_and_lose(amira, alias, server)
    browser.look_around(alias, local)
    fail_in_every_way(browser, alias, local, server, monkeypatch)
    for ended in (alias, local):
        browser.post(f"/integrations/{ended.hex}/revoke/")
    for _ in range(3):
        assert any(Revocation.objects.values_list("access_token", flat=True)), "there is something to find"
        browser.look_around(alias, local)
        swept(browser, everything_logged)
        deliver_all()
        if not Revocation.objects.filter(state="pending").exists():
            break
    swept(browser, everything_logged)
    assert len(server.calls) > 10
    assert any(MARK in call.body.decode() for call in server.calls), "they were real"


def sign_in_at_both(browser: Browser, alias: Alias, local: Alias, server: HostileServer) -> None:
    walks.grants(server, 1)
    browser.get(come_back(browser, alias)["Location"])
    server.on("POST /token").answer(status=400, json={"error": "invalid_grant"})
    walks.grants(server, 2)
    for _ in range(2):
        browser.post(walks.start_url(local), {"username": "amira", "password": PASSWORD})
    assert Token.objects.count() == 2


def renew_and_lose(amira: User, alias: Alias, server: HostileServer) -> None:
    token = Token.objects.with_registry().get(credential=walks.credential_of(alias))
    walks.grants(server, 4)
    assert renewal.renew(token).access_token == "CANARY-access-4"
    assert PersonalAuthAPI(amira).request("northwind", "GET", "/me").ok
    server.on("GET /api/me").answer(status=401, json={"error": "invalid_token", "echo": "CANARY-access-4"})
    server.on("POST /token").answer(
        status=400, json={"error": "invalid_grant", "error_description": "CANARY-refresh-4"}
    )
    with pytest.raises(NotAuthenticated):
        PersonalAuthAPI(amira).request("northwind", "GET", "/me")


def fail_in_every_way(
    browser: Browser, alias: Alias, local: Alias, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [
        Answer(status=500, text="<p>CANARY-in-a-page</p>"),
        Answer(
            status=400,
            json={"error": "CANARY_in_a_code", "error_description": "words of theirs, which administrators read"},
        ),
        Answer(status=200, json={"access_token": "CANARY-bad\r\n"}),
        Answer(status=200, text="CANARY-no-json"),
        Answer(close=True),
    ]
    for failure in failures:
        server.on("POST /token").then(failure)
        browser.get(come_back(browser, alias)["Location"])
    with monkeypatch.context() as broken:
        broken.setattr(registration_health, "note_accepted", broken_in_the_middle)
        walks.grants(server, 5)
        assert come_back(browser, alias).status_code == 500
        walks.grants(server, 6)
        response = browser.post(walks.start_url(local), {"username": "amira", "password": PASSWORD})
        assert response.status_code == 500
    assert mail.outbox
    walks.grants(server, 7)
    browser.get(come_back(browser, alias)["Location"])


def broken_in_the_middle(*_arguments: object, **_names: object) -> None:
    raise ValueError("a defect of our own, with secrets in the variables around it")


def swept(browser: Browser, log: pytest.LogCaptureFixture) -> None:
    """No place has it; the log has it neither in words nor in what a formatter would make of them."""
    for record in log.records:
        assert not canaries.finds(MARK, log.handler.format(record)), record.name
        assert not canaries.finds(MARK, repr(record.args)), record.name
    for place, content in canaries.everywhere():
        assert not canaries.finds(MARK, content), place
    for shown in browser.seen:
        assert not canaries.finds(MARK, shown)


@pytest.mark.parametrize("with_html", [False, True])
def test_an_error_report_names_places_and_no_values(
    with_html: bool,
    browser: Browser,
    alias: Alias,
    server: HostileServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for handler in mail_handlers():
        monkeypatch.setattr(handler, "include_html", with_html)
    monkeypatch.setattr(registration_health, "note_accepted", broken_in_the_middle)
    walks.grants(server)
    state = walks.begin(browser.client, alias)
    assert walks.come_back(browser.client, alias, state).status_code == 500
    written = b"".join(written_in(letter) for letter in mail.outbox)
    assert b"broken_in_the_middle" in written
    for secret in (MARK, state, browser.client.cookies["keyrack"].value):
        assert not canaries.finds(secret, written)


def mail_handlers() -> list[logging.Handler]:
    handlers = [handler for name in ("django", "django.request") for handler in logging.getLogger(name).handlers]
    return [handler for handler in handlers if hasattr(handler, "include_html")]


def written_in(letter: EmailMessage) -> bytes:
    """As text, in all its parts, and as it is sent."""
    parts = [str(letter.subject), str(letter.body), *(str(part[0]) for part in getattr(letter, "alternatives", []))]
    return letter.message().as_bytes() + "".join(parts).encode()


def test_the_error_page_tells_nothing(
    browser: Browser, alias: Alias, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration_health, "note_accepted", broken_in_the_middle)
    walks.grants(server)
    page = walks.words(come_back(browser, alias))
    assert "This is an error in Keyrack" in page
    assert "ValueError" not in page
    assert "defect" not in page
    assert "Traceback" not in page


def test_a_defect_in_the_middle_loses_no_token(
    browser: Browser, alias: Alias, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were committed when they came in; whoever cleans up gives them back."""
    monkeypatch.setattr(registration_health, "note_accepted", broken_in_the_middle)
    walks.grants(server)
    come_back(browser, alias)
    monkeypatch.undo()
    AuthorizationAttempt.objects.update(expires_at="2020-01-01T00:00Z")
    tasks.purge_attempts()
    assert Revocation.objects.get().access_token == "CANARY-access-1"


def test_the_queue_carries_ids_alone(browser: Browser, amira: User, alias: Alias) -> None:
    cast.signed_in(amira, alias)
    browser.post(f"/integrations/{alias.hex}/revoke/")
    promised = Revocation.objects.get()
    bodies = [message for message in canaries.messages() if promised.hex.encode() in message]
    assert f'[["{promised.hex}"], {{}}'.encode() in b"".join(bodies)
    assert not any(canaries.finds(MARK, message) for message in canaries.messages())


def test_passwords_of_people_are_hashed(amira: User) -> None:
    for place, content in canaries.everywhere():
        assert not canaries.finds(cast.PASSWORD, content), place
