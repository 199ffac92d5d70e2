"""Streams of the proxy end with what they rest on, and wait for as long as the caller says."""

import gc
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Group
from pytest_django import Settings

from accounts.access_tokens import operations
from accounts.access_tokens.models import PermanentToken
from accounts.models import User
from accounts.oauth_server import validator
from foundation.oauth_client import transport
from integrations import calls
from integrations.calls import running_streams
from integrations.models import Alias, ApplicationRegistry, OAuth2Credential, Token
from integrations.personal_auth import PersonalAuthAPI
from tests import cast, walks
from tests.accounts.tokens import caller as with_token
from tests.accounts.tokens import make_token
from tests.api.conftest import Program
from tests.api.proxying import body, error
from tests.integrations.renewing import ASKED, GRANTED
from tests.servers.flowing import PATIENCE, Flowing
from tests.servers.hostile import HostileServer
from tests.servers.worker import CHECKOUT

pytestmark = pytest.mark.django_db
BASE = "/api/v1/integrations/flowing/proxy/"


@pytest.fixture
def party() -> Iterator[Flowing]:
    with Flowing() as running:
        yield running


@pytest.fixture(autouse=True)
def signed_in(party: Flowing, amira: User) -> Alias:
    registry = cast.registry_at(party.url, name="Flowing")
    alias = cast.integration_at(registry, name="flowing", connection_url=f"{party.url}/api")
    cast.signed_in(amira, alias)
    return alias


