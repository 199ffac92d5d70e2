"""A database that takes nothing for a while is answered with 503 at every kind of address: nobody is told of a bug."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from config import failures
from tests.accounts import programs, proofs
from tests.integrations.renewing import Outage

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]

BASIC = "Basic " + base64.b64encode(b"amira:CANARY-wrong").decode()


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    if connection.vendor == "sqlite":  # which would wait much longer by itself
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.02)
    outage = Outage()
    yield outage
    outage.end()


def sign_in(client: Client) -> Any:
    return client.post("/accounts/login/", {"login": "amira", "password": "CANARY-wrong"})


def token_endpoint(client: Client) -> Any:
    body = {"grant_type": "password", "username": "amira", "password": "CANARY-wrong"}
    return client.post("/o/token/", {**body, "client_id": "script", "client_secret": programs.SECRET})


def api(client: Client) -> Any:
    return client.get("/api/v1/integrations/", headers={"Authorization": BASIC})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ask", "text"),
    [(sign_in, "<h1"), (token_endpoint, '"error": "temporarily_unavailable"'), (api, '"error": "server_error"')],
)
def test_who_meets_it_is_told_to_try_again(
    amira: User,
    outage: Outage,
    ask: Callable[[Client], Any],
    text: str,
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
    mailoutbox: list[EmailMessage],
) -> None:
    settings.ADMINS = [("Administrator", "administrator@hub.example")]
    proofs.app_of(amira)
    programs.program(client_id="script", authorization_grant_type="password", first_party=True)
    client = Client(raise_request_exception=False)
    connection.close()
    outage.begin()
    answer = ask(client)
    assert answer.status_code == 503
    assert (answer["Retry-After"], answer["Cache-Control"]) == ("1", "no-store")
    assert text in answer.content.decode()
    assert "CANARY" not in answer.content.decode()
    [record] = [each for each in caplog.records if each.name == "django.request"]
    assert (record.levelname, record.exc_info) == ("WARNING", None), "hundreds of requests fail in an outage"
    assert "The database cannot be used: " in record.getMessage()
    assert mailoutbox == []


def test_a_statement_that_is_wrong_is_a_bug_on_every_database() -> None:
    """SQLite says OperationalError of a column that is not there as well."""
    with pytest.raises(Exception, match="nowhere") as raised, connection.cursor() as cursor:
        cursor.execute("SELECT nowhere")
    assert not failures.is_busy(raised.value)
    assert not failures.is_busy(ValueError())


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL says so by the class of its exception")
def test_a_full_disk_is_no_bug() -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA max_page_count")
        [before] = cursor.fetchone()
        cursor.execute("PRAGMA max_page_count = 1")  # as many as there are
        try:
            with pytest.raises(Exception, match="full") as raised:
                cursor.execute("CREATE TABLE large AS SELECT zeroblob(10000000) AS content")
        finally:
            cursor.execute(f"PRAGMA max_page_count = {before}")
    assert failures.is_busy(raised.value)
