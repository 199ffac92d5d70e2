"""Account Security: the pages of the user and of others, and secrets that are shown once."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.access_tokens import operations
from accounts.access_tokens.models import ApplicationPassword, PermanentToken, lock_owner
from accounts.audit.models import Event
from accounts.models import User
from accounts.security_pages import views
from tests import cast
from tests.accounts import proofs
from tests.conftest import client_of

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

PAGE = "/accounts/security/"
NEW = f"{PAGE}tokens/new/"
HTMX = {"HX-Request": "true"}
CHOSEN = {"name": "nightly-report", "scopes": ["integrations:read"], "expires": "90"}
FEW = ("accounts.change_user", "accounts.add_permanenttoken", "accounts.delete_permanenttoken")


@pytest.fixture
def browser(amira: User) -> Client:
    """A client of Amira, who has just authenticated."""
    return proofs.just_shown(client_of(amira), amira)


@pytest.fixture
def helper(db: None) -> User:
    user = cast.person("helper")
    names = [name.partition(".")[2] for name in FEW]
    user.user_permissions.set(Permission.objects.filter(codename__in=names, content_type__app_label="accounts"))
    return user


@pytest.fixture
def desk(helper: User) -> Client:
    return proofs.just_shown(client_of(helper), helper)


def of(user: User, below: str = "") -> str:
    return f"/accounts/users/{user.pk}/security/{below}"


def make_token(user: User, by: User | None = None, **fields: Any) -> PermanentToken:
    chosen = {"name": "laptop-cli", "scopes": ["integrations:read"], "expires_at": None, **fields}
    return operations.make_token(user, by=by or user, **chosen)[0]


def words(response: Any) -> str:
    assert response.status_code == 200, response
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def secret_on(response: Any) -> str:
    outputs = re.findall(r"<output[^>]*>([^<]+)</output>", response.content.decode())
    assert len(outputs) == 1
    return str(outputs[0])


# Once -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_token_is_shown_once_and_never_again(headers: dict[str, str], browser: Client) -> None:
    answer = browser.post(NEW, CHOSEN, headers=headers)
    secret = secret_on(answer)
    assert operations.verify_token(secret)
    assert "It is shown only this once" in words(answer)
    assert "no-store" in answer["Cache-Control"]
    assert "Location" not in answer
    assert not answer.cookies.get("messages")
    assert secret not in str(dict(browser.session))
    for again in (browser.get(PAGE), browser.get(NEW), browser.post(NEW, CHOSEN, headers=headers)):
        assert secret not in again.content.decode()
    assert PermanentToken.objects.count() == 1  # a form that is sent again makes none


def test_the_form_chooses_no_scope_and_says_until_when(browser: Client) -> None:
    page = browser.get(NEW).content.decode()
    assert 'type="checkbox"' in page
    assert re.findall(r'value="([^"]*)" checked', page) == ["none"]
    assert '<option value="90" selected>90 days, until ' in page
    assert 'value="never"' not in page
    answer = browser.post(NEW, {**CHOSEN, "scopes": [], "expires": "9000"}, headers=HTMX)
    assert (answer["HX-Retarget"], answer["HX-Reswap"]) == ("#dialog", "innerHTML")
    assert "Choose at least one." in words(answer)
    for wrong in ({"scopes": ["service:nowhere"]}, {"scopes": ["*"]}, {"expires": "never"}, {"name": " "}):
        assert "errorlist" in browser.post(NEW, {**CHOSEN, **wrong}).content.decode()
    assert not PermanentToken.objects.exists()


def test_the_policy_says_how_long(browser: Client, settings: Settings) -> None:
    settings.PERMANENT_TOKEN_MAX_DAYS, settings.PERMANENT_TOKEN_MAY_NEVER_EXPIRE = 45, True
    page = browser.get(NEW).content.decode()
    assert re.findall(r'<option value="(\w+)"', page) == ["7", "30", "45", "never"]
    browser.post(NEW, {**CHOSEN, "expires": "never"})
    assert PermanentToken.objects.get().expires_at is None
    browser.post(NEW, {**CHOSEN, "name": "other", "expires": "45"})
    expires_at = PermanentToken.objects.get(name="other").expires_at
    assert expires_at
    assert abs(expires_at - timezone.now() - timedelta(days=45)) < timedelta(minutes=5)


@pytest.mark.parametrize("address", [NEW, f"{PAGE}application-passwords/new/"])
def test_making_one_takes_a_recent_proof(address: str, amira: User) -> None:
    proofs.app_of(amira)
    stale = proofs.just_shown(client_of(amira), amira, seconds_ago=301)
    for answer in (stale.get(address), stale.post(address, CHOSEN)):
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert stale.get(PAGE).status_code == 200  # looking does not
    assert not PermanentToken.objects.exists()
    assert not ApplicationPassword.objects.exists()


def test_an_application_password_is_shown_in_groups_and_only_with_two_steps(browser: Client, amira: User) -> None:
    assert "Turn on two-step sign-in first." in words(browser.get(PAGE))
    assert browser.get(f"{PAGE}application-passwords/new/").status_code == 403
    proofs.app_of(amira)
    proofs.just_shown(browser, amira)
    answer = browser.post(f"{PAGE}application-passwords/new/", {"name": "Tablet", "scopes": ["integrations:read"]})
    secret = secret_on(answer)
    assert re.fullmatch(r"([a-z2-7]{4} ){5}[a-z2-7]{4}", secret)
    assert operations.verify_application_password(amira, secret)
    assert secret not in browser.get(PAGE).content.decode()
    assert "Tablet" in words(browser.get(PAGE))


# The page -------------------------------------------------------------------------------------------------------------


def test_the_page_has_its_sections_and_what_is_in_them(browser: Client, amira: User, helper: User) -> None:
    make_token(amira)
    make_token(amira, by=helper, name="release-bot", expires_at=timezone.now() + timedelta(days=5))
    over = make_token(amira, name="over", expires_at=timezone.now() - timedelta(days=1))
    operations.end_secret(make_token(amira, name="leaked"), who=None, because="leaked")
    html = browser.get(PAGE).content.decode()
    headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", html)
    assert headings == [
        "Permanent tokens", "Application passwords", "Approved scopes", "Refresh tokens", "Signing in",
        "Recent activity", "Language and time",
    ]  # fmt: skip
    text = words(browser.get(PAGE))
    for phrase in (
        "laptop-cli",
        "No expiry",
        "Never",
        "helper Made for you:",
        "days left",
        "Expired",
        "Reported as leaked",
    ):
        assert phrase in text
    assert f"delete-{over.hex}" not in html
    assert "4 tokens." in text
    assert "Created a permanent token" in text


def test_an_old_token_that_nobody_uses_is_pointed_out(browser: Client, amira: User) -> None:
    make_token(amira)
    assert "Consider deleting" not in words(browser.get(PAGE))
    PermanentToken.objects.update(last_used_at=timezone.now() - timedelta(days=214))
    assert "Consider deleting" in words(browser.get(PAGE))


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_deleting_asks_first(headers: dict[str, str], browser: Client, amira: User) -> None:
    token = make_token(amira)
    address = f"{PAGE}tokens/{token.hex}/delete/"
    assert "Delete laptop-cli?" in words(browser.get(address, headers=headers)).replace("\u2068", "").replace(
        "\u2069", ""
    )
    assert PermanentToken.objects.alive().exists()
    answer = browser.post(address, headers=headers)
    assert answer.status_code == (200 if headers else 302)
    assert "deleted. It no longer works." in words(answer if headers else browser.get(PAGE))
    assert not PermanentToken.objects.alive().exists()
    assert browser.post(address, headers=headers).status_code == 404


def test_a_name_is_text_wherever_it_is_shown(browser: Client, amira: User) -> None:
    payload = "<img src=x onerror=alert(1)>"
    answer = browser.post(NEW, {**CHOSEN, "name": payload})
    token = PermanentToken.objects.get()
    for page in (answer, browser.get(PAGE), browser.get(f"{PAGE}tokens/{token.hex}/delete/")):
        assert "<img" not in page.content.decode()


def test_the_page_costs_as_many_queries_for_many_tokens(
    browser: Client, amira: User, helper: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        make_token(amira, by=helper, name=f"token-{number}")
    with django_assert_max_num_queries(25):
        browser.get(PAGE)


# Another person's -----------------------------------------------------------------------------------------------------


def test_another_persons_page_is_for_administrators_and_every_look_is_written_down(
    browser: Client, desk: Client, amira: User, helper: User
) -> None:
    make_token(amira)
    assert client_of(cast.person("bob")).get(of(amira)).status_code == 403
    assert browser.get(of(helper)).status_code == 403
    assert browser.get(of(User(pk=999_999))).status_code == 403  # as for those who exist
    assert desk.get(of(User(pk=999_999))).status_code == 404
    assert not Event.objects.filter(kind="looked_at").exists()
    page = words(desk.get(of(amira)))
    assert "Account security of" in page
    assert "laptop-cli" in page
    event = Event.objects.get(kind="looked_at")
    assert (event.whose, event.who, event.address) == (amira, helper, "127.0.0.1")
    assert "An administrator opened the Account Security page" in words(browser.get(PAGE))
    assert LogEntry.objects.filter(user=helper, object_id=str(amira.pk)).exists()
    assert desk.get(of(helper)).status_code == 200  # one's own needs no permission, and is no event
    assert Event.objects.filter(kind="looked_at").count() == 1


def test_an_administrator_makes_and_deletes_one_for_another(desk: Client, amira: User, helper: User) -> None:
    assert "acts as" in words(desk.get(of(amira, "tokens/new/")))
    secret = secret_on(desk.post(of(amira, "tokens/new/"), CHOSEN))
    token = operations.verify_token(secret)
    assert token
    assert (token.user, token.created_by) == (amira, helper)
    assert desk.post(of(amira, f"tokens/{token.hex}/delete/")).status_code == 302
    assert operations.verify_token(secret) is None
    deleted = Event.objects.get(kind="token_deleted")
    assert (deleted.whose, deleted.who) == (amira, helper)


def test_nobody_makes_one_for_somebody_stronger(desk: Client, admin: User) -> None:
    """No other URL works either: neither a token of their own with the other's scopes, nor an application password."""
    assert "New token" not in words(desk.get(of(admin)))
    for answer in (desk.get(of(admin, "tokens/new/")), desk.post(of(admin, "tokens/new/"), CHOSEN)):
        assert answer.status_code == 403
    assert desk.post(of(admin, "application-passwords/new/"), CHOSEN).status_code == 404
    assert not PermanentToken.objects.exists()


