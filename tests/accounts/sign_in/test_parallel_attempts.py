"""Parallel guesses against several server processes: an attempt is reserved before the work."""

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from django.conf import settings
from django.contrib.auth.hashers import ScryptPasswordHasher
from django.test import Client

from accounts.access_tokens import operations
from accounts.audit.models import Event
from accounts.models import User
from accounts.oauth_server.models import Application
from accounts.sign_in.lockout import WRONG_CODES
from accounts.sign_in.models import AttemptCounter
from tests import cast, walks
from tests.accounts import programs, proofs
from tests.conftest import client_of
from tests.integrations.connections.test_local import itself
from tests.servers import served
from tests.servers.served import Served
from tests.servers.worker import environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.django_db(transaction=True)]

WRONG = "CANARY-wrong"
AT_ONCE = 100
BASIC = "/api/v1/integrations/"
SERVERS = {"granian": 32, "gunicorn": 32}  # threads of each of two processes

Guess = Callable[[str], requests.Response]


@pytest.fixture(params=SERVERS)
def site(request: pytest.FixtureRequest, tmp_path: Path, amira: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Two server processes, each with a cache of its own."""
    monkeypatch.setattr(served, "PATIENCE", 240.0)  # two processes load everything, maybe on a busy machine
    amira.password = hashed(cast.PASSWORD)
    amira.save()
    variables = {**os.environ, **environment("filesystem://localhost//", tmp_path)}
    with Served(request.param, tmp_path, variables, workers=2, threads=SERVERS[request.param]) as running:
        yield running.url


def hashed(secret: str) -> str:
    """Hash with a hasher of the site. The tests' own is unknown to it, and its first choice takes half a second."""
    return ScryptPasswordHasher().encode(secret, "salt", n=2**10)


def browser(client: Client | None = None) -> requests.Session:
    """A session with the cookies of this client."""
    session = requests.Session()
    session.trust_env = False
    for name, morsel in (client.cookies if client else {}).items():
        session.cookies.set(name, morsel.value)
    return session


def form(site: str, path: str, client: Client | None = None, **fields: str) -> Guess:
    """A function that submits a form of this page, with a guess in place of `GUESS`."""
    session = browser(client)
    page = session.get(f"{site}{path}", headers={"Sec-Fetch-Site": "same-origin"})
    match = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert match, page.text
    cookies = session.cookies.get_dict()

    def guess(password: str) -> requests.Response:
        typed = {name: password if value == "GUESS" else value for name, value in fields.items()}
        data = {**typed, "csrfmiddlewaretoken": match[1]}
        headers = {"Referer": page.url}
        return requests.post(page.url, data, cookies=cookies, headers=headers, allow_redirects=False, timeout=120)

    return guess


def sign_in(site: str, amira: User) -> Guess:
    return form(site, "/accounts/login/", username="amira", password="GUESS")


def token_endpoint(site: str, amira: User) -> Guess:
    fields = {"grant_type": "password", "username": "amira"}
    programs.program(client_id="script", authorization_grant_type="password", first_party=True)
    Application.objects.update(client_secret=hashed(programs.SECRET))
    address, headers = f"{site}/o/token/", programs.basic("script")
    return lambda password: requests.post(address, {**fields, "password": password}, headers=headers, timeout=120)


def application_password(site: str, amira: User) -> Guess:
    proofs.app_of(amira)
    return lambda password: requests.get(f"{site}{BASIC}", headers=programs.basic("amira", password), timeout=120)


def reauthentication(site: str, amira: User) -> Guess:
    return form(site, "/accounts/reauthenticate/", client_of(amira), password="GUESS")


def password_change(site: str, amira: User) -> Guess:
    new = dict.fromkeys(("password1", "password2"), "CANARY-a-new-passphrase")
    return form(site, "/accounts/password/change/", client_of(amira), oldpassword="GUESS", **new)


def pop_up(site: str, amira: User) -> Guess:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "SITE_URL", site)
        alias = itself()
        Application.objects.update(client_secret=hashed(programs.SECRET))
        return form(site, walks.start_url(alias), client_of(amira), username="amira", password="GUESS")


# The others have narrower limits of allauth's beside it.
FULL = (sign_in, token_endpoint, application_password)


def test_of_a_hundred_guesses_at_once_twenty_are_looked_at(site: str, amira: User) -> None:
    for door in (sign_in, token_endpoint, reauthentication, password_change, pop_up, application_password):
        AttemptCounter.objects.all().delete()
        begun = Event.objects.filter(whose=amira, kind="sign_in_refused").count()
        guess = door(site, amira)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(guess, [f"{WRONG}-{number}" for number in range(AT_ONCE)]))
        statuses = [answer.status_code for answer in answers]
        looked_at = len(statuses) - statuses.count(429)
        counted = AttemptCounter.objects.get(pk="name amira")
        assert set(statuses) <= {200, 400, 401, 429}, door
        assert 0 < looked_at <= settings.SIGN_IN_ATTEMPTS, door
        assert looked_at <= counted.failures <= settings.SIGN_IN_ATTEMPTS, door
        assert counted.running == 0, door
        assert Event.objects.filter(whose=amira, kind="sign_in_refused").count() - begun == counted.failures, door
        if door in FULL:
            assert counted.failures == settings.SIGN_IN_ATTEMPTS, door
            assert guess(cast.PASSWORD).status_code == 429, door


def test_of_a_hundred_codes_at_once_five_are_looked_at(site: str, amira: User) -> None:
    secret = proofs.app_of(amira)
    amira.set_password(cast.PASSWORD)  # as this process hashes: it takes the first step here
    amira.save()
    half_way = Client()
    half_way.post("/accounts/login/", {"username": "amira", "password": cast.PASSWORD})
    guess = form(site, "/accounts/2fa/authenticate/", half_way, code="GUESS")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(guess, [proofs.wrong_code(secret)] * AT_ONCE))
    assert sum("This code is not right" in answer.text for answer in answers) == WRONG_CODES
    assert AttemptCounter.objects.get(pk="name amira").failures == WRONG_CODES
    assert "Too many wrong codes" in guess(proofs.code(secret)).text


def test_a_crowd_with_the_right_password_is_let_in(site: str, amira: User) -> None:
    """More requests than attempts allowed: a successful one returns its place, and others wait for it."""
    guess = application_password(site, amira)
    _row, secret = operations.make_application_password(amira, name="Crowd", scopes=["integrations:read"])
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(guess, [secret] * 60))
    assert [answer.status_code for answer in answers] == [200] * 60
    assert not AttemptCounter.objects.exclude(failures=0, running=0).exists()
