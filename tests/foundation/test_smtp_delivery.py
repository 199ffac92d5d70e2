"""A mail takes its time and no more, whatever the mail server does."""

import smtplib
import time
from collections.abc import Iterator

import pytest
from django.core.mail import EmailMessage, get_connection
from pytest_django import Settings

from config.variables import Variables
from foundation import smtp_delivery
from tests.servers.mail import MailServer

pytestmark = pytest.mark.slow


@pytest.fixture
def server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    monkeypatch.setattr(smtp_delivery, "STEP_SECONDS", 1.5)
    with MailServer() as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_BACKEND = "foundation.smtp_delivery.SMTPBackend"
        yield server


def send(recipient: str = "bob@hub.example") -> int:
    return EmailMessage("A subject", "A body", to=[recipient]).send()


def test_a_mail_arrives(server: MailServer) -> None:
    assert send() == 1
    assert server.taken == ["bob@hub.example"]


def test_one_of_several_addresses_that_is_refused_is_said_in_the_log(
    server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The mail counts as sent: the others would get it twice."""
    server.refuses = {"bob@hub.example": "450 busy"}
    EmailMessage("A subject", "A body", to=["amira@hub.example", "bob@hub.example"]).send()
    assert "refused 1 of a mail's addresses (450)" in caplog.text
    assert "bob@" not in caplog.text


def test_a_server_that_drips_ends_the_attempt_in_time(server: MailServer) -> None:
    server.drips = True
    begun = time.monotonic()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send()
    assert 1 < time.monotonic() - begun < 10


def test_a_server_that_drips_later_ends_the_mail_and_the_goodbye_in_time(server: MailServer) -> None:
    connection = get_connection()
    connection.open()
    server.drips = True
    begun = time.monotonic()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        EmailMessage("A subject", "A body", to=["bob@hub.example"], connection=connection).send()
    connection.close()
    assert 1 < time.monotonic() - begun < 10


def test_one_connection_may_send_for_longer_than_a_mail_may_take(server: MailServer) -> None:
    with get_connection() as connection:
        for _ in range(3):
            EmailMessage("A subject", "A body", to=["bob@hub.example"], connection=connection).send()
            time.sleep(0.8)
    assert len(server.taken) == 3


@pytest.mark.parametrize("scheme", ["smtp", "smtps", "smtp+tls", "smtp+ssl"])
def test_each_address_of_a_mail_server_leads_here(scheme: str) -> None:
    env = Variables({"EMAIL_URL": f"{scheme}://user:password@mail.example:587"})
    assert env.mail_server("EMAIL_URL", "")["EMAIL_BACKEND"] == "foundation.smtp_delivery.SMTPBackend"
