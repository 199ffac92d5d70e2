"""Local integrations: the pop-up asks Keyrack itself, within the process, by the rules of its token endpoint."""

import logging
import re
import threading
from collections.abc import Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.test import Client
from oauth2_provider.models import AccessToken, RefreshToken
from pytest_django import Settings

from accounts.access_tokens import operations
from accounts.audit import log
from accounts.audit.log import Kind
from accounts.models import User
from accounts.oauth_server import in_process
from accounts.oauth_server.models import Application
from accounts.sign_in.models import AttemptCounter
from foundation.oauth_client import transport
from integrations.apps import answer_ourselves
from integrations.connections import authorization, renewal, tasks
from integrations.models import Alias, ApplicationRegistry, AuthorizationAttempt, Revocation, Token
from tests import canaries, cast, walks
from tests.accounts import programs, proofs
from tests.conftest import client_of

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

WRONG = "CANARY-wrong"


def itself() -> Alias:
    """Keyrack as a provider of its own, where SITE_URL says that it is."""
    programs.program(
        name="Keyrack",
        client_id="keyrack",
        authorization_grant_type=Application.GRANT_PASSWORD,
        first_party=True,
        may_introspect=True,
    )
    base = f"{settings.SITE_URL}/o"
    registry = cast.registry_at(
        base,
        client_secret=programs.SECRET,
        authorization_url="",
        token_url=f"{base}/token/",
        token_revocation_url=f"{base}/revoke_token/",
        token_introspection_url=f"{base}/introspect/",
    )
    return cast.integration_at(registry, grant_type="password", label="Keyrack itself", scopes=["integrations:read"])


@pytest.fixture
def alias(db: None) -> Alias:
    return itself()


def enter(client: Client, alias: Alias, password: str, *, username: str = "amira") -> Any:
    typed = {"username": username, "password": password}
    return client.post(walks.start_url(alias), typed, REMOTE_ADDR="192.0.2.7")


def test_the_right_password_connects_without_any_network(as_amira: Client, amira: User, alias: Alias) -> None:
    response = enter(as_amira, alias, cast.PASSWORD)
    assert "Keyrack itself is connected" in walks.words(as_amira.get(response["Location"]))
    stored = Token.objects.get()
    assert (stored.scopes, stored.account_label) == (["integrations:read"], "amira")
    given = Client(headers={"Authorization": f"Bearer {stored.access_token}"}).get("/api/v1/integrations/")
    assert given.status_code == 200
    noted = {event.kind: event for event in log.latest_events(amira, 9)}
    assert (noted[Kind.GRANTED].address, noted[Kind.GRANTED].subject) == ("192.0.2.7", "Keyrack")
    assert "connected" in noted


def test_a_wrong_password_is_counted_as_at_every_other_door(as_amira: Client, alias: Alias) -> None:
    response = enter(as_amira, alias, WRONG)
    assert response.status_code == 400
    assert "didn’t accept that username and password" in walks.words(response)
    counted = dict(AttemptCounter.objects.values_list("counter", "failures"))
    assert counted == {"name amira": 1, "address 192.0.2.7": 1}


def test_who_is_locked_out_elsewhere_reads_it_here(as_amira: Client, alias: Alias) -> None:
    for _ in range(settings.SIGN_IN_ATTEMPTS):
        Client().post("/accounts/login/", {"username": "amira", "password": WRONG})
    response = enter(as_amira, alias, cast.PASSWORD)
    assert response.status_code == 429
    assert "Too many tries. Wait 15 minutes" in walks.words(response)
    assert not Token.objects.exists()
    assert not ApplicationRegistry.objects.get().failures  # nobody was away


def test_with_two_step_sign_in_the_window_asks_for_an_application_password(
    as_amira: Client, amira: User, bob: User, alias: Alias
) -> None:
    proofs.app_of(amira)
    response = enter(as_amira, alias, cast.PASSWORD)
    assert response.status_code == 400
    assert "Create an application password" in walks.words(response)
    of_another = enter(client_of(bob), alias, WRONG)
    assert "application password" not in walks.words(of_another)
    _row, shown = operations.make_application_password(amira, name="Keyrack", scopes=["integrations:read"])
    assert enter(as_amira, alias, shown).status_code == 303
    assert Token.objects.get(user=amira).is_valid