@pytest.fixture(autouse=True)
def no_others() -> None:
    """Nothing that another test left unread, whose socket may be deleted before its response is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    assert transport.running_streams() == []


@pytest.fixture(autouse=True)
def without_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_streams, "INTERVAL", 0.0)


def begun(user: User) -> calls.Streamed:
    """A stream whose first event has been read."""
    streamed = PersonalAuthAPI(user).stream("flowing", "GET", "/steps", headers={})
    assert next(streamed.body) == b"data: 0\n\n"
    return streamed


def turn_off(model: type[Alias | OAuth2Credential | ApplicationRegistry]) -> None:
    model.objects.update(active=False)


def restrict_to_a_group() -> None:
    Alias.objects.get().groups.add(Group.objects.create(name="others"))


ENDINGS: dict[str, Callable[[], object]] = {
    "the person revokes": lambda: PersonalAuthAPI(User.objects.get(username="amira")).revoke_token("flowing"),
    "the token is deleted": lambda: Token.objects.all().delete(),
    "the integration is turned off": lambda: turn_off(Alias),
    "the credential is turned off": lambda: turn_off(OAuth2Credential),
    "the registry is turned off": lambda: turn_off(ApplicationRegistry),
    "the person is turned off": lambda: User.objects.filter(username="amira").update(is_active=False),
    "the person loses the role": lambda: User.objects.get(username="amira").groups.clear(),
    "the integration is for others": restrict_to_a_group,
}


@pytest.mark.parametrize("what", ENDINGS)
@pytest.mark.slow
def test_a_stream_ends_when_its_sign_in_ends_or_is_turned_off(what: str, amira: User, party: Flowing) -> None:
    streamed = begun(amira)
    running_streams.end_revoked_streams()
    party.step.set()
    assert next(streamed.body) == b"data: 1\n\n", "nothing has happened yet"
    ENDINGS[what]()
    running_streams.end_revoked_streams()
    with pytest.raises(transport.Interrupted):
        next(streamed.body)
    streamed.close()
    assert transport.running_streams() == []
    assert ApplicationRegistry.objects.get().failures == 0, "the provider isn't to blame"


PROGRAM_ENDINGS: dict[str, Callable[[User], object]] = {
    "the permanent token is deleted": lambda amira: operations.end_secret(PermanentToken.objects.get(), who=amira),
    "the access is removed": lambda amira: validator.end_grants(amira),
}


@pytest.mark.parametrize("what", PROGRAM_ENDINGS)
@pytest.mark.slow
def test_a_stream_ends_with_the_token_of_its_program(what: str, amira: User, program: Program, party: Flowing) -> None:
    callers = {
        "the permanent token is deleted": with_token(make_token(amira, "service:*", name="nightly")[1]),
        "the access is removed": program("service:flowing"),
    }
    streams = {name: iter(caller.get(f"{BASE}steps")) for name, caller in callers.items()}
    assert {next(stream) for stream in streams.values()} == {b"data: 0\n\n"}
    running_streams.end_revoked_streams()
    PROGRAM_ENDINGS[what](amira)
    running_streams.end_revoked_streams()
    assert sum(flow.is_interrupted for flow in transport.running_streams()) == 1
    with pytest.raises(transport.Interrupted):
        next(streams.pop(what))
    [of_other] = streams.values()
    party.step.set()
    assert next(of_other) == b"data: 1\n\n", "the other program goes on"
    for flow in transport.running_streams():
        flow.interrupt()


@pytest.mark.slow
def test_the_streams_of_others_go_on(amira: User, signed_in: Alias, party: Flowing) -> None:
    bo = cast.person("bo")
    cast.signed_in(bo, signed_in)
    hers, his = begun(amira), begun(bo)
    PersonalAuthAPI(amira).revoke_token("flowing")
    running_streams.end_revoked_streams()
    with pytest.raises(transport.Interrupted):
        next(hers.body)
    for number in (1, 2):
        party.step.set()
        assert next(his.body) == b"data: %d\n\n" % number
    hers.close()
    his.close()


def test_all_streams_of_an_alias_cost_one_statement(
    amira: User, party: Flowing, django_assert_num_queries: Callable[..., object]
) -> None:
    streams = [begun(amira) for _each in range(3)]
    with django_assert_num_queries(1):  # type: ignore[attr-defined]  # a context manager
        running_streams.end_revoked_streams()
    for streamed in streams:
        streamed.close()
    with django_assert_num_queries(0):  # type: ignore[attr-defined]
        running_streams.end_revoked_streams()


def test_a_short_call_costs_no_statement(
    amira: User, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Callable[..., object]
) -> None:
    monkeypatch.setattr(running_streams, "INTERVAL", 1000.0)
    streamed = begun(amira)
    with django_assert_num_queries(0):  # type: ignore[attr-defined]
        running_streams.end_revoked_streams()
    streamed.close()


@pytest.mark.slow
def test_a_call_that_still_waits_for_its_answer_ends_too(program: Program, party: Flowing) -> None:
    def interrupt() -> None:
        until = time.monotonic() + PATIENCE
        while "/api/hangs" not in party.paths and time.monotonic() < until:
            time.sleep(0.01)
        for flow in transport.running_streams():
            flow.interrupt()

    caller = program("service:flowing")
    other = threading.Thread(target=interrupt)
    other.start()
    answer = caller.get(f"{BASE}hangs")
    other.join()
    assert error(answer) == (401, "integration_not_authenticated")
    assert answer.json()["initiator_url"].startswith("/oauth_initiator.do?")
    assert ApplicationRegistry.objects.get().failures == 0
    assert transport.running_streams() == []


def test_a_stream_that_came_to_its_end_is_forgotten(program: Program) -> None:
    caller = program("service:flowing")
    for path in ("source?bytes=10", "source?bytes=200000", "source?bytes=10&chunked=1"):
        answer = caller.get(BASE + path)
        assert len(body(answer)) >= 10
        assert transport.running_streams() == []


def test_nobody_waits_longer_than_the_site_allows(program: Program, settings: Settings) -> None:
    settings.PROXY_TIMEOUT_MAX_SECONDS = 900
    caller = program("service:flowing")
    for text in ("0", "901", "-1", "1.5", "x", "٣", "1" * 30):
        answer = caller.get(f"{BASE}source?bytes=1", headers={"Keyrack-Timeout": text})
        assert error(answer) == (400, "invalid_request"), text
        assert "from 1 to 900" in answer.json()["error_description"]
    assert caller.get(f"{BASE}source?bytes=1", headers={"Keyrack-Timeout": "900"}).status_code == 200


@pytest.mark.slow
def test_the_caller_says_how_long_to_wait(
    program: Program, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.PROXY_TIMEOUT_MAX_SECONDS = 900
    limits: list[tuple[float, float]] = []
    send = transport.stream

    def note_limits(*arguments: object, **options: float) -> object:
        limits.append((round(options["deadline"]), options["idle"]))
        return send(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(transport, "stream", note_limits)
    caller = program("service:flowing")
    for headers in ({}, {"Keyrack-Timeout": "5"}, {"Keyrack-Timeout": "900"}):
        assert caller.get(f"{BASE}source?bytes=1", headers=headers).status_code == 200
    assert limits == [(30, 60.0), (5, 60.0), (900, 900.0)]


@pytest.mark.slow
def test_a_stream_with_a_token_that_was_just_renewed_goes_on(
    transactional_db: None, amira: User, server: HostileServer
) -> None:
    cast.signed_in(amira, walks.northwind(server), expires_in=-60)
    server.on(ASKED).answer(json=GRANTED)
    server.on("GET /api/contacts").always(text="all of it")
    streamed = PersonalAuthAPI(amira).stream("northwind", "GET", "/contacts", headers={})
    running_streams.end_revoked_streams()
    assert b"".join(streamed.body) == b"all of it"
    assert len(server.calls_to(ASKED)) == 1


FORKED = """
import os, threading, django
django.setup()
from integrations.calls import running_streams
running_streams.start_watching()
child = os.fork()
if child == 0:
    os._exit(sum(thread.name == "revoked streams" for thread in threading.enumerate()))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
def test_a_web_process_that_is_forked_watches_its_own_streams() -> None:
    """As by gunicorn with --preload."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-W", "ignore", "-c", FORKED]
    done = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
