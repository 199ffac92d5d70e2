"""Programs that wait for an administrator: who gets a mail about them, and how many."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import timezone

from accounts import tasks
from accounts.models import User
from accounts.oauth_server.models import Application
from tests.accounts.programs import authorize_url

pytestmark = pytest.mark.django_db

Mailbox = list[EmailMessage]


def ask_for(browser: Client, *hosts: str) -> None:
    """Make programs of these hosts wait, since some minutes ago."""
    for host in hosts:
        page = browser.get(authorize_url(client_id=f"https://{host}/you-are-locked-out.json"))
        assert page.status_code == 403
    Application.objects.filter(created__gt=timezone.now() - timedelta(minutes=1)).update(
        created=timezone.now() - timedelta(minutes=2)
    )


def let_pass(**time: float) -> None:
    Application.objects.update(created=timezone.now() - timedelta(**time))
    User.objects.exclude(told_of_programs_at=None).update(told_of_programs_at=timezone.now() - timedelta(**time))


@pytest.fixture
def decider(db: None) -> User:
    """An OAuth Admin who reads German."""
    user = User.objects.create_user("decider", "decider@example.org", is_staff=True, language="de")
    user.groups.add(Group.objects.get(name="OAuth Admin"))
    return user


def test_each_administrator_who_may_decide_gets_one_mail_in_their_language(
    as_amira: Client, decider: User, mailoutbox: Mailbox
) -> None:
    root = User.objects.create_superuser("root", "root@example.org")
    for name, role in (("auditor", "Auditor"), ("no-staff", "OAuth Admin"), ("gone", "OAuth Admin")):
        user = User.objects.create_user(name, f"{name}@example.org", is_staff=name != "no-staff")
        user.groups.add(Group.objects.get(name=role))
    User.objects.filter(username="gone").update(is_active=False)
    ask_for(as_amira, "editor.example", "agent.example")
    tasks.send_notices()
    tasks.send_notices()
    mails = {mail.to[0]: mail for mail in mailoutbox}
    assert len(mailoutbox) == 2
    assert set(mails) == {decider.email, root.email}
    text = str(mails[root.email].body)
    assert "2 programs wait for your decision" in mails[root.email].subject
    assert "Programme warten" in mails[decider.email].subject
    for mail in mailoutbox:
        for expected in ("editor.example", "agent.example", "/admin/accounts/application/?standing__exact=waiting"):
            assert expected in mail.body
    assert "you-are-locked-out" not in text  # a stranger may have chosen the path


@pytest.mark.slow
def test_many_hosts_are_one_mail_and_the_next_is_hours_later(
    as_amira: Client, decider: User, mailoutbox: Mailbox
) -> None:
    ask_for(as_amira, "first.example")
    tasks.send_notices()
    ask_for(as_amira, *(f"host-{number}.example" for number in range(9)))
    for _run in range(3):
        tasks.send_notices()
    assert len(mailoutbox) == 1
    let_pass(hours=7)
    tasks.send_notices()
    assert len(mailoutbox) == 1  # nothing has come since
    as_amira.get(authorize_url(client_id="https://first.example/you-are-locked-out.json"))  # once more
    tasks.send_notices()
    assert len(mailoutbox) == 1


def test_the_next_mail_names_only_what_is_new(as_amira: Client, decider: User, mailoutbox: Mailbox) -> None:
    ask_for(as_amira, "first.example")
    tasks.send_notices()
    let_pass(hours=7)
    ask_for(as_amira, "second.example")
    tasks.send_notices()
    assert len(mailoutbox) == 2
    assert "second.example" in mailoutbox[1].body
    assert "first.example" not in mailoutbox[1].body


def test_there_is_no_mail_about_what_has_been_decided(as_amira: Client, decider: User, mailoutbox: Mailbox) -> None:
    ask_for(as_amira, "editor.example")
    Application.objects.update(standing="blocked")
    tasks.send_notices()
    assert not mailoutbox
    ask_for(as_amira, "agent.example")
    tasks.send_notices()
    assert len(mailoutbox) == 1
    assert "editor.example" not in mailoutbox[0].body


def test_a_row_that_has_just_come_waits_for_those_that_came_before_it(
    as_amira: Client, decider: User, mailoutbox: Mailbox
) -> None:
    as_amira.get(authorize_url(client_id="https://editor.example/client.json"))
    tasks.send_notices()
    assert not mailoutbox
    assert User.objects.get(pk=decider.pk).told_of_programs_at is None


def test_a_long_list_is_cut_in_the_mail(as_amira: Client, decider: User, mailoutbox: Mailbox) -> None:
    ask_for(as_amira, "host-00.example")
    program = Application.objects.get()
    for number in range(1, 25):
        program.pk, program.client_id = None, f"https://host-{number:02}.example/client.json"
        program.save(force_insert=True)
    Application.objects.update(created=timezone.now() - timedelta(minutes=2))
    tasks.send_notices()
    assert mailoutbox[0].body.count(".example\n") == 20
    assert "host-20.example" not in mailoutbox[0].body
    assert "5 weitere Hosts" in mailoutbox[0].body


def test_the_person_does_not_read_that_somebody_was_told(as_amira: Client) -> None:
    page = as_amira.get(authorize_url(client_id="https://editor.example/client.json")).content.decode()
    assert "Administrators see that you asked" in page
    assert "told" not in page
    assert "mail" not in page
