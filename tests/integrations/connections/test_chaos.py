"""Workers and brokers die at random while promises are kept: each is kept, and no new sign-in pays for an old one."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from accounts.models import User
from integrations.connections import authorization, tasks
from integrations.models import Alias, Revocation, Token
from integrations.models.tokens import UNSETTLED
from tests import cast, walks
from tests.conftest import client_of
from tests.integrations.renewing import in_threads
from tests.servers.brokers import Broker, broker_of
from tests.servers.hostile import Answer, Call, HostileServer
from tests.servers.worker import Worker, broker, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.django_db(transaction=True)]

SOON = 90  # seconds; a tenth of it is enough where nothing else runs


class Provider:
    """Takes a moment for each answer, and remembers in which order it gave tokens and was told to end them."""

    def __init__(self, server: HostileServer) -> None:
        self.journal: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        server.on("POST /revoke").always(self.revoke)
        server.on("POST /token").always(self.give)

    def revoke(self, call: Call) -> Answer:
        with self._lock:
            self.journal.append(("ended", call.form["token"]))
        return Answer(status=200, delay=0.02)

    def give(self, call: Call) -> Answer:
        name = call.form["code"]
        with self._lock:
            self.journal.append(("gave", name))
        return Answer(json=walks.token_answer(access_token=f"new-access-{name}", refresh_token=f"new-refresh-{name}"))

    def told(self) -> list[str]:
        with self._lock:
            return [token for word, token in self.journal if word == "ended"]

    def hears(self, enough: int) -> bool:
        """Whether it has been told so much, in time."""
        return eventually(lambda: len(self.told()) >= enough, SOON)

    def told_after_giving(self, name: str) -> list[str]:
        """What it was told to end from the moment on that this person had new tokens."""
        with self._lock:
            return [token for word, token in self.journal[self.journal.index(("gave", name)) :] if word == "ended"]


@pytest.fixture
def provider(server: HostileServer) -> Provider:
    return Provider(server)


def integrations_at(server: HostileServer) -> list[Alias]:
    """One where a revocation ends a token, and one where it ends all that the person ever granted."""
    registries = {
        reach: cast.registry_at(server.url, name=reach, revocation_reach=reach) for reach in ("token", "grant")
    }
    return [cast.integration_at(registry, name=reach) for reach, registry in registries.items()]


def signed_in(aliases: list[Alias], count: int) -> dict[User, Alias]:
    """So many people, shared out among the integrations."""
    people = {cast.person(f"person-{number}"): aliases[number % len(aliases)] for number in range(count)}
    for person, alias in people.items():
        cast.signed_in(person, alias, access_token=f"access-{person}", refresh_token=f"refresh-{person}")
    return people


def revoke(people: dict[User, Alias], leaving: Iterable[User]) -> None:
    for person in leaving:
        assert authorization.revoke(person, people[person])


def come_back(people: dict[User, Alias], returning: Iterable[User]) -> None:
    for person in returning:
        browser, alias = client_of(person), people[person]
        walks.come_back(browser, alias, walks.begin(browser, alias), code=str(person))


@contextmanager
def down(victims: set[str], queue: Broker, worker: Worker) -> Iterator[None]:
    """Both are there again at the end, and a minute has passed: what a dead worker had claimed is due."""
    if "worker" in victims:
        worker.kill()
    if "broker" in victims:
        queue.kill()
    time.sleep(0.2)  # what was on its way arrives
    yield
    if "broker" in victims:
        queue.start()
    if "worker" in victims:
        Revocation.objects.update(claimed_until=None)
        worker.start()


def is_settled() -> bool:
    return not Revocation.objects.filter(state__in=UNSETTLED).exists()


EACH_ONCE = [{"worker"}, {"broker"}, {"worker", "broker"}]
WORKER_STAYS = [{"broker"}] * 3  # and no supervisor starts it again


@pytest.mark.parametrize(
    ("kind", "count", "deaths"),
    [
        ("files", 200, EACH_ONCE),
        ("redis", 60, EACH_ONCE),
        ("redis", 60, WORKER_STAYS),
        ("rabbitmq", 60, EACH_ONCE),
    ],
)
def test_whatever_dies_each_revocation_arrives_and_no_new_sign_in_is_ended(
    kind: str, count: int, deaths: list[set[str]], server: HostileServer, provider: Provider, tmp_path: Path
) -> None:
    people = signed_in(integrations_at(server), count)
    waiting, returned, share = list(people), set[User](), count // 6
    with broker_of(kind, tmp_path) as queue, broker(queue.url, tmp_path), Worker(queue.url, tmp_path) as worker:
        for victims in random.sample(deaths, 3):
            leaving, waiting = waiting[:share], waiting[share:]
            enough = len(provider.told()) + random.randrange(share)
            revoke(people, leaving)
            assert provider.hears(enough), worker.log[-3000:]
            with down(victims, queue, worker):
                revoke(people, waiting[:share])
                leaving, waiting = [*leaving, *waiting[:share]], waiting[share:]
                if "worker" in victims:
                    returning = random.sample(leaving, 6)
                    come_back(people, returning)
                    returned.update(returning)
        revoke(people, waiting)
        assert eventually(is_settled, SOON), worker.log[-3000:]
    assert_all_were_told(people, provider)
    assert_none_pays_for_the_past(returned, people, provider)


def sweep() -> str:
    tasks.sweep_revocations()
    return "swept"


@pytest.mark.database
def test_two_sweeps_at_once_lose_nothing_and_repeat_nothing(
    server: HostileServer, provider: Provider, request: pytest.FixtureRequest
) -> None:
    people = signed_in(integrations_at(server), 20)
    revoke(people, people)
    request.getfixturevalue("tasks_run_at_once")  # who sweeps also does what it finds
    assert in_threads(2, sweep) == ["swept", "swept"]
    assert is_settled()
    assert sorted(provider.told()) == sorted(f"{kind}-{person}" for person in people for kind in ("access", "refresh"))


def assert_all_were_told(people: dict[User, Alias], provider: Provider) -> None:
    states = dict(Revocation.objects.values_list("user__username", "state"))
    kept = {name for name, state in states.items() if state != "superseded"}
    assert states.keys() == {str(person) for person in people}
    assert {states[name] for name in kept} == {"confirmed"}
    told = Counter(provider.told())
    assert {f"refresh-{name}" for name in kept} <= told.keys()
    assert told.total() < 1.5 * len(told), "repeated, but not endlessly"


def assert_none_pays_for_the_past(returned: set[User], people: dict[User, Alias], provider: Provider) -> None:
    assert {token.access_token for token in Token.objects.all()} == {f"new-access-{person}" for person in returned}
    assert not [token for token in provider.told() if token.startswith("new-")]
    for person in returned:
        if people[person].name == "grant":
            old = {f"refresh-{person}", f"access-{person}"}
            assert old.isdisjoint(provider.told_after_giving(str(person))), "that would have ended the new grant"
