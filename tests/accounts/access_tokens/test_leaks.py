"""Reported secrets are revoked and their owners notified; the sender of the report learns nothing."""

import io
import json
from datetime import UTC, datetime, timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends import locmem
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import get_refresh_token_model
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts import tasks
from accounts.access_tokens import notices, operations
from accounts.access_tokens.models import PermanentToken
from accounts.audit.models import Event
from accounts.models import User
from foundation.mail_outbox import DeferredMail
from tests import cast
from tests.accounts import programs, proofs
from tests.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

ENDPOINT = "/api/v1/leaked-tokens/"


@pytest.fixture(autouse=True)
def nothing_was_reported_before() -> None:
    cache.clear()


def make_token(user: User, **fields: Any) -> str:
    chosen = {"name": "nightly-report", "scopes": ["integrations:read"], "expires_at": None, "by": user, **fields}
    return operations.make_token(user, **chosen)[1]


def report(text: str, **where: Any) -> Any:
    return Client().post(ENDPOINT, json.dumps({"token": text}), content_type="application/json", **where)


def from_the_shell(text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    output = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    call_command("report_leaked_token", stdout=output)
    return output.getvalue()


def test_a_reported_token_is_dead_and_its_owner_is_told(amira: User) -> None:
    secret = make_token(amira)
    assert report(secret, REMOTE_ADDR="198.51.100.7").status_code == 202
    assert operations.verify_token(secret) is None
    event = Event.objects.get(kind="token_leaked")
    assert (event.whose, event.who, event.subject, event.address) == (amira, None, "nightly-report", "198.51.100.7")
    tasks.send_notices()
    tasks.send_notices()
    (letter,) = mail.outbox
    assert letter.to == [amira.email]
    assert "nightly-report" in letter.subject
    assert "/accounts/security/" in letter.body
    assert secret not in f"{letter.subject}{letter.body}"


def test_the_answer_is_the_same_whatever_it_was(amira: User) -> None:
    texts = [make_token(amira), operations.new_token(), "made-up", "krk_pt_", "é" * 100, "x" * 60_000, ""]
    answers = [report(text) for text in (*texts, texts[0])]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b'{"status":"received"}')}
    assert Client().get(ENDPOINT).status_code == 405


def test_knowing_its_public_part_ends_nobodys_token(amira: User) -> None:
    secret = make_token(amira)
    forged = f"krk_pt_{operations.public_part(secret)}" + "A" * operations.SECRET
    report(f"{forged}_{operations.token_checksum(forged)}")
    report(secret[:-1])
    assert operations.verify_token(secret)


