"""Mails: what a person must do, and what an administrator must mend. Once each, in words, and without a secret."""

import re
import smtplib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends import locmem
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from foundation import installation, mail_outbox
from foundation.mail_outbox import DeferredMail
from integrations.connections import administrator_notices, notices, tasks
from integrations.models import Alias, ApplicationRegistry, Revocation, Token
from tests import cast, walks
from tests.servers.hostile import HostileServer
from tests.servers.mail import MailServer

pytestmark = pytest.mark.django_db

DAY = 86400
SECRETS = re.compile(r"CANARY|invalid_grant|http_503")


@pytest.fixture
def registry(db: None) -> ApplicationRegistry:
    return cast.registry_at("https://northwind.example", account_settings_url="https://northwind.example/apps")


@pytest.fixture
def northwind(registry: ApplicationRegistry) -> Alias:
    return cast.integration_at(registry)


def told(times: int = 1) -> list[mail.EmailMessage]:
    """What has been sent since the last look, after so many runs of the beat."""
    mail.outbox.clear()
    for _ in range(times):
        tasks.send_notices()
    for message in mail.outbox:
        assert not SECRETS.search(f"{message.subject} {message.body}") or "admin" in message.to[0]
    return list(mail.outbox)


def refused(user: User, alias: Alias, **fields: Any) -> Token:
    dead = {"state": "needs_reauth", "failure_code": "invalid_grant", "failed_at": timezone.now()}
    return cast.signed_in(user, alias, **{**dead, "account_label": f"{user}@northwind.example", **fields})


# Sign in again --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_who_must_sign_in_again_is_told_once_and_how(amira: User, northwind: Alias) -> None:
    refused(amira, northwind)
    (message,) = told(3)
    assert (message.to, message.subject) == (["amira@hub.example"], "[Keyrack] Sign in to Northwind CRM again")
    assert "Northwind CRM no longer accepts your sign-in. This happens after a password change" in message.body
    assert "You were amira@northwind.example." in message.body
    assert f"http://127.0.0.1:8000{walks.start_url(northwind)}\n" in message.body
    assert "http://127.0.0.1:8000/integrations/" in message.body


@pytest.mark.slow
def test_a_renewal_that_we_interrupted_is_told_once_the_last_token_is_used_up(amira: User, northwind: Alias) -> None:
    """Until then nothing is lost; and the fault is not the provider's."""
    token = cast.signed_in(amira, northwind, failure_code="renewal_interrupted")
    assert told() == []
    Token.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    (message,) = told(3)
    assert "Keyrack was interrupted" in message.body
    assert "no longer accepts" not in message.body


def test_of_a_refusal_after_a_lost_answer_the_mail_does_not_say_that_access_was_removed(
    amira: User, northwind: Alias
) -> None:
    refused(amira, northwind, failure_code="answer_lost")
    (message,) = told()
    assert "An earlier renewal got no usable answer" in message.body
    assert "password change" not in message.body


def test_the_link_in_the_mail_leads_to_a_page_with_a_button(amira: User, northwind: Alias) -> None:
    refused(amira, northwind)
    link = re.findall(r"http://127\.0\.0\.1:8000(/oauth_initiator\S+)", str(told()[0].body))[0]
    browser = Client()
    browser.force_login(amira)
    assert "Northwind CRM" in walks.words(browser.get(link))


def test_several_are_told_in_one_mail(amira: User, bob: User, registry: ApplicationRegistry, northwind: Alias) -> None:
    other = cast.integration_at(registry, name="orchard", label="<b>Orchard</b> & Co")
    refused(amira, northwind)
    refused(amira, other)
    refused(bob, other)
    first, second = sorted(told(), key=lambda message: message.to)
    assert (first.to, first.subject) == (["amira@hub.example"], "[Keyrack] Sign in to 2 integrations again")
    assert "Northwind CRM no longer" in first.body
    assert "<b>Orchard</b> & Co no longer" in first.body
    assert second.to == ["bob@hub.example"]
    assert "amira" not in f"{second.body}"


@pytest.mark.slow
def test_who_signed_in_again_is_told_of_the_next_time(amira: User, as_amira: Client, server: HostileServer) -> None:
    alias = walks.northwind(server)
    refused(amira, alias)
    assert len(told()) == 1
    walks.grants(server)
    walks.sign_in(as_amira, alias)
    assert told() == []
    Token.objects.update(state="needs_reauth")
    assert len(told(2)) == 1


def nobody_to_write_to(user: User, alias: Alias) -> None:
    User.objects.update(email="")


def deactivated(user: User, alias: Alias) -> None:
    User.objects.update(is_active=False)


