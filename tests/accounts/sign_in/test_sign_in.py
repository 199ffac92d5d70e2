"""Signing in by password, password changes and sessions. One message for all failures."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import get_hasher
from django.core import mail
from django.core.cache import cache
from django.test import Client
from kombu.exceptions import OperationalError
from pytest_django import Settings

from accounts import tasks
from accounts.models import User
from accounts.sign_in.models import AttemptCounter
from accounts.templatetags import account_security
from tests import canaries, cast, walks
from tests.accounts import programs, proofs
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

WRONG = "CANARY-wrong-password"
NEW = "CANARY-a-new-passphrase"


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    cache.clear()


def sign_in(name: str, password: str = cast.PASSWORD, client: Client | None = None, **fields: str) -> Any:
    return (client or Client()).post("/accounts/login/", {"username": name, "password": password, **fields})


def is_in(client: Client) -> bool:
    return client.get("/accounts/sessions/").status_code == 200


@pytest.mark.parametrize("name", ["amira", "AMIRA", " amira ", "amira@hub.example", "Amira@Hub.Example"])
def test_a_person_signs_in_by_any_spelling_of_the_name_and_by_address(name: str, amira: User) -> None:
    assert sign_in(name)["Location"] == "/integrations/"


def test_the_fields_have_the_names_that_browsers_know_and_those_of_allauth(amira: User) -> None:
    page = walks.words(Client().get("/accounts/login/"))
    assert 'name="username"' in page
    assert Client().post("/accounts/login/", {"login": "amira", "password": cast.PASSWORD}).status_code == 302


def test_an_address_that_is_not_confirmed_signs_nobody_in(amira: User, bob: User) -> None:
    EmailAddress.objects.create(user=bob, email="somebody@else.example", verified=False)
    assert sign_in("somebody@else.example").status_code == 200


def test_an_address_of_two_people_signs_in_neither(amira: User, bob: User) -> None:
    User.objects.update(email="both@hub.example")
    assert sign_in("both@hub.example").status_code == 200


@pytest.mark.parametrize("password", [WRONG, f" {cast.PASSWORD}", f"{cast.PASSWORD} ", "x" * 4096, "\0", "é" * 300])
def test_everything_wrong_is_told_in_the_same_words(password: str, amira: User) -> None:
    for name in ("amira", "amira@hub.example", "nobody", "nobody@hub.example", "a\0b", "x" * 4096):
        answer = sign_in(name, password)
        page = walks.words(answer)
        assert answer.status_code == 200
        assert "Please enter a correct username and password." in page or "Null characters are not allowed." in page
        assert "CANARY" not in page


def test_unknown_names_cost_as_many_hashes_as_known_ones(amira: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts hashes, not time: one for every name."""
    hasher, hashed = type(get_hasher()), []
    hash_it = hasher.encode

    def encode(self: Any, password: str, *salt: str) -> str:
        hashed.append(password)
        return str(hash_it(self, password, *salt))

    monkeypatch.setattr(hasher, "encode", encode)
    for name in ("amira", "amira@hub.example", "nobody", "nobody@hub.example"):
        sign_in(name, WRONG)
    assert hashed == [WRONG] * 4


def test_spellings_and_the_address_count_as_one_person(amira: User, settings: Settings) -> None:
    for name in ("amira", "AMIRA", "amira@hub.example"):
        sign_in(name, WRONG)
    assert AttemptCounter.objects.get(pk="name amira").failures == 3
    assert not AttemptCounter.objects.filter(pk__startswith="unknown").exists()


def test_who_is_deactivated_reads_it_only_with_the_right_password(amira: User) -> None:
    User.objects.update(is_active=False)
    assert sign_in("amira")["Location"] == "/accounts/inactive/"
    assert "deactivated" in walks.words(Client().get("/accounts/inactive/"))
    assert "deactivated" not in walks.words(sign_in("amira", WRONG))


def test_deactivating_ends_the_sessions(amira: User) -> None:
    browser = Client()
    sign_in("amira", client=browser)
    assert is_in(browser)
    User.objects.update(is_active=False)
    assert not is_in(browser)


def test_nobody_makes_an_account(client: Client) -> None:
    for path in ("/accounts/signup/", "/accounts/2fa/webauthn/signup/", "/accounts/3rdparty/", "/accounts/login/code/"):
        assert client.get(path).status_code == 404