@pytest.mark.parametrize("missing", FEW)
def test_each_permission_opens_what_it_is_for(missing: str, helper: User, amira: User) -> None:
    token = make_token(amira)
    helper.user_permissions.remove(
        Permission.objects.get(codename=missing.partition(".")[2], content_type__app_label="accounts")
    )
    desk = proofs.just_shown(client_of(helper), helper)
    may_look = missing != "accounts.change_user"
    assert (desk.get(of(amira)).status_code == 200) is may_look
    may_make = may_look and missing != "accounts.add_permanenttoken"
    assert (desk.get(of(amira, "tokens/new/")).status_code == 200) is may_make
    may_delete = may_look and missing != "accounts.delete_permanenttoken"
    assert (desk.get(of(amira, f"tokens/{token.hex}/delete/")).status_code == 200) is may_delete


def test_ids_of_others_lead_nowhere(browser: Client, desk: Client, amira: User, helper: User) -> None:
    hers, anothers = make_token(amira), make_token(helper)
    assert browser.post(f"{PAGE}tokens/{anothers.hex}/delete/").status_code == 404
    assert browser.post(of(helper, f"tokens/{anothers.hex}/delete/")).status_code == 403
    assert desk.post(of(helper, f"tokens/{hers.hex}/delete/")).status_code == 404
    assert PermanentToken.objects.alive().count() == 2


def test_of_a_form_that_is_sent_twice_at_once_the_second_finds_the_token_of_the_first(
    browser: Client, amira: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A double click: both requests are there before either has made the token."""

    def make_another(owner: User) -> None:  # as the other request does, until this one gets the lock
        lock_owner(owner)
        make_token(owner, name=CHOSEN["name"])

    monkeypatch.setattr(views, "lock_owner", make_another)
    assert "This name is in use" in words(browser.post(NEW, CHOSEN))
    assert amira.permanent_tokens.count() == 1