def role_gone(user: User, alias: Alias) -> None:
    user.groups.clear()


def turned_off(user: User, alias: Alias) -> None:
    Alias.objects.update(active=False)


@pytest.mark.parametrize("arrange", [nobody_to_write_to, deactivated, role_gone, turned_off])
def test_nobody_is_told_what_he_can_do_nothing_about(
    arrange: Callable[[User, Alias], None], amira: User, northwind: Alias
) -> None:
    refused(amira, northwind)
    arrange(amira, northwind)
    assert told() == []


@pytest.mark.slow
def test_who_gets_an_address_later_is_told_then(amira: User, northwind: Alias) -> None:
    refused(amira, northwind)
    User.objects.update(email="")
    assert told() == []
    User.objects.update(email="amira@hub.example")
    assert len(told(2)) == 1


# Expires soon ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_end_of_what_nothing_renews_is_told_a_week_and_a_day_before(amira: User, northwind: Alias) -> None:
    now = timezone.now()
    cast.signed_in(amira, northwind, expires_in=8 * DAY, refresh_token="", signed_in_at=now - timedelta(days=60))
    assert told() == []
    Token.objects.update(expires_at=now + timedelta(days=6))
    (message,) = told(3)
    assert message.subject == "[Keyrack] Northwind CRM expires soon"
    assert walks.start_url(northwind) in message.body
    Token.objects.update(expires_at=now + timedelta(hours=23))
    assert len(told(3)) == 1
    Token.objects.update(expires_at=now - timedelta(minutes=1))
    assert told() == []


@pytest.mark.slow
def test_the_last_day_is_told_once_to_who_missed_the_week(amira: User, northwind: Alias) -> None:
    since = timezone.now() - timedelta(days=60)
    cast.signed_in(amira, northwind, expires_in=DAY / 2, refresh_token="", signed_in_at=since)
    assert len(told(3)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"expires_in": 3600, "refresh_token": "", "signed_in_at": timezone.now()},  # lives for an hour, every time
        {"expires_in": 6 * DAY, "refresh_token": "", "signed_in_at": timezone.now() - timedelta(days=1)},
        {"expires_in": 3600},  # renews by itself
        {"expires_in": None, "refresh_token": ""},
    ],
    ids=["an hour", "the first half of its life", "renews", "for ever"],
)
def test_nobody_is_alarmed_without_need(fields: dict[str, Any], amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, **fields)
    assert told() == []


# Not confirmed --------------------------------------------------------------------------------------------------------


def unconfirmed(user: User, alias: Alias, **fields: Any) -> None:
    cast.signed_in(user, alias, account_label="amira@northwind.example").end(reason="revoked", by_the_person=True)
    Revocation.objects.update(**{"state": "failed", "attempts": 5, "last_answer": "503", **fields})


@pytest.mark.parametrize(
    ("state", "goes_on"), [("failed", "We keep trying."), ("abandoned", "We have stopped trying.")]
)
def test_a_revoke_that_nobody_confirmed_is_told_with_the_way_to_the_providers_page(
    state: str, goes_on: str, amira: User, northwind: Alias
) -> None:
    unconfirmed(amira, northwind, state=state)
    (message,) = told(3)
    assert message.subject == "[Keyrack] Northwind CRM didn’t confirm a revoke"
    assert "remove Keyrack in your Northwind CRM settings: https://northwind.example/apps" in message.body
    assert "You were amira@northwind.example." in message.body
    assert goes_on in message.body


@pytest.mark.parametrize(
    "fields",
    [{"state": "pending"}, {"state": "confirmed"}, {"by_the_person": False}, {"dismissed_at": timezone.now()}],
    ids=["under way", "confirmed", "by an administrator", "put away"],
)
def test_what_is_under_way_or_settled_is_not_told(fields: dict[str, Any], amira: User, northwind: Alias) -> None:
    unconfirmed(amira, northwind, **fields)
    assert told() == []


def test_who_left_is_not_told_of_a_revoke(amira: User, northwind: Alias) -> None:
    unconfirmed(amira, northwind)
    deactivated(amira, northwind)
    assert told() == []


def test_a_settings_address_that_would_run_is_not_mailed(amira: User, northwind: Alias) -> None:
    ApplicationRegistry.objects.update(account_settings_url="javascript:alert(1)")
    unconfirmed(amira, northwind)
    assert "javascript" not in told()[0].body


# Misconfigured --------------------------------------------------------------------------------------------------------


@pytest.fixture
def administrators(settings: Settings) -> None:
    settings.ADMINS = [("Administrator", "admin@hub.example"), ("Administrator", "other-admin@hub.example")]


