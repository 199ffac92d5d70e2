"""Who finds a weakness reads whom to tell, in the format of RFC 9116."""

from datetime import datetime, timedelta

from django.core.checks import run_checks
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from config.security_contact import ADDRESS


def test_the_contact_is_told_if_there_is_one(client: Client, settings: Settings) -> None:
    assert client.get(ADDRESS).status_code == 404
    settings.SECURITY_CONTACT = ["security@hub.example", "https://hub.example/report"]
    answer = client.get(ADDRESS)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    fields = [line.split(": ", 1) for line in answer.content.decode().splitlines()]
    contacts = [value for name, value in fields if name == "Contact"]
    assert contacts == ["mailto:security@hub.example", "https://hub.example/report"]
    [expires] = [value for name, value in fields if name == "Expires"]
    assert timedelta() < datetime.fromisoformat(expires) - timezone.now() < timedelta(days=365)
    assert ["Canonical", f"{settings.SITE_URL}{ADDRESS}"] in fields


def test_a_contact_that_is_no_address_is_warned_of(settings: Settings) -> None:
    settings.SECURITY_CONTACT = ["security@hub.example", "the help desk"]
    [warning] = [each for each in run_checks() if each.id == "keyrack.W005"]
    assert "the help desk" in warning.msg
