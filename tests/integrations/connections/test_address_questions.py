"""A person asks the administrators about an address that only looks like the old one: one mail a day at most."""

from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from integrations.connections import notices
from integrations.models import Alias, ApplicationRegistry, HttpConnection
from integrations.models.events import Event, EventKind
from tests import cast, walks
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

LOOKS_ALIKE = "https://crm.northwlnd.example/api"


@pytest.fixture
def alias(amira: User, bob: User, settings: Settings) -> Alias:
    settings.ADMINS = [("Mei", "mei@hub.example")]
    alias = cast.integration_at(cast.registry_at("https://crm.northwind.example"))
    for user in (amira, bob):
        cast.signed_in(user, alias)
    return alias


def move(url: str = LOOKS_ALIKE) -> None:
    connection = HttpConnection.objects.get()
    connection.connection_url = url
    connection.save()


def path(alias: Alias, page: str = "ask-about-address") -> str:
    return f"/integrations/{alias.hex}/{page}/"


def mails() -> list[mail.EmailMessage]:
    """Those about questions that have been sent since the last look."""
    mail.outbox.clear()
    notices.send_due()
    return [message for message in mail.outbox if "question" in message.subject]


@pytest.mark.slow
def test_the_administrators_get_what_the_person_sees(alias: Alias, amira: User, as_amira: Client) -> None:
    move()
    assert 'id="dialog-ask"' in as_amira.get(path(alias, "confirm-address")).content.decode()
    page = walks.words(as_amira.post(path(alias), follow=True))
    assert "The administrators get an email about it." in page
    (message,) = mails()
    assert message.to == ["mei@hub.example"]
    assert message.subject == "[Keyrack] A question about the new address of Northwind"
    for words in (
        "Amira Haddad asks whether",
        LOOKS_ALIKE,
        "https://crm.northwind.example/api",
        "/applicationregistry/",
    ):
        assert words in message.body
    assert mails() == []
    event = Event.objects.get(kind=EventKind.ADDRESS_QUESTIONED)
    assert (event.whose, event.who, event.subject) == (amira, amira, "Northwind")


@pytest.mark.slow
def test_they_get_one_a_day_whoever_asks(alias: Alias, bob: User, as_amira: Client) -> None:
    move()
    as_amira.post(path(alias))
    assert len(mails()) == 1
    page = walks.words(client_of(bob).post(path(alias), follow=True))
    assert "The administrators have been asked within the last day." in page
    assert mails() == []
    ApplicationRegistry.objects.update(questioned_at=timezone.now() - timedelta(hours=25))
    client_of(bob).post(path(alias))
    (message,) = mails()
    assert "bob asks whether" in message.body


def test_nothing_is_asked_about_an_address_that_looks_different(alias: Alias, as_amira: Client) -> None:
    move("https://crm.harbor.example/api")
    assert 'id="dialog-ask"' not in as_amira.get(path(alias, "confirm-address")).content.decode()
    as_amira.post(path(alias))
    assert mails() == []
    assert not Event.objects.filter(kind=EventKind.ADDRESS_QUESTIONED).exists()


@pytest.mark.parametrize("lacks", ["administrators", "mail server"])
def test_nobody_is_promised_a_mail_that_cannot_come(
    lacks: str, alias: Alias, as_amira: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    move()
    if lacks == "administrators":
        settings.ADMINS = []
    else:
        monkeypatch.setattr("foundation.mail_outbox.has_mail_server", lambda: False)
    assert 'id="dialog-ask"' not in as_amira.get(path(alias, "confirm-address")).content.decode()
    as_amira.post(path(alias))
    assert ApplicationRegistry.objects.get().questioned_at is None


def test_a_question_is_over_once_the_address_is_changed_back(alias: Alias, as_amira: Client) -> None:
    move()
    as_amira.post(path(alias))
    move("https://crm.northwind.example/api")
    assert mails() == []