@pytest.mark.slow
def test_administrators_are_told_of_each_time_that_a_registration_stops_working(
    administrators: None, amira: User, registry: ApplicationRegistry, northwind: Alias
) -> None:
    registry.note_misconfigured("invalid_client")
    (message,) = told(3)
    assert message.to == ["admin@hub.example", "other-admin@hub.example"]
    assert message.subject == "[Keyrack] Northwind does not accept Keyrack"
    assert "invalid_client" in message.body
    assert f"http://127.0.0.1:8000/admin/integrations/applicationregistry/{registry.pk}/change/" in message.body
    registry.note_misconfigured("")
    registry.note_misconfigured("invalid_client")
    assert told() == []  # within the hour it would be a flood
    ApplicationRegistry.objects.update(alerted_at=timezone.now() - timedelta(minutes=61))
    assert len(told(2)) == 1


def test_without_administrators_it_stays_owed(registry: ApplicationRegistry, settings: Settings) -> None:
    registry.note_misconfigured("invalid_client")
    assert told() == []
    settings.ADMINS = [("Administrator", "admin@hub.example")]
    assert len(told(2)) == 1


def test_a_name_cannot_write_headers(administrators: None, registry: ApplicationRegistry) -> None:
    registry.note_misconfigured("invalid_client")
    ApplicationRegistry.objects.update(name="North\r\nBcc: everybody@hub.example")
    (message,) = told()
    assert message.subject == "[Keyrack] North Bcc: everybody@hub.example does not accept Keyrack"
    assert message.recipients() == ["admin@hub.example", "other-admin@hub.example"]


# When mail does not work ----------------------------------------------------------------------------------------------


class Away(locmem.EmailBackend):
    """A mail server that cannot be reached."""

    tries = 0

    def open(self) -> bool:
        type(self).tries += 1
        raise ConnectionRefusedError


class Picky(locmem.EmailBackend):
    """One that takes no mail for Amira, and says so with `code`."""

    code = 550

    def send_messages(self, email_messages: Any) -> int:
        for message in email_messages:
            if "amira@hub.example" in message.to:
                raise smtplib.SMTPRecipientsRefused({"amira@hub.example": (self.code, b"no")})
        return super().send_messages(email_messages)


@pytest.fixture
def backend(settings: Settings) -> Callable[[type], None]:
    def use(kind: type) -> None:
        settings.EMAIL_BACKEND = f"{__name__}.{kind.__name__}"

    return use


@pytest.mark.slow
def test_a_mail_server_that_is_away_costs_one_attempt_and_loses_nothing(
    backend: Callable[[type], None], amira: User, bob: User, northwind: Alias, settings: Settings
) -> None:
    for user in (amira, bob):
        refused(user, northwind)
    working, Away.tries = settings.EMAIL_BACKEND, 0
    backend(Away)
    assert told() == []
    assert Away.tries == 1
    assert set(Token.objects.values_list("notice", flat=True)) == {""}
    settings.EMAIL_BACKEND = working
    assert len(told(2)) == 2


@pytest.fixture
def mail_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    settings.EMAIL_BACKEND, settings.EMAIL_TIMEOUT = "foundation.smtp_delivery.SMTPBackend", 1
    with MailServer() as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["hangs_for", "hangs_up_for"])
def test_a_mail_that_the_server_never_answers_holds_up_nobody_else(
    fault: str, amira: User, bob: User, northwind: Alias, mail_server: MailServer, administrators: None
) -> None:
    """Such as one that its filter chokes on. The mail to administrators is always the first."""
    setattr(mail_server, fault, {"admin@hub.example", "other-admin@hub.example"})
    ApplicationRegistry.objects.update(misconfigured_code="invalid_client", misconfigured_at=timezone.now())
    for user in (amira, bob):
        refused(user, northwind)
    tasks.send_notices()
    assert set(mail_server.taken) == {"amira@hub.example", "bob@hub.example"}
    assert DeferredMail.objects.count() == 1


def test_a_mail_server_that_hangs_up_on_everybody_costs_two_attempts_and_loses_nothing(
    amira: User, bob: User, registry: ApplicationRegistry, northwind: Alias, mail_server: MailServer
) -> None:
    people = [amira, bob, *(cast.person(f"person{number}") for number in range(4))]
    for user in people:
        refused(user, northwind)
    mail_server.hangs_up_for = {user.email for user in people}
    tasks.send_notices()
    assert DeferredMail.objects.count() == 2
    mail_server.hangs_up_for = set()
    DeferredMail.objects.update(next_attempt_at=timezone.now())
    tasks.send_notices()
    assert sorted(mail_server.taken) == sorted(user.email for user in people)
    assert DeferredMail.objects.count() == 0


