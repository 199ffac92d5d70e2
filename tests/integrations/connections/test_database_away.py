"""A database that was away, or is away when the provider has answered: the only copy of new tokens is insisted on."""

import logging
import os
import socket
import sys
from collections.abc import Iterator

import pytest
from django.core.signals import request_started
from django.db import OperationalError, connection
from django.test import Client

from accounts.models import User
from foundation import database
from integrations.connections import renewal
from integrations.models import Alias, AuthorizationAttempt, Renewal, Revocation, Token
from tests import cast, walks
from tests.integrations.renewing import ASKED, Outage, after, current, in_threads
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def northwind(server: HostileServer, amira: User) -> Alias:
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias, expires_in=-10)
    return alias


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    if connection.vendor == "sqlite":  # which would wait much longer by itself
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.02)
    outage = Outage()
    yield outage
    outage.end()


@pytest.mark.slow
def test_the_new_tokens_are_stored_when_it_is_back(
    server: HostileServer, amira: User, northwind: Alias, outage: Outage
) -> None:
    server.on(ASKED).then(after(lambda: outage.begin(seconds=0.5)))
    assert in_threads(3, lambda: current(amira, northwind)) == ["CANARY-access-2"] * 3
    stored = Token.objects.get()
    assert (stored.version, stored.refresh_token, stored.state) == (2, "CANARY-refresh-2", "valid")
    assert len(server.calls) == 1
    assert [entry.outcome for entry in Renewal.objects.all()] == ["renewed"]


@pytest.mark.slow
def test_when_it_stays_away_the_journal_shows_the_attempt_and_the_log_no_secret(
    server: HostileServer,
    amira: User,
    northwind: Alias,
    outage: Outage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(database, "INSIST_SECONDS", 0.2)
    server.on(ASKED).then(after(outage.begin))
    with caplog.at_level(logging.DEBUG), pytest.raises(OperationalError):
        current(amira, northwind)
    outage.end()
    assert "could not be stored" in caplog.text
    assert "CANARY" not in caplog.text
    [entry] = Renewal.objects.all()
    assert (entry.outcome, entry.version) == ("asked", 1)
    assert Token.objects.get().access_token == "CANARY-access-1"


@pytest.mark.slow
def test_the_tokens_of_a_sign_in_are_stored_when_it_is_back(
    server: HostileServer, as_amira: Client, outage: Outage
) -> None:
    alias = walks.northwind(server)
    state = walks.begin(as_amira, alias)
    connection.close()  # the next one is that of the outage
    server.on("POST /token").then(after(lambda: outage.begin(seconds=0.5), walks.answered()))
    assert walks.come_back(as_amira, alias, state).status_code == 303
    assert Token.objects.get().refresh_token == "CANARY-refresh-1"


@pytest.mark.slow
def test_the_tokens_of_a_deleted_sign_in_are_revoked_when_it_is_back(
    server: HostileServer, as_amira: Client, outage: Outage
) -> None:
    alias = walks.northwind(server)
    state = walks.begin(as_amira, alias)

    def delete() -> None:
        AuthorizationAttempt.objects.all().delete()
        connection.close()
        outage.begin(seconds=0.5)

    connection.close()
    server.on("POST /token").then(after(delete, walks.answered()))
    assert walks.come_back(as_amira, alias, state).status_code == 400
    assert Revocation.objects.get().refresh_token == "CANARY-refresh-1"


def test_a_connection_that_broke_since_the_last_request_is_opened_anew(
    amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the statement that meets it; as long as all is well, nobody asks whether it is alive."""
    if connection.vendor == "sqlite":
        pytest.skip("a file does not hang up")
    Token.objects.update(expires_at=None)
    monkeypatch.setattr(connection, "close_at", None)  # kept from request to request
    with monkeypatch.context() as unasked:
        unasked.setattr(connection, "is_usable", None)
        request_started.send(sender=None, environ={})
        assert renewal.ready_call(amira, "northwind")
    hang_up()
    request_started.send(sender=None, environ={})
    assert renewal.ready_call(amira, "northwind")
    hang_up()
    with pytest.raises(OperationalError):  # in the middle of one it was known to be alive: what was lost, nobody knows
        renewal.ready_call(amira, "northwind")
    connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no TCP_USER_TIMEOUT")
def test_a_server_that_is_gone_without_a_word_is_given_up_soon() -> None:
    """Whether a statement is on its way (the first) or its answer is waited for (the second)."""
    if connection.vendor == "sqlite":
        pytest.skip("a file is not far away")
    connection.ensure_connection()
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5


def hang_up() -> None:
    """As a server does that is restarted."""
    other = connection.copy()
    with connection.cursor() as cursor, other.cursor() as second:
        cursor.execute("SELECT pg_backend_pid()")
        second.execute("SELECT pg_terminate_backend(%s, 5000)", cursor.fetchone())
    other.close()
