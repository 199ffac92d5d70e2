"""The benchmarks still run: Keyrack's part of each, with a few rows and callers. Nothing is timed here."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.test import Client

from benchmarks import (
    authority,
    capacity,
    hammering,
    http,
    keyrack,
    readers,
    report,
    revoking,
    setting,
    stampede,
    streams,
)
from benchmarks.serving import filled, third_party
from benchmarks.setting import KEYRACK, Place


@pytest.fixture
def place() -> Iterator[Place]:
    with setting.places(["sqlite"]) as places:
        yield next(places)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[authority.Client]:
    with authority.asked(seconds=0) as running:
        monkeypatch.setenv("AUTHORITY", running.url)
        yield running


@pytest.mark.slow
def test_a_spent_token_ends_everything_at_the_authority(server: authority.Client) -> None:
    granted = server.renew(authority.FIRST_REFRESH_TOKEN)
    assert server.admits(granted["access_token"])
    assert not server.renew(authority.FIRST_REFRESH_TOKEN)
    assert not server.admits(granted["access_token"])
    assert not server.renew(granted["refresh_token"])
    assert server.calls("/token") == 3


@pytest.mark.slow
def test_a_small_stampede_leaves_keyrack_alive(place: Place) -> None:
    outcome = stampede.stampede(KEYRACK, place, stampede.QUICK)
    assert (outcome.refresh_calls, outcome.errors.total(), outcome.working, outcome.is_alive) == (1, 0, 1.0, True)
    assert len(outcome.seconds) == stampede.QUICK.processes * stampede.QUICK.threads
    assert stampede.row("Keyrack", [outcome])["connection afterwards"] == "alive"


@pytest.mark.slow
@pytest.mark.django_db
def test_a_token_is_read_in_every_way(server: authority.Client) -> None:
    keyrack.fill(1)
    found = {reading.name: readers.statements(reading, [0]) for reading in keyrack.readings()}
    assert list(found.values())[:3] == [1, 1, 1]
    assert min(found.values()) == 1
    assert min(readers.seconds(keyrack.readings()[0], [0])) > 0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_promises_are_kept_and_counted(server: authority.Client) -> None:
    revoking.prepare()
    revoking.promise(2)
    revoking.drain(threads=2)
    assert revoking.kept() == 2
    assert server.calls("/revoke") >= 2
    told = server.calls("/revoke")
    revoking.bare(2, calls=3)
    assert server.calls("/revoke") == told + 3


@pytest.mark.django_db
@pytest.mark.slow
def test_a_token_is_read_over_http(server: authority.Client, client: Client) -> None:
    for _person, token, permanent_token in filled.fill(2):
        for load in http.contestants("", "", [(1, token, permanent_token)], 1.0).values():
            ((path, bearer),) = load.requests
            answer = client.get(path, headers={"Authorization": f"Bearer {bearer or token}"})
            assert answer.status_code == (200 if path.startswith("/api/") else 404)


@pytest.mark.slow
def test_the_product_and_its_peers_answer_without_errors(place: Place) -> None:
    with http.served(place, http.Size(people=2, seconds=0.05), "granian") as loads:
        asked = [hammering.one(load) for load in loads.values()]
    assert len(asked) == 5
    assert all(seconds and not errors for seconds, errors in asked)


@pytest.mark.slow
def test_what_one_core_does_is_measured_without_errors(place: Place) -> None:
    size = capacity.Size(people=2, seconds=0.3)
    with ExitStack() as stack:
        site, direct, people = capacity.served(stack, place, size, "granian", {})
        loads = capacity.loads_of(site.url, people, size.seconds)
        measured = {
            name: capacity.measured(site, direct, name, loads[name]) for name in ("small proxied call", "dashboard")
        }
        assert site.processor_seconds() > 0
    for one in measured.values():
        assert min(one.alone.calls, one.many.calls, one.core_seconds) > 0
        assert one.alone.errors == one.many.errors == 0
        assert one.alone.p50 <= one.alone.p99
    assert measured["small proxied call"].added_p50 < measured["small proxied call"].alone.p50
    assert measured["dashboard"].direct is None
    assert [row["what"] for row in capacity.rows([measured])] == list(measured)


@pytest.mark.slow
def test_a_third_party_is_hammered() -> None:
    with third_party.asked() as url:
        load = hammering.Load(url=url, requests=[("/small.json", ""), ("/large.bin", "")], connections=1, seconds=0.2)
        seconds, errors = hammering.one(load)
    assert seconds
    assert not errors


def test_the_peers_are_pinned_with_hashes() -> None:
    lock = (setting.PEERS / "requirements.txt").read_text()
    for peer in report.versions_of_peers().split(", "):
        name, version = peer.rsplit(maxsplit=1)
        assert f"\n{name}=={version} \\\n    --hash=sha256:" in f"\n{lock}", peer


@pytest.mark.slow
def test_streams_are_held_and_others_are_answered_meanwhile(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BEGINNING", 1.0)
    size = streams.Size(streams=(2,), seconds=0.5)
    with ExitStack() as stack:
        table = streams.rows(streams.set_up(stack, place, 2), size)
    assert [(row["begun"], row["broken off"]) for row in table] == [(0, 0), (2, 0), (2, 0)]
    assert "refused" not in str(table)
