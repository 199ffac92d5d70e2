"""Reminders: an administrator mails those who have something to do, and nobody twice within a week."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends import locmem
from django.utils import timezone

from accounts.models import User
from foundation import mail_outbox
from foundation.mail_outbox import DeferredMail
from integrations.connections import notices, reminders, tasks
from integrations.connections.reminders import ReminderCount
from integrations.models import Alias, ApplicationRegistry, Event, EventKind, HttpConnection, Reminder, Token
from tests import cast, walks

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def northwind(db: None) -> Alias:
    return cast.integration_at(cast.registry_at("https://northwind.example"))


def ended(user: User, alias: Alias, *, ago: timedelta = 30 * DAY, **fields: Any) -> Token:
    """A sign-in that has ended, and whose owner was told of it then."""
    dead = {"state": "needs_reauth", "failure_code": "invalid_grant", "failed_at": timezone.now() - ago}
    return cast.signed_in(user, alias, **{**dead, "notice": notices.SIGN_IN_AGAIN, **fields})


def remind() -> ReminderCount:
    return reminders.remind_people(ApplicationRegistry.objects.get())


def sent() -> list[mail.EmailMessage]:
    mail.outbox.clear()
    tasks.send_notices()
    return list(mail.outbox)


@pytest.mark.slow
def test_who_must_sign_in_again_gets_one_mail_that_says_where(amira: User, northwind: Alias) -> None:
    ended(amira, northwind, account_label="amira@northwind.example")
    assert sent() == []
    assert remind() == ReminderCount(mailed=1, others=0)
    (message,) = sent()
    assert (message.to, message.subject) == (["amira@hub.example"], "[Keyrack] Northwind CRM needs you")
    assert "Sign in to Northwind CRM again." in message.body
    assert "Your account there: amira@northwind.example" in message.body
    assert f"http://127.0.0.1:8000{walks.start_url(northwind)}\n" in message.body
    assert "CANARY" not in message.body
    assert sent() == []


def test_who_has_not_confirmed_a_new_address_is_led_to_the_page_that_asks(amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    connection = HttpConnection.objects.get()
    connection.connection_url = "https://elsewhere.example/api"
    connection.save()
    assert remind() == ReminderCount(mailed=1, others=0)
    (message,) = [each for each in sent() if each.to == ["amira@hub.example"]]
    assert "Confirm the new address of Northwind CRM." in message.body
    assert f"http://127.0.0.1:8000/integrations/{northwind.hex}/confirm-address/\n" in message.body


@pytest.mark.slow
def test_nobody_is_mailed_twice_within_a_week(amira: User, northwind: Alias) -> None:
    ended(amira, northwind)
    remind()
    assert remind() == ReminderCount(mailed=0, others=1)
    assert len(sent()) == 1
    assert remind() == ReminderCount(mailed=0, others=1)
    Reminder.objects.update(asked_at=timezone.now() - 8 * DAY)
    assert remind() == ReminderCount(mailed=1, others=0)
    assert len(sent()) == 1
    assert Reminder.objects.count() == 1


def test_the_mail_that_is_sent_by_itself_counts(amira: User, northwind: Alias) -> None:
    ended(amira, northwind, ago=2 * DAY)
    assert remind() == ReminderCount(mailed=0, others=1)


def test_who_is_about_to_be_told_anyway_gets_no_second_mail(amira: User, northwind: Alias) -> None:
    ended(amira, northwind, ago=timedelta(seconds=10), notice="")
    assert remind() == ReminderCount(mailed=0, others=1)
    assert [message.subject for message in sent()] == ["[Keyrack] Sign in to Northwind CRM again"]


@pytest.mark.slow
def test_all_mails_of_a_task_share_the_time_of_one_run(
    amira: User, bob: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a slow mail server would take the task beyond its limit, and a mail that is recorded as sent with it."""
    ended(amira, northwind)
    remind()
    ended(bob, northwind, notice="")
    send_messages, clock = locmem.EmailBackend.send_messages, [0.0]
    monkeypatch.setattr(mail_outbox, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def send_slowly(*arguments: Any) -> int:
        clock[0] += 2 * mail_outbox.RUN_SECONDS
        return send_messages(*arguments)

    monkeypatch.setattr(locmem.EmailBackend, "send_messages", send_slowly)
    assert [message.to for message in sent()] == [["bob@hub.example"]]
    assert [message.to for message in sent()] == [["amira@hub.example"]]


def test_left_out_are_people_without_an_address_and_those_who_may_not_use_it(
    amira: User, bob: User, northwind: Alias
) -> None:
    ended(amira, northwind)
    User.objects.filter(pk=amira.pk).update(email="")
    ended(bob, northwind)
    bob.groups.clear()
    assert remind() == ReminderCount(mailed=0, others=2)
    assert sent() == []


def test_all_is_well_with_the_others(amira: User, bob: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    ended(bob, northwind)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert remind() == ReminderCount(mailed=0, others=0)


def test_who_has_signed_in_meanwhile_gets_no_mail_and_may_be_reminded_of_the_next_end(
    amira: User, northwind: Alias
) -> None:
    token = ended(amira, northwind)
    remind()
    Token.objects.filter(pk=token.pk).update(state="valid", failure_code="", failed_at=None)
    assert sent() == []
    assert not Reminder.objects.exists()


@pytest.mark.slow
def test_a_mail_that_could_not_be_sent_stays_promised(
    amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(amira, northwind)
    remind()
    with monkeypatch.context() as broken:
        broken.setattr(mail.EmailMessage, "send", lambda _self: 1 / 0)
        tasks.send_notices()
    assert Reminder.objects.due().exists()
    DeferredMail.objects.update(next_attempt_at=timezone.now())
    assert len(sent()) == 1


def test_the_owner_of_a_bot_is_told_what_the_bot_needs(amira: User, northwind: Alias) -> None:
    ended(cast.bot("robot", amira), northwind)
    assert remind() == ReminderCount(mailed=1, others=0)
    (message,) = sent()
    assert (message.to, message.subject) == (["amira@hub.example"], "[Keyrack] robot: Northwind CRM needs you")
    assert "The bot has to be connected to Northwind CRM again." in message.body


def test_the_audit_log_says_how_many_were_asked(amira: User, northwind: Alias) -> None:
    ended(amira, northwind)
    remind()
    event = Event.objects.get(kind=EventKind.REMINDED)
    assert (event.subject, event.detail) == ("Northwind", "People: 1")


def test_two_integrations_are_one_mail(amira: User, northwind: Alias) -> None:
    ended(amira, northwind)
    ended(amira, cast.integration_at(ApplicationRegistry.objects.get(), name="second"))
    assert remind() == ReminderCount(mailed=1, others=0)
    (message,) = sent()
    assert message.subject == "[Keyrack] 2 integrations need you"
