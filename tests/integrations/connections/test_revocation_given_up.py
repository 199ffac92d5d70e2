"""What nobody confirms is given up after a time, visibly; can be started over; and keeps no copies for ever."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from integrations.connections import authorization, tasks
from integrations.connections.revocations.results import postpone
from integrations.models import Alias, ApplicationRegistry, Event, Revocation
from integrations.models.card import integration_of
from integrations.personal_auth import PersonalAuthAPI
from tests import cast, walks
from tests.integrations.revoking import TOLD, copies, deliver, promised
from tests.servers.hostile import HostileServer


@pytest.fixture
def given_up(server: HostileServer, amira: User) -> Revocation:
    """Two weeks and a day of 503."""
    server.on(TOLD).answer(status=503).always(status=200)
    alias = cast.integration_at(cast.registry_at(server.url, account_settings_url="https://northwind.example/apps"))
    cast.signed_in(amira, alias)
    revocation = promised(amira, alias)
    Revocation.objects.update(pursued_since=timezone.now() - timedelta(days=15), state="failed", attempts=40)
    return deliver(revocation)


def days_later(days: int) -> None:
    Revocation.objects.update(settled_at=timezone.now() - timedelta(days=days))
    tasks.purge_revocations()


def test_after_two_weeks_it_rests_and_stays_visible(given_up: Revocation, amira: User, as_amira: Client) -> None:
    assert (given_up.state, given_up.next_attempt_at, given_up.last_answer) == ("abandoned", None, "503")
    assert list(Revocation.objects.visible()) == [given_up]
    assert not Revocation.objects.due().exists()
    assert "given up (503)" in set(Event.objects.values_list("detail", flat=True))
    page = walks.words(as_amira.get("/integrations/"))
    assert walks.state_on(page) == "revoke_failed"
    for words in (
        "We tried 41 times (last answer: 503).",
        "We have given up.",
        "Try revoke again",
        "northwind.example/apps",
    ):
        assert words in page
    assert PersonalAuthAPI(amira).revoke_token("northwind").remote_revocation == "failed"


def test_how_long_it_is_pursued_is_a_setting(server: HostileServer, amira: User, settings: Settings) -> None:
    settings.REVOCATION_GIVE_UP_DAYS = 1
    server.on(TOLD).always(status=503)
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    revocation = promised(amira, alias)
    assert deliver(revocation).state == "pending"
    Revocation.objects.update(pursued_since=timezone.now() - timedelta(hours=25))
    assert deliver(revocation).state == "abandoned"


@pytest.mark.parametrize("who", ["the person", "an administrator"])
def test_it_can_be_started_over_while_its_copies_are_there(
    who: str, given_up: Revocation, amira: User, admin: User, client: Client
) -> None:
    days_later(29)
    if who == "the person":
        authorization.retry_revocation(amira, Alias.objects.get())
    else:
        client.force_login(admin)
        given_up_row = {"action": "try_again", "_selected_action": str(given_up.pk)}
        client.post("/admin/integrations/revocation/", given_up_row)
    started = Revocation.objects.get()
    assert (started.state, started.attempts, started.settled_at) == ("pending", 0, None)
    assert deliver(started).state == "confirmed"


@pytest.mark.slow
def test_a_month_after_that_its_copies_are_wiped_and_it_says_so(
    given_up: Revocation, amira: User, admin: User, as_amira: Client, client: Client
) -> None:
    assert copies(given_up) != [None, None, None]
    days_later(31)
    wiped = Revocation.objects.get()
    assert copies(wiped) == [None, None, None]
    assert (wiped.state, wiped.is_retryable, wiped.start_over()) == ("abandoned", False, False)
    page = walks.words(as_amira.get("/integrations/"))
    assert "keep no copy to try again with" in page
    assert "Try revoke again" not in page
    authorization.retry_revocation(amira, Alias.objects.get())
    client.force_login(admin)
    shown = walks.words(client.get(f"/admin/integrations/revocation/{wiped.pk}/change/"))
    assert "Given up" in shown
    assert "Copies wiped" in shown
    client.post("/admin/integrations/revocation/", {"action": "try_again", "_selected_action": str(wiped.pk)})
    assert Revocation.objects.get().state == "abandoned"


def test_what_is_still_pursued_is_not_purged(given_up: Revocation) -> None:
    Revocation.objects.update(state="failed", settled_at=None, created_at=timezone.now() - timedelta(days=400))
    tasks.purge_revocations()
    assert copies(given_up) != [None, None, None]


def test_a_promise_without_copies_is_never_called_kept(given_up: Revocation, server: HostileServer) -> None:
    Revocation.objects.update(state="pending", refresh_token=None, access_token=None, next_attempt_at=timezone.now())
    server.reset()
    done = deliver(given_up)
    assert (done.state, done.last_answer, done.is_retryable) == ("abandoned", "no copy left", False)
    assert server.calls == []


def test_starting_over_takes_what_was_mended_at_the_registry(given_up: Revocation, server: HostileServer) -> None:
    server.reset()
    server.on("DELETE /v2/tokens").always(status=204)
    mended = {"method": "DELETE"}
    ApplicationRegistry.objects.update(token_revocation_url=f"{server.url}/v2/tokens", revocation_request=mended)
    assert Revocation.objects.get().start_over()
    assert deliver(given_up).state == "confirmed"
    assert {f"{call.method} {call.path}" for call in server.calls} == {"DELETE /v2/tokens", "POST /token"}


def test_another_registration_is_not_taken_for_the_mended_one(given_up: Revocation, server: HostileServer) -> None:
    ApplicationRegistry.objects.update(token_revocation_url="https://evil.example/revoke", client_id="another")
    assert Revocation.objects.get().start_over()
    assert Revocation.objects.get().revocation_url == f"{server.url}/revoke"


def test_what_was_begun_meanwhile_outlives_an_attempt_that_fails(given_up: Revocation) -> None:
    """The person pressed the button while a worker was waiting for the provider."""
    Revocation.objects.update(state="failed", attempts=40, claimed_until=timezone.now() + timedelta(seconds=30))
    worker_sees = Revocation.objects.get()
    assert Revocation.objects.get().start_over()
    postpone(worker_sees, "503")
    row = Revocation.objects.get()
    assert (row.state, row.attempts, row.claimed_until) == ("pending", 0, None)


def test_dismissed_it_is_off_the_card(given_up: Revocation, amira: User) -> None:
    alias = Alias.objects.get()
    authorization.dismiss(amira, alias)
    card = integration_of(amira, alias.pk)
    assert card is not None
    assert card.state == "not_connected"
    assert card.settled is None