def test_the_helper_of_a_connect_link_does_not_learn_of_the_users_second_step(
    amira: User, bob: User, admin: User, alias: Alias
) -> None:
    helper = client_of(bob)
    helper.get(f"/integrations/connect/{authorization.create_connect_link(amira, alias, by=admin)[1]}/")
    proofs.app_of(amira)
    page = "/integrations/connect/"
    fields = programs.hidden_fields(helper.get(page))
    answer = helper.post(page, {**fields, "username": "amira", "password": cast.PASSWORD})
    assert answer.status_code == 400
    assert "application password" not in walks.words(answer)


def test_it_renews_and_revokes_there_by_the_same_way(as_amira: Client, amira: User, alias: Alias) -> None:
    enter(as_amira, alias, cast.PASSWORD)
    before = Token.objects.get()
    renewal.renew(before)
    after = Token.objects.get()
    assert after.access_token != before.access_token
    assert AccessToken.objects.count() == 1
    authorization.revoke(amira, alias)
    tasks.deliver_revocation(Revocation.objects.get().hex)
    assert Revocation.objects.get().state == "verified"
    assert not AccessToken.objects.exists()
    assert not RefreshToken.objects.filter(revoked=None).exists()


def test_the_password_is_found_nowhere_afterwards(
    as_amira: Client, amira: User, alias: Alias, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    right = "CANARY right horse"
    amira.set_password(right)
    amira.save()
    as_amira.force_login(amira)
    pages = [enter(as_amira, alias, WRONG), enter(as_amira, alias, right)]
    assert [page.status_code for page in pages] == [400, 303]
    for secret in (right, WRONG):
        assert not [place for place, content in canaries.everywhere() if canaries.finds(secret, content)]
        assert not any(canaries.finds(secret, page.content) for page in pages)
        assert secret not in caplog.text


def test_nothing_else_of_the_site_is_reached_that_way(alias: Alias) -> None:
    for path in ("admin/", "o/authorize/", "o/../admin/", "o/nothing/"):
        assert in_process.handle_request("GET", f"/{path}", {}, b"").status_code == 404
    assert in_process.handle_request("GET", "/o/token/", {}, b"").status_code == 405
    assert in_process.is_own_endpoint(f"{settings.SITE_URL}/o/token/")
    assert not in_process.is_own_endpoint("https://elsewhere.example/o/token/")


class Quiet(WSGIRequestHandler):
    def log_message(self, *_words: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def narrow_site(transactional_db: None, settings: Settings) -> Iterator[str]:
    """Keyrack in one process with one thread: it cannot answer while it asks."""
    before = settings.SITE_URL
    with make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet) as site:
        settings.SITE_URL = f"http://127.0.0.1:{site.server_port}"
        transport.answer_here(in_process.base_url(), answer_ourselves)
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        yield settings.SITE_URL
        site.shutdown()
        thread.join()
    settings.SITE_URL = before
    transport.answer_here(in_process.base_url(), answer_ourselves)


def test_a_site_with_a_single_thread_does_not_wait_for_itself(narrow_site: str, amira: User) -> None:
    alias, browser = itself(), requests.Session()
    browser.trust_env = False
    cookie = client_of(amira).cookies[settings.SESSION_COOKIE_NAME]
    browser.cookies.set(cookie.key, cookie.value)
    address = f"{narrow_site}{walks.start_url(alias)}"
    page = browser.get(address, timeout=60, headers={"Sec-Fetch-Site": "same-origin"})
    csrf = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[0]
    typed = {"username": "amira", "password": cast.PASSWORD, "csrfmiddlewaretoken": csrf}
    answer = browser.post(page.url, typed, timeout=60, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    assert AuthorizationAttempt.objects.get().status == "connected"