def test_no_token_signs_in_or_reaches_an_account_page(amira: User) -> None:
    """Tokens cannot create tokens: these pages accept sessions only."""
    programs.program()
    token = programs.granted(client_of(amira))["access_token"]
    bearer = Client(headers={"Authorization": f"Bearer {token}"})
    for path in ("sessions/", "password/change/", "email/", "2fa/", "2fa/totp/activate/", "2fa/webauthn/add/"):
        answer = bearer.get(f"/accounts/{path}")
        assert (answer.status_code, answer["Location"][:16]) == (302, "/accounts/login/"), path


# Sessions


def test_a_person_sees_where_they_are_signed_in_and_ends_it_there(amira: User) -> None:
    this_browser, other_browser = Client(headers={"User-Agent": "Here"}), Client(headers={"User-Agent": "There"})
    for browser in (this_browser, other_browser):
        sign_in("amira", client=browser)
    page = walks.words(this_browser.get("/accounts/sessions/"))
    assert "Here" in page
    assert "There" in page
    session = UserSession.objects.get(user_agent="There")
    assert this_browser.post(f"/accounts/sessions/{session.pk}/end/").status_code == 302
    assert (is_in(this_browser), is_in(other_browser)) == (True, False)


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML) Chrome/156.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/156.0 Safari/537.36 Edg/156.0", "Edge on Windows"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "An unknown browser"),
    ],
)
def test_browsers_are_told_in_words(user_agent: str, words: str) -> None:
    assert account_security.browser(user_agent) == words


def test_a_session_that_began_elsewhere_is_listed_too(amira: User) -> None:
    assert "This browser" in walks.words(client_of(amira).get("/accounts/sessions/"))


def test_nobody_ends_anybody_elses_session(amira: User, bob: User) -> None:
    browser = Client()
    sign_in("amira", client=browser)
    session = UserSession.objects.get(user=amira)
    assert client_of(bob).post(f"/accounts/sessions/{session.pk}/end/").status_code == 404
    assert is_in(browser)


def test_signing_out_everywhere_else_ends_programs_too(amira: User) -> None:
    programs.program()
    tokens = programs.granted(client_of(amira))
    this_browser, other_browser = Client(), Client()
    for browser in (this_browser, other_browser):
        sign_in("amira", client=browser)
    this_browser.post("/accounts/sessions/")
    assert (is_in(this_browser), is_in(other_browser)) == (True, False)
    assert programs.refresh(tokens["refresh_token"]).status_code == 400


# Passwords


def test_a_new_password_ends_all_other_sessions_and_what_programs_hold(amira: User) -> None:
    programs.program()
    tokens = programs.granted(client_of(amira))
    this_browser, other_browser = Client(), Client()
    for browser in (this_browser, other_browser):
        sign_in("amira", client=browser)
    fields = {"oldpassword": cast.PASSWORD, "password1": NEW, "password2": NEW}
    assert this_browser.post("/accounts/password/change/", fields).status_code == 302
    assert (is_in(this_browser), is_in(other_browser)) == (True, False)
    assert programs.refresh(tokens["refresh_token"]).status_code == 400
    assert sign_in("amira", NEW).status_code == 302


def test_the_present_password_cannot_be_guessed_from_a_stolen_session(amira: User, settings: Settings) -> None:
    settings.SIGN_IN_ATTEMPTS = 4
    browser = client_of(amira)
    for _ in range(4):
        browser.post("/accounts/password/change/", {"oldpassword": WRONG, "password1": NEW, "password2": NEW})
    fields = {"oldpassword": cast.PASSWORD, "password1": NEW, "password2": NEW}
    assert browser.post("/accounts/password/change/", fields).status_code == 429
    assert sign_in("amira").status_code == 429
    assert "CANARY" not in str(AttemptCounter.objects.values())


