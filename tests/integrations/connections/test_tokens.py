"""A stored token is renewed when it is due, and is nobody's but its owner's."""

import base64
import logging
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from foundation.oauth_client.errors import Misconfigured
from integrations.connections import renewal
from integrations.connections.renewal.validity import required_seconds
from integrations.models import Alias, ApplicationRegistry, IntegrationType, OAuth2Credential, Token
from integrations.personal_auth import PersonalAuthAPI
from tests import cast
from tests.integrations.renewing import ASKED, GRANTED, credential_of, current
from tests.servers.hostile import HostileServer


@pytest.fixture
def northwind(server: HostileServer, db: None) -> Alias:
    return cast.integration_at(cast.registry_at(server.url))


def test_a_living_token_is_used_without_asking(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    assert current(amira, northwind) == "CANARY-access-1"
    assert server.calls == []


def test_an_expired_token_is_renewed_once(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).answer(json=GRANTED)
    assert current(amira, northwind) == "CANARY-access-2"
    assert current(amira, northwind) == "CANARY-access-2"
    [call] = server.calls
    assert call.form == {"grant_type": "refresh_token", "refresh_token": "CANARY-refresh-1"}
    assert base64.b64decode(call.headers["authorization"].split()[1]) == b"keyrack:CANARY-client-secret"
    assert call.query == ""
    stored = Token.objects.get()
    assert stored.refreshed_at is not None
    assert (stored.lease_owner, stored.lease_expires_at) == ("", None)


@pytest.mark.parametrize(
    ("hours", "left", "asked"),
    [(1, 365, 0), (1, 285, 1), (24, 905, 0), (24, 715, 1)],
    ids=["a tenth, not yet", "a tenth, due", "15 minutes, not yet", "15 minutes, due"],
)
def test_it_is_renewed_before_its_end(
    hours: float, left: float, asked: int, server: HostileServer, amira: User, northwind: Alias
) -> None:
    """A tenth of its lifetime before, 15 minutes at most, and up to a fifth of that later."""
    begin = timezone.now() + timedelta(seconds=left) - timedelta(hours=hours)
    cast.signed_in(amira, northwind, expires_in=left, signed_in_at=begin)
    server.on(ASKED).always(json=GRANTED)
    current(amira, northwind)
    assert len(server.calls) == asked


def test_what_was_granted_at_once_is_not_renewed_at_once(amira: User, northwind: Alias) -> None:
    token = cast.signed_in(amira, northwind)
    due = []
    for number in range(20):
        token.id = uuid.UUID(int=number)
        due.append(required_seconds(token, 0))
        assert required_seconds(token, 0) == due[-1], "all agree about one token"
    assert len(set(due)) == 20
    assert 0.8 * 720 <= min(due) < 620 < 680 < max(due) <= 720
    token.version += 1
    assert required_seconds(token, 0) not in due


def test_a_caller_says_how_long_he_needs_it(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, expires_in=600)
    server.on(ASKED).always(json=GRANTED)
    assert current(amira, northwind, minimum_seconds=500) == "CANARY-access-1"
    assert current(amira, northwind, minimum_seconds=900) == "CANARY-access-2"


def test_who_needs_a_token_of_unknown_lifetime_for_some_time_gets_a_newer_one_once_an_hour(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    server.on(ASKED).answer(json={"access_token": "CANARY-access-2"}).answer(json={"access_token": "CANARY-access-3"})
    token = cast.signed_in(amira, northwind, expires_in=None)
    for minutes, seconds, expected in ((30, 60, 1), (90, 0, 1), (90, 60, 2)):
        granted_at = timezone.now() - timedelta(minutes=minutes)
        Token.objects.update(signed_in_at=granted_at)
        assert current(amira, northwind, minimum_seconds=seconds) == f"CANARY-access-{expected}"
        got = PersonalAuthAPI(amira).get_token(northwind.name, minimum_seconds=seconds)
        assert (got.access_token, got.expires_in) == (f"CANARY-access-{expected}", None)
    assert len(server.calls) == 1
    Token.objects.filter(pk=token.pk).update(refreshed_at=timezone.now() - timedelta(hours=2))
    got = PersonalAuthAPI(amira).get_token(northwind.name, minimum_seconds=60)
    assert got.access_token == "CANARY-access-3"


def test_a_token_of_unknown_lifetime_that_is_not_renewed_goes_on_being_used(
    server: HostileServer, amira: User, northwind: Alias, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    server.on(ASKED).always(status=503)
    cast.signed_in(amira, northwind, expires_in=None)
    Token.objects.update(signed_in_at=timezone.now() - timedelta(days=3), refreshed_at=None)
    assert current(amira, northwind, minimum_seconds=60) == "CANARY-access-1"
    assert len(server.calls) == 1
    Token.objects.update(refresh_token=None)
    with django_assert_num_queries(1):
        assert renewal.ready_call(amira, northwind.name, minimum_seconds=60)


def test_asking_for_more_than_the_provider_gives_does_not_renew_for_ever(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).always(json=GRANTED)
    for _ in range(3):
        current(amira, northwind, minimum_seconds=86400)
    assert len(server.calls) == 1


def test_a_lifetime_of_two_seconds_is_no_loop(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).always(json={**GRANTED, "expires_in": 2})
    for _ in range(3):
        assert current(amira, northwind) == "CANARY-access-2"
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("told", "lives"),
    [("3600.0", 3600), (3600.9, 3600), ("abc", None), ([], None), (None, None), (True, None), (10**30, 315360000)],
)
def test_an_odd_lifetime_breaks_nothing(
    told: Any, lives: int | None, server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).answer(json={**GRANTED, "expires_in": told})
    assert current(amira, northwind) == "CANARY-access-2"
    expires_at = Token.objects.get().expires_at
    if lives is None:
        assert expires_at is None
    else:
        assert expires_at is not None
        assert abs((expires_at - timezone.now()).total_seconds() - lives) < 30


@pytest.mark.parametrize("told", [0, -5])
def test_a_lifetime_of_nothing_says_nothing_of_the_end(
    told: int, server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).always(json={**GRANTED, "expires_in": told})
    assert current(amira, northwind) == "CANARY-access-2"
    assert Token.objects.get().expires_at is None
    assert len(server.calls) == 1


@pytest.mark.parametrize("told", [{}, {"refresh_token": None}, {"refresh_token": ""}])
def test_a_refresh_token_that_is_not_replaced_stays(
    told: dict[str, Any], server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).answer(json={"access_token": "CANARY-access-2", "token_type": "bearer", **told})
    assert current(amira, northwind) == "CANARY-access-2"
    assert Token.objects.get().refresh_token == "CANARY-refresh-1"


def test_a_new_refresh_token_takes_the_place_of_the_old(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).answer(json=GRANTED)
    current(amira, northwind)
    assert Token.objects.get().refresh_token == "CANARY-refresh-2"


@pytest.mark.parametrize("nested", [True, False])
def test_tokens_are_taken_from_where_the_registry_says(
    nested: bool, server: HostileServer, amira: User, northwind: Alias
) -> None:
    ApplicationRegistry.objects.update(token_path="/authed_user")
    cast.signed_in(amira, northwind, expires_in=-10)
    bots = {"ok": True, "access_token": "CANARY-bot", "token_type": "bot"}
    server.on(ASKED).answer(json={**bots, "authed_user": GRANTED} if nested else {**GRANTED, "ok": True})
    assert current(amira, northwind) == "CANARY-access-2"
    assert Token.objects.get().refresh_token == "CANARY-refresh-2"


def test_large_and_unicode_tokens_are_kept_as_they_are(server: HostileServer, amira: User, northwind: Alias) -> None:
    large = {"access_token": "a" * 12_000 + "\N{SNOWMAN}", "token_type": "bearer", "refresh_token": "é" * 4_000}
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).answer(json=large)
    current(amira, northwind)
    stored = Token.objects.get()
    assert (stored.access_token, stored.refresh_token) == (large["access_token"], large["refresh_token"])


def test_nobody_gets_anybody_elses_token(server: HostileServer, amira: User, bob: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    for stranger in (bob, None):
        with pytest.raises(renewal.NoUsableToken) as missing:
            current(stranger, northwind)
        assert missing.value.code == "not_connected"
    assert server.calls == []


def test_a_system_token_is_no_way_out_for_a_person(server: HostileServer, amira: User) -> None:
    shared = cast.integration_at(cast.registry_at(server.url), integration_type=IntegrationType.SYSTEM)
    token = cast.signed_in(amira, cast.integration_at(shared.effective_credential.registry, name="own"))  # type: ignore[union-attr]
    Token.objects.filter(pk=token.pk).update(
        user=None, credential=credential_of(shared), integration_type=IntegrationType.SYSTEM
    )
    with pytest.raises(renewal.NoUsableToken):
        current(amira, shared)


def test_after_a_flip_to_system_the_personal_token_is_not_used(amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    OAuth2Credential.objects.update(integration_type=IntegrationType.SYSTEM)
    for user in (amira, None):
        with pytest.raises(renewal.NoUsableToken):
            current(user, Alias.objects.get())


def test_a_deactivated_person_has_no_token(server: HostileServer, amira: User, northwind: Alias) -> None:
    cast.signed_in(amira, northwind)
    User.objects.filter(pk=amira.pk).update(is_active=False)  # amira here is as she was
    with pytest.raises(renewal.NoUsableToken) as gone:
        current(amira, northwind)
    assert gone.value.code == "deactivated"


@pytest.mark.parametrize(
    "fields",
    [{"refresh_token": ""}, {"refresh_expires_at": timezone.now() - timedelta(seconds=1), "refresh_expiry": "known"}],
)
def test_without_a_living_refresh_token_only_the_person_can_help(
    fields: dict[str, Any], server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10, **fields)
    with pytest.raises(renewal.NoUsableToken) as over:
        current(amira, northwind)
    assert over.value.code == "expired"
    assert server.calls == []


def test_a_token_that_cannot_be_opened_is_sent_nowhere(
    server: HostileServer, amira: User, northwind: Alias, caplog: pytest.LogCaptureFixture
) -> None:
    cast.signed_in(amira, northwind)
    for expires_in in (3600, -10):
        expires_at = timezone.now() + timedelta(seconds=expires_in)
        Token.objects.update(access_token=b"CANARY-planted", refresh_token=b"CANARY-planted", expires_at=expires_at)
        with caplog.at_level(logging.DEBUG), pytest.raises(renewal.NoUsableToken) as closed:
            current(amira, northwind)
        assert closed.value.code == "unreadable"
    assert server.calls == []
    assert "cannot be opened" in caplog.text
    assert "CANARY" not in caplog.text


def test_a_client_secret_that_cannot_be_opened_is_the_administrators_to_mend(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    ApplicationRegistry.objects.update(client_secret=b"CANARY-planted")
    with pytest.raises(Misconfigured):
        current(amira, northwind)
    assert ApplicationRegistry.objects.get().misconfigured_code == "unreadable_secret"
    assert server.calls == []
