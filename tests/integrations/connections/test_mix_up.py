"""Answers that name an issuer, set-ups that change on the way, and many answers at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from integrations.models import ApplicationRegistry, AuthorizationAttempt, Revocation, Token
from tests import cast, walks
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.slow

ISSUER = "https://northwind.example"


@pytest.fixture
def evil_host() -> Iterator[HostileServer]:
    """Nobody may ever talk to it."""
    with HostileServer() as running:
        running.on("POST /token").always(json=walks.token_answer(666))
        yield running
        assert running.connections == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("promises", "configured", "told", "outcome"),
    [
        (False, ISSUER, ISSUER, ""),
        (False, ISSUER, None, ""),
        (False, "", "https://whoever.example", ""),
        (True, ISSUER, ISSUER, ""),
        (True, ISSUER, None, "issuer_missing"),
        (True, ISSUER, "", "issuer_missing"),
        (False, ISSUER, "https://evil.example", "issuer_mismatch"),
        (True, ISSUER, "https://evil.example", "issuer_mismatch"),
        (True, ISSUER, ISSUER + "/", "issuer_mismatch"),
        (True, ISSUER + "/{tenantid}", ISSUER + "/tenant-7", ""),
        (True, ISSUER + "/{tenantid}", ISSUER + "/tenant/7", "issuer_mismatch"),
        (True, ISSUER + "/{tenantid}", "https://evil.example/tenant-7", "issuer_mismatch"),
        (True, ISSUER, ISSUER.upper(), "issuer_mismatch"),
        (True, ISSUER, "https://northwind.example\x00", "issuer_mismatch"),
    ],
)
def test_the_issuer_in_the_answer_is_the_one_we_know(
    promises: bool, configured: str, told: str | None, outcome: str, as_amira: Client, server: HostileServer
) -> None:
    walks.grants(server)
    alias = walks.northwind(server, issuer=configured, names_issuer=promises)
    back = walks.come_back(as_amira, alias, walks.begin(as_amira, alias), iss=told)
    assert walks.attempt_of(back).failure_code == outcome
    assert len(server.calls_to("POST /token")) == (0 if outcome else 1)
    if outcome:
        assert "This sign-in was stopped" in walks.words(as_amira.get(back["Location"]))
        assert not Token.objects.exists()


@pytest.mark.django_db
def test_a_foreign_issuers_error_is_not_believed(as_amira: Client, server: HostileServer) -> None:
    alias = walks.northwind(server, issuer=ISSUER)
    state = walks.begin(as_amira, alias)
    back = walks.come_back(as_amira, alias, state, code=None, error="access_denied", iss="https://evil.example")
    assert walks.attempt_of(back).failure_code == "issuer_mismatch"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        lambda registry, evil: setattr(registry, "token_url", f"{evil}/token"),
        lambda registry, evil: setattr(registry, "authorization_url", f"{evil}/authorize"),
        lambda registry, evil: setattr(registry, "issuer", evil),
        lambda registry, evil: setattr(registry, "client_id", "another"),
        lambda registry, evil: setattr(registry, "send_credentials", "client_secret_post"),
    ],
)
def test_a_registration_edited_on_the_way_ends_the_sign_in(
    change: Callable[[ApplicationRegistry, str], None],
    as_amira: Client,
    server: HostileServer,
    evil_host: HostileServer,
) -> None:
    alias = walks.northwind(server)
    state = walks.begin(as_amira, alias)
    registry = walks.registry_of(alias)
    change(registry, evil_host.url)
    registry.save()
    back = walks.come_back(as_amira, alias, state)
    assert walks.attempt_of(back).failure_code == "registration_changed"
    assert server.calls == []
    assert not Token.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_token_endpoint_that_redirects_is_not_followed(
    status: int, as_amira: Client, server: HostileServer, evil_host: HostileServer
) -> None:
    server.on("POST /token").answer(status=status, redirect=f"{evil_host.url}/token")
    alias = walks.northwind(server)
    page = walks.words(walks.sign_in(as_amira, alias))
    assert "isn’t set up correctly" in page
    assert not Token.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 503}, "doesn’t answer"),
        ({"status": 429}, "doesn’t answer"),
        ({"close": True}, "doesn’t answer"),
        ({"status": 500, "text": "<h1>Oops</h1>"}, "doesn’t answer"),
        ({"status": 400, "json": {"error": "invalid_grant"}}, "did not complete the sign-in"),
        ({"status": 200, "text": "<html>"}, "did not complete the sign-in"),
        ({"status": 200, "json": [1]}, "did not complete the sign-in"),
        ({"status": 200, "json": {"access_token": None}}, "did not complete the sign-in"),
        ({"status": 200, "json": {"access_token": "a\r\nb"}}, "did not complete the sign-in"),
        ({"status": 401, "json": {"error": "invalid_client"}}, "isn’t set up correctly"),
        ({"status": 404, "text": "nothing here"}, "isn’t set up correctly"),
    ],
)
def test_whatever_the_token_endpoint_answers_is_told_in_words(
    answer: dict[str, object], words: str, as_amira: Client, server: HostileServer
) -> None:
    server.on("POST /token").answer(**answer)
    alias = walks.northwind(server)
    assert words in walks.words(walks.sign_in(as_amira, alias))
    assert not Token.objects.exists()
    assert len(server.calls_to("POST /token")) == 1


# At once --------------------------------------------------------------------------------------------------------------


def in_threads(count: int, action: Callable[[int], walks.Page]) -> list[walks.Page]:
    def run(number: int) -> walks.Page:
        try:
            return action(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def same_browser(client: Client) -> Client:
    """Another tab: its own requests, the same cookies."""
    tab = Client(headers={"Sec-Fetch-Site": "same-origin"})
    tab.cookies = client.cookies
    return tab


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_twenty_replays_at_once_ask_for_one_token(as_amira: Client, server: HostileServer) -> None:
    server.on("POST /token").always(json=walks.token_answer(), delay=0.1)
    alias = walks.northwind(server)
    url = walks.callback_url(walks.registry_of(alias), {"code": "c", "state": walks.begin(as_amira, alias)})
    answers = in_threads(20, lambda _: same_browser(as_amira).get(url))
    assert [answer.status_code for answer in answers] == [303] * 20
    assert len({answer["Location"] for answer in answers}) == 1
    assert len(server.calls_to("POST /token")) == 1
    assert "is connected" in walks.words(as_amira.get(answers[0]["Location"]))
    assert Token.objects.count() == 1
    assert not Revocation.objects.exists()


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_both_finish_leave_one_token_and_one_promise(
    as_amira: Client, server: HostileServer, amira: User
) -> None:
    walks.grants(server, 1)
    walks.grants(server, 2)
    alias = walks.northwind(server)
    states = [walks.begin(as_amira, alias) for _ in range(2)]
    for state in states:
        assert walks.come_back(as_amira, alias, state).status_code == 303
    kept, promised = Token.objects.get(), Revocation.objects.get()
    assert (kept.access_token, kept.refresh_token) == ("CANARY-access-2", "CANARY-refresh-2")
    assert (promised.access_token, promised.refresh_token) == ("CANARY-access-1", "CANARY-refresh-1")
    assert promised.state == "pending"
    assert not promised.by_the_person


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_first_sign_ins_at_once_end_in_one_row(as_amira: Client, server: HostileServer, amira: User) -> None:
    gate = iter(range(1, 100))
    server.on("POST /token").always(lambda call: walks.answered(next(gate), delay=0.2))
    alias = walks.northwind(server)
    states = [walks.begin(as_amira, alias) for _ in range(6)]
    answers = in_threads(6, lambda n: walks.come_back(same_browser(as_amira), alias, states[n]))
    assert [answer.status_code for answer in answers] == [303] * 6
    assert set(AuthorizationAttempt.objects.values_list("status", flat=True)) == {"connected"}
    kept = Token.objects.get()
    promised = {promise.access_token for promise in Revocation.objects.all()}
    assert promised | {kept.access_token} == {f"CANARY-access-{n}" for n in range(1, 7)}


@pytest.mark.django_db
def test_a_sign_in_cannot_be_finished_at_two_providers(as_amira: Client, server: HostileServer) -> None:
    walks.grants(server)
    ours = walks.northwind(server)
    theirs = cast.integration_at(cast.registry_at(server.url, name="Evil"), name="evil")
    walks.begin(as_amira, ours)
    state_of_evil = walks.begin(as_amira, theirs)
    assert walks.come_back(as_amira, ours, state_of_evil).status_code == 400
    assert server.calls == []