def test_the_admins_own_password_page_leads_to_the_sites(admin: User) -> None:
    assert client_of(admin).get("/admin/password_change/")["Location"] == "/accounts/password/change/"


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Arguments of the mail tasks that were queued."""
    arguments: list[tuple[int, int]] = []
    monkeypatch.setattr(
        tasks.send_password_link, "apply_async", lambda task_arguments, **_options: arguments.append(task_arguments)
    )
    return arguments


@pytest.mark.parametrize("has_page", [True, False])
def test_a_forgotten_password_is_replaced_by_a_link_of_this_site_that_works_once(
    has_page: bool, amira: User, queued: list[tuple[int, int]]
) -> None:
    if has_page:
        EmailAddress.objects.create(user=amira, email="amira@hub.example", primary=True)
    response = Client().post("/accounts/password/reset/", {"email": "Amira@hub.example"})
    assert response["Location"] == "/accounts/password/reset/done/"
    assert not mail.outbox  # a page that waited for the mail server would tell who is here
    tasks.send_password_link(*queued.pop())
    [letter] = mail.outbox
    assert letter.to == ["amira@hub.example"]
    link = re.findall(r"http://127\.0\.0\.1:8000(/\S+)", str(letter.body))[0]
    browser = Client()
    form = browser.get(link)["Location"]
    assert browser.post(form, {"password1": NEW, "password2": NEW}).status_code == 302
    assert sign_in("amira", NEW).status_code == 302
    assert "no longer valid" in walks.words(Client().get(link))


def test_asking_for_a_link_does_not_tell_who_is_here(amira: User, queued: list[tuple[int, int]]) -> None:
    answers = [
        Client().post("/accounts/password/reset/", {"email": f"{name}@hub.example"}) for name in ("amira", "nobody")
    ]
    assert {answer["Location"] for answer in answers} == {"/accounts/password/reset/done/"}
    assert [user_id for user_id, _address_id in queued] == [amira.pk]


def test_the_queue_holds_ids_and_nothing_else_of_it(amira: User, settings: Settings) -> None:
    queue = Path(settings.DATA_DIR, "queue")
    before = {*queue.rglob("*.msg")}
    Client().post("/accounts/password/reset/", {"email": "amira@hub.example"})
    [message] = {*queue.rglob("*.msg")} - before
    content = json.loads(message.read_bytes())
    message.unlink()  # no worker of another test shall find it
    assert content["headers"]["task"] == "accounts.send_password_link"
    assert json.loads(base64.b64decode(content["body"]))[0][0] == amira.pk
    assert not any(canaries.finds(text, json.dumps(content)) for text in ("amira@hub.example", "/reset/key/"))


def test_no_link_is_sent_to_who_was_deactivated_meanwhile(amira: User) -> None:
    User.objects.update(is_active=False)
    tasks.send_password_link(amira.pk, 0)
    assert not mail.outbox


def test_a_queue_that_is_away_breaks_no_page(amira: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_given: Any, **_options: Any) -> None:
        raise OperationalError

    monkeypatch.setattr(tasks.send_password_link, "apply_async", away)
    assert Client().post("/accounts/password/reset/", {"email": "amira@hub.example"}).status_code == 302


def test_where_no_mail_is_sent_the_page_says_whom_to_ask(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert "Ask your administrator for a new password." in walks.words(Client().get("/accounts/password/reset/"))


def test_no_link_is_written_to_a_console_instead_of_sent(
    amira: User, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    browser = proofs.just_shown(client_of(amira), amira)
    browser.post("/accounts/email/", {"email": "other@hub.example", "action_add": ""})
    assert "/accounts/confirm-email/" not in capsys.readouterr().out


def test_a_mail_server_that_is_away_breaks_no_page(amira: User, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    fields = {"oldpassword": cast.PASSWORD, "password1": NEW, "password2": NEW}
    assert client_of(amira).post("/accounts/password/change/", fields).status_code == 302
    assert sign_in("amira", NEW).status_code == 302


def test_addresses_are_changed_by_who_has_just_shown_the_password(amira: User) -> None:
    browser = client_of(amira)
    assert browser.get("/accounts/email/")["Location"].startswith("/accounts/reauthenticate/?next=")
    proofs.just_shown(browser, amira)
    assert "amira@hub.example" in walks.words(browser.get("/accounts/email/"))
    browser.post("/accounts/email/", {"email": "other@hub.example", "action_add": ""})
    link = re.findall(r"http://127\.0\.0\.1:8000(/\S+)", str(mail.outbox[-1].body))[0]
    assert "other@hub.example" in walks.words(browser.get(link))
    browser.post(link)
    assert EmailAddress.objects.get(email="other@hub.example").verified
