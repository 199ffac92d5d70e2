"""No program and no person takes all threads of a process: calls under way at once are limited."""

from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from config import spare_threads
from foundation.oauth_client import transport
from integrations.api import calls_at_once
from integrations.calls import running_streams
from integrations.models import Alias
from integrations.personal_auth import PersonalAuthAPI
from tests import cast
from tests.accounts.tokens import caller as with_token
from tests.accounts.tokens import make_token
from tests.api.conftest import Program
from tests.api.proxying import body, error
from tests.api.test_metrics import Difference
from tests.conftest import client_of
from tests.servers.flowing import Flowing

pytestmark = pytest.mark.django_db
BASE = "/api/v1/integrations/flowing/proxy/"
STREAM = f"{BASE}source?bytes=200000"  # more than is read at once


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
def two_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each program may have two calls under way, each person three. Afterwards none is left."""
    settings.API_CALLS_AT_ONCE = 2
    monkeypatch.setattr(calls_at_once, "_running", defaultdict(set))  # without what another test has left open
    yield
    assert not calls_at_once._running


def token_of(user: User, name: str = "nightly") -> Client:
    return with_token(make_token(user, "service:*", name=name)[1])


def session_of(user: User) -> Client:
    return client_of(user)


CALLERS: dict[str, Callable[[User, Program], Client]] = {
    "an OAuth application": lambda _user, program: program("service:flowing"),
    "a permanent token": lambda user, _program: token_of(user),
    "a session": lambda user, _program: session_of(user),
}


@pytest.mark.parametrize("who", CALLERS)
def test_a_program_has_so_many_calls_at_once_and_more_when_one_has_ended(
    who: str, amira: User, program: Program
) -> None:
    caller, grown = CALLERS[who](amira, program), Difference()
    first, second = caller.get(STREAM), caller.get(STREAM)
    assert (first.status_code, second.status_code) == (200, 200)
    refused = caller.get(STREAM)
    assert error(refused) == (429, "too_many_requests")
    assert refused.json()["error_description"] == (
        "This program has 2 calls under way, as many as it may. Try again when one has ended."
    )
    assert refused["Retry-After"] == "5"
    assert grown.of("keyrack_too_many_at_once_total") == 1
    assert len(body(first)) == 200_000
    third = caller.get(STREAM)
    assert third.status_code == 200
    body(second)
    body(third)


def test_a_refused_call_reaches_nobody(amira: User, party: Flowing) -> None:
    caller = token_of(amira)
    streams = [caller.get(STREAM) for _each in range(2)]
    assert caller.post(f"{BASE}sink", b"x", content_type="text/plain").status_code == 429
    assert "/api/sink" not in party.paths
    for stream in streams:
        body(stream)


def test_the_programs_of_a_person_share_half_as_many_again(amira: User) -> None:
    callers = [token_of(amira, name) for name in ("one", "two", "three")]
    streams = [callers[0].get(STREAM), callers[0].get(STREAM), callers[1].get(STREAM)]
    assert [stream.status_code for stream in streams] == [200, 200, 200]
    refused = callers[2].get(STREAM)
    assert error(refused) == (429, "too_many_requests")
    assert "The programs of this person have 3 calls under way" in refused.json()["error_description"]
    body(streams[0])
    streams.append(callers[2].get(STREAM))
    assert streams[-1].status_code == 200
    for stream in streams[1:]:
        body(stream)


def test_one_program_of_two_people_is_counted_for_each(amira: User, signed_in: Alias) -> None:
    bo = cast.person("bo")
    cast.signed_in(bo, signed_in)
    streams = [caller.get(STREAM) for caller in (token_of(amira), token_of(bo)) for _each in range(2)]
    assert [stream.status_code for stream in streams] == [200] * 4
    for stream in streams:
        body(stream)


@pytest.mark.parametrize(
    ("path", "status"), [("source?bytes=10", 200), ("source?bytes=10&chunked=1", 200), ("..%252fadmin", 400)]
)
def test_a_call_that_is_over_is_not_counted(path: str, status: int, amira: User) -> None:
    caller = token_of(amira)
    for _each in range(5):
        answer = caller.get(BASE + path)
        assert answer.status_code == status
        body(answer)


@pytest.mark.slow
def test_a_call_without_a_sign_in_is_not_counted(amira: User) -> None:
    PersonalAuthAPI(amira).revoke_token("flowing")
    caller = token_of(amira)
    assert [caller.get(STREAM).status_code for _each in range(5)] == [401] * 5


@pytest.mark.slow
def test_a_stream_that_was_ended_here_is_not_counted(amira: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_streams, "INTERVAL", 0.0)
    caller = token_of(amira)
    streams = [caller.get(f"{BASE}steps") for _each in range(2)]
    PersonalAuthAPI(amira).revoke_token("flowing")
    running_streams.end_revoked_streams()
    for stream in streams:
        with pytest.raises(transport.Interrupted):
            body(stream)
    assert error(caller.get(STREAM)) == (401, "integration_not_authenticated")


def test_other_calls_of_a_program_at_its_limit_are_answered(amira: User) -> None:
    caller = with_token(make_token(amira, "service:*", "integrations:read")[1])
    streams = [caller.get(STREAM) for _each in range(2)]
    assert caller.get("/api/v1/integrations/").status_code == 200
    assert caller.get("/api/v1/integrations/flowing/token-valid/").status_code == 200
    for stream in streams:
        body(stream)


def test_there_may_be_no_limit(amira: User, settings: Settings) -> None:
    settings.API_CALLS_AT_ONCE = 0
    caller = token_of(amira)
    streams = [caller.get(STREAM) for _each in range(5)]
    assert [stream.status_code for stream in streams] == [200] * 5
    for stream in streams:
        body(stream)


@pytest.mark.parametrize(("threads", "calls"), [(256, 128), (64, 32), (32, 16), (8, 16), (0, 0)])
def test_without_a_variable_it_is_half_of_the_threads(threads: int, calls: int) -> None:
    assert spare_threads.calls_at_once(threads) == calls
