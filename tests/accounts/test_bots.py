"""Bots: accounts without a password or a sign-in, made within ranks. Their owners get the mails."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.access_tokens import notices
from accounts.audit.models import Event
from accounts.models import User
from accounts.sign_in import adapters, backends
from integrations.connections import notices as connection_notices
from integrations.models import Token
from tests import cast, walks
from tests.accounts import proofs, tokens
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db

USERS = "/admin/accounts/user/"


def test_a_bot_signs_in_by_no_way(amira: User) -> None:
    browser = proofs.just_shown(client_of(amira), amira)
    assert browser.get("/integrations/").status_code == 200
    User.objects.filter(pk=amira.pk).update(password="!", is_bot=True)  # with all that a person has set up
    assert browser.get("/integrations/")["Location"].startswith("/accounts/login/")
    amira.refresh_from_db()
    assert client_of(amira).get("/accounts/security/").status_code == 302
    assert not backends.Backend().user_can_authenticate(amira)
    adapters.send_password_link(amira.pk, 0)
    assert mail.outbox == []


def test_no_way_gives_a_bot_a_password(db: None) -> None:
    bot = cast.bot("nightly")
    bot.set_password(cast.PASSWORD)
    with pytest.raises(IntegrityError), transaction.atomic():
        bot.save()


@pytest.mark.slow
def test_administrators_make_bots_and_turn_accounts_into_bots(admin: User, amira: User, bob: User) -> None:
    browser = client_of(admin)
    typed = {"username": "nightly", "is_bot": "on", "password1": "CANARY-typed-1", "password2": "CANARY-typed-1"}
    assert browser.post(f"{USERS}add/", {**typed, "usable_password": "true"}).status_code == 302
    bot = User.objects.get(username="nightly")
    assert (bot.is_bot, bot.has_usable_password()) == (True, False)
    assert browser.get(f"{USERS}{bot.pk}/password/").status_code == 302
    form = {"username": "nightly", "is_bot": "on", "is_active": "on", "owners": [bob.pk]}
    assert browser.post(f"{USERS}{bot.pk}/change/", form).status_code == 302
    assert [*bot.owners.all()] == [bob]
    assert "owners" in Event.objects.filter(whose=bot).latest("at").detail
    session = client_of(amira)
    form = {"username": "amira", "is_bot": "on", "is_active": "on"}
    assert browser.post(f"{USERS}{amira.pk}/change/", form).status_code == 302
    assert not User.objects.get(pk=amira.pk).has_usable_password()
    assert session.get("/integrations/").status_code == 302
    people = {user.username for user in browser.get(f"{USERS}?is_bot__exact=1").context["cl"].result_list}
    assert people == {"nightly", "amira"}


@pytest.mark.slow
def test_a_weaker_administrator_makes_bots_of_their_own_rank_only(db: None) -> None:
    weak = tokens.permitted("weak", "accounts.add_user", "accounts.view_user", "accounts.change_user")
    User.objects.filter(pk=weak.pk).update(is_staff=True)
    browser, finance = client_of(weak), Group.objects.create(name="Finance")
    assert browser.post(f"{USERS}add/", {"username": "own", "is_bot": "on"}).status_code == 302
    own, strong = User.objects.get(username="own"), cast.bot("strong")
    form = {"username": "own", "is_bot": "on", "is_active": "on", "groups": [finance.pk]}
    assert browser.post(f"{USERS}{own.pk}/change/", form).status_code == 200  # comes back with an error
    strong.groups.add(finance)
    assert browser.post(f"{USERS}{strong.pk}/change/", {"username": "mine"}).status_code == 403


# Mails ----------------------------------------------------------------------------------------------------------------


def sent() -> list[tuple[list[str], str]]:
    mails = [(each.to, str(each.subject)) for each in mail.outbox]
    mail.outbox.clear()
    return mails


def test_mails_about_a_bots_token_go_to_its_owners_and_the_tokens_maker(admin: User, amira: User, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    bot = cast.bot("nightly", amira, bob)
    row, _secret = tokens.make_token(bot, by=admin)
    notices.send_due()
    text = str(mail.outbox[0].body)
    assert "This is about the bot" in text
    assert f"/accounts/users/{bot.pk}/security/" in text
    both = ["admin@hub.example", "amira@hub.example"]
    assert sent() == [(both, "[Keyrack] A permanent token was created for the bot nightly")]
    type(row).objects.update(created_at=timezone.now() - timedelta(days=90), expires_at=timezone.now() + timedelta(3))
    notices.send_due()
    assert [to for to, _subject in sent()] == [both]
    type(row).objects.update(ended_because="leaked", ended_at=timezone.now())
    notices.send_due()
    assert [to for to, _subject in sent()] == [both]
    notices.send_due()
    assert sent() == []


def test_nothing_counts_as_sent_while_nobody_can_be_mailed(admin: User, amira: User) -> None:
    User.objects.filter(pk=admin.pk).update(email="")
    bot = cast.bot("nightly", email="nightly@hub.example")
    tokens.make_token(bot, by=admin)
    bot.owners.add(cast.bot("weekly", email="weekly@hub.example"))
    notices.send_due()
    assert sent() == []
    bot.owners.add(amira)
    notices.send_due()
    assert [to for to, _subject in sent()] == [["amira@hub.example"]]


@pytest.mark.slow
def test_mails_about_a_bots_connections_go_to_its_owners(amira: User, server: HostileServer) -> None:
    alias = walks.northwind(server)
    bot, orphan = cast.bot("nightly", amira), cast.bot("orphan")
    for user in (bot, orphan):
        cast.signed_in(user, alias, state="needs_reauth", failure_code="invalid_grant")
    connection_notices.send_due()
    text = str(mail.outbox[0].body)
    assert "connect link" in text
    assert "oauth_initiator" not in text
    assert sent() == [(["amira@hub.example"], "[Keyrack] nightly: Sign in to Northwind CRM again")]
    assert Token.objects.get(user=orphan).notice == ""
    Token.objects.update(
        state="valid", notice="", failure_code="", refresh_token=None,
        expires_at=timezone.now() + timedelta(hours=5), signed_in_at=timezone.now() - timedelta(days=5),
    )  # fmt: skip
    connection_notices.send_due()
    assert [to for to, _subject in sent()] == [["amira@hub.example"]]


@pytest.mark.slow
def test_the_page_promises_a_mail_only_to_who_gets_one(admin: User, amira: User, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    bot = cast.bot("nightly", amira)
    browser = proofs.just_shown(client_of(admin), admin)
    address = f"/accounts/users/{bot.pk}/security/tokens/new/"
    assert "goes to admin@hub.example, amira@hub.example." in browser.get(address).content.decode()
    User.objects.update(email="")
    assert "A mail about it" not in browser.get(address).content.decode()


def test_a_bots_page_says_what_it_is(admin: User) -> None:
    page = client_of(admin).get(f"/accounts/users/{cast.bot('nightly').pk}/security/").content.decode()
    assert "This is a bot" in page


def test_account_security_of_a_bot_speaks_of_the_bot_and_not_of_the_reader(admin: User) -> None:
    page = client_of(admin).get(f"/accounts/users/{cast.bot('nightly').pk}/security/").content.decode()
    assert "A bot has none. It works with permanent tokens." in page
    assert "Two-step sign-in is off." not in page
    for words in ("act as you", "signs you in"):
        assert words not in page
        assert words in client_of(admin).get("/accounts/security/").content.decode()