def test_every_kind_of_secret_is_found_in_a_text(
    amira: User,
    as_amira: Client,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    programs.program()
    proofs.app_of(amira)
    token = make_token(amira)
    _row, password = operations.make_application_password(amira, name="Tablet", scopes=["integrations:read"])
    granted = programs.granted(as_amira)
    text = f'deploy: "{token}"\ncurl -H "Authorization: Bearer {granted["access_token"]}"\n{password}\n'
    delivered: list[tuple[int, str]] = []
    monkeypatch.setattr(
        tasks.send_leaked_grant_mail, "apply_async", lambda names, **_options: delivered.append(names)
    )  # the queue of the tests has no worker
    with django_capture_on_commit_callbacks(execute=True):
        assert from_the_shell(text, monkeypatch) == "Secrets revoked: 3.\n"
    assert operations.verify_token(token) is None
    assert operations.verify_application_password(amira, password) is None
    assert programs.refresh(granted["refresh_token"]).status_code == 400
    assert from_the_shell(text, monkeypatch) == "Nothing to revoke.\n"
    assert delivered == [(amira.pk, "Weekly digest")]
    tasks.send_leaked_grant_mail(*delivered[0])
    tasks.send_notices()
    assert len(mail.outbox) == 3
    assert not any(secret in str(letter.message()) for letter in mail.outbox for secret in (token, password))


def test_a_leaked_refresh_token_ends_its_family(as_amira: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    programs.program()
    granted = programs.granted(as_amira)
    from_the_shell(f"refresh_token={granted['refresh_token']}&x=1", monkeypatch)
    headers = {"Authorization": f"Bearer {granted['access_token']}"}
    assert Client(headers=headers).get("/api/v1/integrations/").status_code == 401


def test_a_leaked_access_token_needs_no_refresh_token_to_be_found(
    as_amira: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.program()
    granted = programs.granted(as_amira)
    get_refresh_token_model().objects.all().delete()
    headers = {"Authorization": f"Bearer {granted['access_token']}"}
    assert Client(headers=headers).get("/api/v1/integrations/").status_code == 200
    from_the_shell(granted["access_token"], monkeypatch)
    assert Client(headers=headers).get("/api/v1/integrations/").status_code == 401


@time_machine.travel(datetime(2030, 1, 1, 0, 1, 40, tzinfo=UTC), tick=False)  # a limit's period began 100 s ago
def test_reports_are_limited(amira: User) -> None:
    answers = [report("made-up") for _ in range(62)]
    assert [answer.status_code for answer in answers[58:]] == [202, 202, 429, 429]
    assert int(answers[-1]["Retry-After"]) == 500


# Mails about what was made, and about what ends -----------------------------------------------------------------------


def test_one_hears_once_of_a_token_that_somebody_else_made(amira: User, admin: User) -> None:
    make_token(amira)  # one's own is no news
    secret = make_token(amira, name="for the bot", by=admin)
    tasks.send_notices()
    tasks.send_notices()
    (letter,) = mail.outbox
    assert (letter.to, "for the bot" in letter.body, "admin" in letter.body) == ([amira.email], True, True)
    assert secret not in letter.body


@pytest.mark.parametrize(("lives", "told_at"), [(90, 83), (20, 13), (5, 4)])
def test_one_hears_once_before_a_token_ends(lives: int, told_at: int, amira: User) -> None:
    make_token(amira, expires_at=timezone.now() + timedelta(days=lives))
    age(timedelta(days=told_at - 0.1))
    tasks.send_notices()
    assert not mail.outbox
    age(timedelta(days=0.2))
    tasks.send_notices()
    tasks.send_notices()
    (letter,) = mail.outbox
    assert "expires soon" in letter.subject


def age(by: timedelta) -> None:
    token = PermanentToken.objects.get()
    assert token.expires_at
    PermanentToken.objects.update(created_at=token.created_at - by, expires_at=token.expires_at - by)


def test_a_mail_that_cannot_be_sent_is_owed(amira: User, admin: User, settings: Any) -> None:
    make_token(amira, by=admin)
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    settings.EMAIL_PORT = 1
    tasks.send_notices()
    assert PermanentToken.objects.get().told == ""
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    tasks.send_notices()
    assert len(mail.outbox) == 1


class TriesLater(locmem.EmailBackend):
    """A mail server that temporarily refuses mail for Amira (RFC 5321 §4.2.1)."""

    def send_messages(self, email_messages: Any) -> int:
        if any("amira@hub.example" in message.to for message in email_messages):
            raise SMTPRecipientsRefused({"amira@hub.example": (450, b"mailbox busy")})
        return super().send_messages(email_messages)


def test_a_recipient_that_is_deferred_holds_up_nobody_else(amira: User, bob: User, admin: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.TriesLater"
    for owner in (amira, bob):
        make_token(owner, by=admin)
    tasks.send_notices()
    assert [letter.to for letter in mail.outbox] == [[bob.email]]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    tasks.send_notices()
    assert len(mail.outbox) == 1  # it waits a minute
    DeferredMail.objects.update(next_attempt_at=timezone.now())
    tasks.send_notices()
    assert [letter.to for letter in mail.outbox] == [[bob.email], [amira.email]]


def test_deferred_mails_of_many_keep_nobody_else_from_being_read(
    amira: User, bob: User, admin: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.TriesLater"
    make_token(amira, by=admin)
    tasks.send_notices()
    monkeypatch.setattr(notices, "READ_AT_MOST", 1)
    make_token(bob, by=admin)
    PermanentToken.objects.filter(user=bob).update(id=UUID(int=2**128 - 1))  # after the one that is deferred
    tasks.send_notices()
    assert [letter.to for letter in mail.outbox] == [[bob.email]]


def test_who_has_no_address_or_no_account_any_more_gets_none(amira: User, admin: User) -> None:
    make_token(amira, by=admin)
    make_token(cast.person("bot"), by=admin)
    User.objects.filter(username="bot").update(email="")
    User.objects.filter(pk=amira.pk).update(is_active=False)
    tasks.send_notices()
    assert not mail.outbox


def test_what_ended_long_ago_is_forgotten(amira: User) -> None:
    make_token(amira)
    operations.end_secret(PermanentToken.objects.get(), who=amira)
    tasks.forget_long_ended()
    assert PermanentToken.objects.exists()
    PermanentToken.objects.update(ended_at=timezone.now() - timedelta(days=31))
    tasks.forget_long_ended()
    assert not PermanentToken.objects.exists()
    assert client_of(amira).get("/accounts/security/").status_code == 200
