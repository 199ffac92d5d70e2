"""A sign-in that something else than our own page asks for, and sign-ins that nobody finishes."""

import re
from collections.abc import Mapping
from datetime import timedelta
from html import unescape
from urllib.parse import quote, urlencode, urljoin

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.connections import tasks
from integrations.models import Alias, AuthorizationAttempt
from integrations.models.card import integrations_of
from tests import cast, walks
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ELSEWHERE: list[Mapping[str, str]] = [
    {},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Referer": "http://127.0.0.1:8000/integrations/"},
]


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    return walks.northwind(server)


@pytest.fixture
def visitor(amira: User) -> Client:
    """Her browser, coming from a mail or another site."""
    client = Client()
    client.force_login(amira)
    return client


def button_on(page: walks.Page) -> str:
    found = re.search(r'href="([^"]+)"[^>]*>Continue|id="continue" href="([^"]+)"', walks.words(page))
    assert found
    return unescape(found[1] or found[2])


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_whoever_comes_from_elsewhere_is_asked_first(headers: Mapping[str, str], visitor: Client, alias: Alias) -> None:
    page = visitor.get(walks.start_url(alias), headers=dict(headers))
    assert page.status_code == 200
    assert "Connect Northwind CRM?" in walks.words(page)
    assert not AuthorizationAttempt.objects.exists()


def test_the_button_of_the_page_starts_the_sign_in(visitor: Client, alias: Alias) -> None:
    page = visitor.get(walks.start_url(alias, next="/integrations/?q=n"))
    assert walks.asked(visitor.get(button_on(page)))["state"]
    attempt = AuthorizationAttempt.objects.get()
    assert attempt.next_path == "/integrations/?q=n"


def test_the_buttons_link_does_nothing_in_another_session(visitor: Client, amira: User, alias: Alias) -> None:
    link = button_on(visitor.get(walks.start_url(alias)))
    for other in (client_of(cast.person("eve")), client_of(amira)):
        other.defaults.pop("HTTP_SEC_FETCH_SITE")
        assert other.get(link).status_code == 200
    assert Client().get(link).status_code == 302
    assert not AuthorizationAttempt.objects.exists()


def test_the_buttons_link_wears_off(visitor: Client, alias: Alias) -> None:
    link = button_on(visitor.get(walks.start_url(alias)))
    with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=False):
        assert visitor.get(link).status_code == 200
    assert not AuthorizationAttempt.objects.exists()


@pytest.mark.parametrize("proof", ["", "1", "true", "x:y:z", "\x00", "💥"])
def test_a_made_up_proof_is_no_proof(proof: str, visitor: Client, alias: Alias) -> None:
    assert visitor.get(walks.start_url(alias, confirm=proof)).status_code == 200
    assert not AuthorizationAttempt.objects.exists()


def test_an_anonymous_visitor_gets_there_after_signing_in(alias: Alias, amira: User) -> None:
    client = Client()
    to_login = client.get(walks.start_url(alias))
    assert to_login.status_code == 302
    signed_in = client.post(to_login["Location"], {"username": "amira", "password": cast.PASSWORD})
    assert signed_in["Location"] == walks.start_url(alias)
    assert "Connect Northwind CRM?" in walks.words(client.get(signed_in["Location"]))


def sign_in(client: Client, next_url: str, **headers: str) -> walks.Page:
    typed = {"username": "amira", "password": cast.PASSWORD, "next": next_url}
    return client.post("/accounts/login/", typed, headers=headers)


@pytest.mark.parametrize(
    "spelled",
    [
        "{0}",
        "http://testserver{0}",
        "/integrations/..{0}",
        "/%2e{0}",
        "../..{0}",
        "/accounts/login/?next={1}",
        "{0}&a='",
    ],
)
def test_a_redirect_after_signing_in_leads_to_the_start_page_whatever_the_browser_says(
    spelled: str, alias: Alias, amira: User
) -> None:
    """The target may come from a foreign page, and a redirect to the provider would be stopped by `form-action`."""
    client = Client(headers={"Sec-Fetch-Site": "same-origin"})
    start = walks.start_url(alias)
    answer = sign_in(client, spelled.format(start, quote(start)))
    while answer.status_code == 302 and not answer["Location"].startswith(walks.registry_of(alias).authorization_url):
        answer = client.get(urljoin("http://testserver/accounts/login/", answer["Location"].replace("/%2e/", "/")))
    assert "Connect Northwind CRM?" in walks.words(answer)
    assert not AuthorizationAttempt.objects.exists()
    assert walks.asked(client.get(button_on(answer)))["state"]


def test_a_start_page_link_from_before_the_sign_in_is_no_press(alias: Alias, amira: User) -> None:
    client = Client(headers={"Sec-Fetch-Site": "same-origin"})
    client.force_login(amira)
    link = button_on(client.get(walks.start_url(alias), headers={"Sec-Fetch-Site": "none"}))
    client.post("/accounts/logout/", {"next": link})
    assert "Connect Northwind CRM?" in walks.words(client.get(sign_in(client, link)["Location"]))