@pytest.mark.slow
@pytest.mark.parametrize(("code", "is_owed"), [(550, False), (450, True)])
def test_an_address_that_is_refused_holds_up_nobody_else(
    code: int,
    is_owed: bool,
    backend: Callable[[type], None],
    monkeypatch: pytest.MonkeyPatch,
    amira: User,
    bob: User,
    northwind: Alias,
) -> None:
    monkeypatch.setattr(Picky, "code", code)
    backend(Picky)
    for user in (amira, bob):
        refused(user, northwind)
    assert [message.to for message in told(2)] == [["bob@hub.example"]]
    assert (Token.objects.get(user=amira).notice == "") == is_owed


def test_deferred_mails_of_many_keep_nobody_else_from_being_read(
    amira: User, bob: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "READ_AT_MOST", 1)
    for user in (amira, bob):
        refused(user, northwind)
    later = timezone.now() + timedelta(hours=6)
    DeferredMail.objects.create(key=f"needs_reauth:{amira.pk}", attempts=9, next_attempt_at=later)
    (message,) = told()
    assert message.to == ["bob@hub.example"]


def test_deferred_mails_about_many_registrations_keep_none_from_being_read(
    administrators: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(administrator_notices, "REGISTRIES_AT_MOST", 1)
    broken = {"misconfigured_code": "invalid_client", "misconfigured_at": timezone.now()}
    first, other = (cast.registry_at("https://northwind.example", name=name, **broken) for name in ("First", "Other"))
    later = timezone.now() + timedelta(hours=6)
    DeferredMail.objects.create(key=f"misconfigured:{first.hex}", attempts=9, next_attempt_at=later)
    (message,) = told()
    assert other.name in message.subject


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_a_mail_server_that_closes_the_connection_in_an_answer_defers_only_that_mail(
    command: str, amira: User, bob: User, northwind: Alias, mail_server: MailServer, administrators: None
) -> None:
    """421 may answer any command (RFC 5321 §3.8). The mail to administrators is always the first."""
    mail_server.closes_for = {"admin@hub.example": command, "other-admin@hub.example": command}
    ApplicationRegistry.objects.update(misconfigured_code="invalid_client", misconfigured_at=timezone.now())
    for user in (amira, bob):
        refused(user, northwind)
    tasks.send_notices()
    assert set(mail_server.taken) == {"amira@hub.example", "bob@hub.example"}
    assert DeferredMail.objects.count() == 1


def test_a_mail_server_that_takes_no_more_mails_costs_two_attempts(
    amira: User, bob: User, northwind: Alias, mail_server: MailServer
) -> None:
    people = [amira, bob, *(cast.person(f"person{number}") for number in range(4))]
    for user in people:
        refused(user, northwind)
    mail_server.closes_for = {user.email: "RCPT" for user in people}
    tasks.send_notices()
    assert DeferredMail.objects.count() == 2


@pytest.mark.parametrize(("answer", "words"), [("450 4.2.0 later", "450 4.2.0"), ("550 no", "550")])
def test_the_log_says_which_mail_was_refused_and_by_which_code_and_no_address(
    answer: str,
    words: str,
    amira: User,
    northwind: Alias,
    mail_server: MailServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused(amira, northwind)
    mail_server.refuses = {"amira@hub.example": f"{answer}: amira@hub.example"}
    tasks.send_notices()
    assert f"mail needs_reauth:{amira.pk} " in caplog.text
    assert f"(SMTPRecipientsRefused {words})" in caplog.text
    assert "amira@" not in caplog.text


@pytest.mark.parametrize("moment", ["between two mails", "during a mail"])
def test_a_site_that_is_held_meanwhile_owes_what_it_has_not_sent(
    moment: str, amira: User, bob: User, northwind: Alias, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is restored under the worker that sends mails."""
    for user in (amira, bob):
        refused(user, northwind)
    settings.DELIVERY_BACKEND, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, mail_outbox.HELD_MAILS
    hold = installation.State(reason=installation.Hold(text="restored"))
    kind: Any = locmem.EmailBackend if moment == "between two mails" else mail_outbox.Line
    name = "send_messages" if moment == "between two mails" else "claim"
    original = getattr(kind, name)

    def hold_after(*arguments: Any) -> Any:
        result = original(*arguments)
        installation.set_state(hold)
        return result

    monkeypatch.setattr(kind, name, hold_after)
    assert len(told()) == (1 if moment == "between two mails" else 0)
    assert Token.objects.filter(notice="needs_reauth").count() == len(mail.outbox)
    monkeypatch.undo()
    installation.set_state(installation.State())
    assert len(told()) == (1 if moment == "between two mails" else 2)