@pytest.mark.parametrize("page", ["/accounts/reauthenticate/", "/accounts/logout/", "/accounts/password/change/"])
def test_no_other_form_of_the_account_starts_a_sign_in_by_its_next(page: str, as_amira: Client, alias: Alias) -> None:
    start = walks.start_url(alias)
    typed = {"password": cast.PASSWORD, "oldpassword": cast.PASSWORD, "next": start}
    typed |= dict.fromkeys(("password1", "password2"), "CANARY-a-new-passphrase")
    answer = as_amira.post(f"{page}?{urlencode({'next': start})}", typed)
    if answer["Location"] == start:
        as_amira.get(start)
    assert not AuthorizationAttempt.objects.exists()


def test_a_link_of_our_own_page_starts_at_once_a_minute_after_such_a_redirect(alias: Alias, amira: User) -> None:
    client = Client(headers={"Sec-Fetch-Site": "same-origin"})
    sign_in(client, walks.start_url(alias))
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        assert walks.asked(client.get(walks.start_url(alias)))["state"]


# Nobody finishes ----------------------------------------------------------------------------------------------------


def test_fifty_abandoned_starts_leave_no_trace_in_the_browser(as_amira: Client, amira: User, alias: Alias) -> None:
    walks.start(as_amira, alias)
    cookies, session = as_amira.cookies.output(), dict(as_amira.session)
    for _ in range(49):
        walks.start(as_amira, alias)
    assert as_amira.cookies.output() == cookies
    assert dict(as_amira.session) == session
    assert all(len(cookie.OutputString()) <= 4096 for cookie in as_amira.cookies.values())
    assert Session.objects.count() == 1
    assert AuthorizationAttempt.objects.under_way().filter(user=amira).count() == 10


def test_the_newest_starts_are_those_that_stay_open(as_amira: Client, server: HostileServer, alias: Alias) -> None:
    states = [walks.begin(as_amira, alias) for _ in range(11)]
    walks.grants(server)
    assert "is connected" in walks.words(as_amira.get(walks.come_back(as_amira, alias, states[-1])["Location"]))
    oldest = walks.come_back(as_amira, alias, states[0])
    assert walks.attempt_of(oldest).status == "cancelled"
    assert len(server.calls_to("POST /token")) == 1


def test_abandoned_starts_are_gone_after_a_while(as_amira: Client, amira: User, alias: Alias) -> None:
    for _ in range(3):
        walks.start(as_amira, alias)
    assert integrations_of(amira)[0].state == "connecting"
    with time_machine.travel(timezone.now() + timedelta(minutes=10, seconds=1)):
        assert integrations_of(amira)[0].state == "not_connected"
    with time_machine.travel(timezone.now() + timedelta(minutes=20, seconds=1)):
        tasks.purge_attempts()
    assert not AuthorizationAttempt.objects.exists()


def test_a_sign_in_under_way_is_not_purged(as_amira: Client, server: HostileServer, alias: Alias) -> None:
    state = walks.begin(as_amira, alias)
    with time_machine.travel(timezone.now() + timedelta(minutes=9)):
        tasks.purge_attempts()
        walks.grants(server)
        assert walks.come_back(as_amira, alias, state).status_code == 303


def test_more_starts_than_a_person_makes_are_refused(as_amira: Client, amira: User, alias: Alias) -> None:
    for _ in range(99):
        walks.under_way(amira, alias, status="cancelled")
    assert walks.start(as_amira, alias).status_code == 302
    refused = walks.start(as_amira, alias)
    assert (refused.status_code, refused["Retry-After"]) == (429, "600")
    assert AuthorizationAttempt.objects.count() == 100
    assert walks.start(client_of(cast.person("bob")), alias).status_code == 302
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        assert walks.start(as_amira, alias).status_code == 302


# Our own registration is wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["", "http://8.8.8.8/authorize", "javascript:alert(1)", "//evil.example", "https://", "ftp://x.example/", "x"],
)
def test_an_address_that_must_not_be_used_is_told_in_words(
    address: str, as_amira: Client, server: HostileServer
) -> None:
    alias = walks.northwind(server, authorization_url=address, issuer="https://northwind.example")
    response = walks.start(as_amira, alias)
    assert response.status_code == 303
    assert response["Location"].startswith("/integrations/done/")
    page = walks.words(as_amira.get(response["Location"]))
    assert "isn’t set up correctly" in page
    assert "Try again" not in page
    assert walks.registry_of(alias).misconfigured_code


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/integrations/?q=a", "/integrations/?q=a"),
        ("/oauth_initiator.do?oauth_requestor=1", ""),
        ("/integrations/../oauth%5Finitiator.do", ""),
        ("//evil.example", ""),
        ("/\\evil.example", ""),
        ("\\\\evil.example", ""),
        ("https:evil.example", ""),
        ("https://evil.example/", ""),
        ("javascript:alert(1)", ""),
        ("/\t/evil.example", ""),
        ("/a\x00b", ""),
        ("/a\r\nSet-Cookie: a=b", ""),
        ("evil.example", ""),
        (" //evil.example", ""),
        ("/" + "a" * 600, ""),
    ],
)
@pytest.mark.database
def test_the_way_back_stays_on_this_site(path: str, kept: str, as_amira: Client, alias: Alias) -> None:
    walks.begin(as_amira, alias, next=path)
    assert AuthorizationAttempt.objects.get().next_path == kept
