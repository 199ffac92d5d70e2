"""Only the provider's word about a token ends a sign-in; what we assume about it is for warnings."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable
from integrations.connections import notices, renewal
from integrations.models import Alias, ApplicationRegistry, Event, Renewal, Revocation, Token
from integrations.models.card import integration_of
from integrations.models.tokens import RefreshExpiry, TokenState
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI
from tests import cast, walks
from tests.integrations.accounts import is_known_as
from tests.integrations.renewing import ASKED, GRANTED, current, due_tokens
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db
MONTH = 30 * 86_400
YESTERDAY = timedelta(days=-1)
ME = {"sub": "a-1", "email": "amira@northwind.example"}


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    return walks.northwind(server, userinfo_url=f"{server.url}/userinfo")


def pass_the_pause() -> None:
    Token.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def pause_left() -> float:
    until = Token.objects.get().lease_expires_at
    assert until is not None
    return (until - timezone.now()).total_seconds()


# The end of a refresh token -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expiry", [RefreshExpiry.ASSUMED, RefreshExpiry.ENTERED, RefreshExpiry.ROLLING])
def test_a_refresh_token_past_an_end_that_nobody_told_is_tried(
    expiry: RefreshExpiry, server: HostileServer, amira: User, northwind: Alias
) -> None:
    past = timezone.now() + YESTERDAY
    cast.signed_in(amira, northwind, expires_in=-10, refresh_expires_at=past, refresh_expiry=expiry)
    card = integration_of(amira, northwind.pk)
    assert card is not None
    assert (card.state, card.renews_itself, card.sign_in_again_by) == ("connected", True, None)
    server.on(ASKED).answer(json=GRANTED)
    assert current(amira, northwind) == "CANARY-access-2"


def test_a_refresh_token_past_the_end_that_the_provider_told_is_over(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    past = timezone.now() + YESTERDAY
    cast.signed_in(amira, northwind, expires_in=-10, refresh_expires_at=past, refresh_expiry=RefreshExpiry.KNOWN)
    with pytest.raises(renewal.NoUsableToken):
        current(amira, northwind)
    assert server.calls == []


@pytest.mark.slow
def test_an_entered_lifespan_is_no_end_that_was_told(as_amira: Client, server: HostileServer, northwind: Alias) -> None:
    ApplicationRegistry.objects.update(refresh_token_lifespan=MONTH)
    walks.grants(server)
    walks.sign_in(as_amira, northwind)
    assert Token.objects.get().refresh_expiry == RefreshExpiry.ENTERED


@pytest.mark.parametrize(
    ("answer", "expiry", "moves"),
    [
        ({}, RefreshExpiry.ASSUMED, True),  # accepted just now
        ({}, RefreshExpiry.ENTERED, False),
        ({"refresh_token": "CANARY-refresh-1"}, RefreshExpiry.ENTERED, False),
        ({"refresh_token": "CANARY-refresh-2"}, RefreshExpiry.ENTERED, True),
        ({"refresh_expires_in": 2 * MONTH}, RefreshExpiry.KNOWN, True),
        ({}, RefreshExpiry.KNOWN, False),
    ],
)
def test_a_renewal_moves_an_end_only_for_a_new_life(
    answer: dict[str, Any], expiry: RefreshExpiry, moves: bool, amira: User, northwind: Alias, server: HostileServer
) -> None:
    if expiry == RefreshExpiry.ENTERED:
        ApplicationRegistry.objects.update(refresh_token_lifespan=MONTH)
    end = timezone.now() + timedelta(days=3)
    cast.signed_in(amira, northwind, expires_in=-10, refresh_expires_at=end, refresh_expiry=expiry)
    server.on(ASKED).answer(json={"access_token": "CANARY-access-2", "token_type": "Bearer", **answer})
    current(amira, northwind)
    stored = Token.objects.get()
    assert stored.refresh_token == answer.get("refresh_token", "CANARY-refresh-1")
    assert (stored.refresh_expires_at != end) is moves


def test_what_is_past_an_assumed_end_is_renewed_ahead_for_its_users_and_not_all_day_long(
    amira: User, northwind: Alias
) -> None:
    now = timezone.now()
    fields = {"refresh_expires_at": now + YESTERDAY, "signed_in_at": now - timedelta(days=101)}
    token = cast.signed_in(amira, northwind, expires_in=60, last_used_at=now, **fields)
    assert due_tokens() == [token]
    Token.objects.update(last_used_at=None)
    assert due_tokens() == []


# Codes that say more than they mean -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        ({"error": "invalid_grant", "error_description": "AADSTS90033: A transient error has occurred."}, Unreachable),
        ({"error": "invalid_request", "error_description": "token request is already being processed"}, Unreachable),
        ({"error": "app_disabled"}, Misconfigured),
        ({"error": "invalid_grant", "error_description": "The provided client secret has expired."}, Misconfigured),
    ],
)
def test_a_code_ends_nothing_that_its_sentence_says_of_something_else(
    refusal: dict[str, str], kind: type[OAuthError], server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).answer(status=400, json=refusal)
    with pytest.raises(kind):
        current(amira, northwind)
    assert Token.objects.get().state == TokenState.VALID
    assert bool(ApplicationRegistry.objects.get().misconfigured_code) is (kind is Misconfigured)
    ApplicationRegistry.objects.get().save()  # an administrator has looked
    pass_the_pause()
    server.on(ASKED).answer(json=GRANTED)
    assert current(amira, northwind) == "CANARY-access-2"


# A renewed sign-in without a refresh token ----------------------------------------------------------------------------


def sign_in_twice(browser: Client, alias: Alias, server: HostileServer, first: Any, second: Any) -> Token:
    is_known_as(server, *(account for account in (first, second) if account))
    end = MONTH * 2
    walks.grants(server, refresh_expires_in=end)
    walks.sign_in(browser, alias)
    walks.grants(server, 2, refresh_token=None)
    walks.sign_in(browser, alias)
    return Token.objects.get()


@pytest.mark.slow
def test_a_renewed_sign_in_of_the_same_account_keeps_the_refresh_token_and_its_end(
    as_amira: Client, northwind: Alias, server: HostileServer
) -> None:
    ApplicationRegistry.objects.update(revocation_reach="token")
    token = sign_in_twice(as_amira, northwind, server, ME, ME)
    assert (token.access_token, token.refresh_token) == ("CANARY-access-2", "CANARY-refresh-1")
    assert token.refresh_expiry == RefreshExpiry.KNOWN
    assert token.refresh_expires_at is not None
    assert abs((token.refresh_expires_at - timezone.now()).total_seconds() - 2 * MONTH) < 60
    assert not Revocation.objects.exists(), "it would end the grant"


@pytest.mark.slow
def test_it_is_kept_where_no_sign_in_names_an_account(as_amira: Client, server: HostileServer) -> None:
    assert sign_in_twice(as_amira, walks.northwind(server), server, None, None).refresh_token == "CANARY-refresh-1"


@pytest.mark.slow
def test_it_is_not_kept_for_an_account_that_is_not_known_to_be_the_same(
    as_amira: Client, northwind: Alias, server: HostileServer
) -> None:
    is_known_as(server, ME)
    walks.grants(server)
    walks.sign_in(as_amira, northwind)
    walks.grants(server, 2, refresh_token=None)
    server.on("GET /userinfo").always(status=500)
    walks.sign_in(as_amira, northwind)
    token = Token.objects.get()
    assert (token.access_token, token.refresh_token) == ("CANARY-access-2", "")


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{"state": "needs_reauth", "failure_code": "invalid_grant"}, {"agreed": {}}])
def test_a_refresh_token_that_is_dead_or_of_another_server_is_not_kept(
    fields: dict[str, Any], as_amira: Client, amira: User, server: HostileServer
) -> None:
    alias = walks.northwind(server)
    cast.signed_in(amira, alias, **fields)
    walks.grants(server, 2, refresh_token=None)
    walks.sign_in(as_amira, alias)
    assert Token.objects.get().refresh_token == ""


# A refused renewal ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_living_access_token_is_used_to_its_end_and_the_person_is_told(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=200, signed_in_at=timezone.now() - timedelta(seconds=3400))
    server.on(ASKED).always(status=400, json={"error": "invalid_grant"})
    server.on("GET /api/x").always(json={})
    for _ in range(3):
        assert PersonalAuthAPI(amira).request("northwind", "GET", "/x").status_code == 200
    assert len(server.calls_to(ASKED)) == 1
    card = integration_of(amira, northwind.pk)
    assert card is not None
    assert (card.state, card.renews_itself) == ("expiring", False)
    assert [event.kind for event in Event.objects.all()] == ["reauth_needed"]
    notices.send_due()
    notices.send_due()
    [letter] = mail.outbox
    assert "no longer accepts your sign-in" in letter.body
    assert "calls still work" in letter.body
    Token.objects.update(expires_at=timezone.now())
    with pytest.raises(renewal.NoUsableToken) as over:
        current(amira, northwind)
    assert over.value.code == "invalid_grant"
    assert len(server.calls_to(ASKED)) == 1


@pytest.mark.parametrize("expires_in", [3600, None])
def test_an_access_token_that_the_api_called_dead_is_not_used_to_its_end(
    expires_in: int | None, server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=expires_in)
    server.on(ASKED).always(status=400, json={"error": "invalid_grant"})
    server.on("GET /api/x").always(status=401)
    with pytest.raises(NotAuthenticated):
        PersonalAuthAPI(amira).request("northwind", "GET", "/x")
    assert Token.objects.get().state == "needs_reauth"


def test_an_access_token_without_lifetime_that_the_api_called_dead_is_not_handed_out_for_ever(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=None)
    server.on(ASKED).always(status=400, json={"error": "no_idea"})
    server.on("GET /api/x").always(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    for _ in range(2):
        with pytest.raises(OAuthError):
            PersonalAuthAPI(amira).request("northwind", "GET", "/x")
    with pytest.raises(OAuthError):
        current(amira, northwind)
    assert len(server.calls_to("GET /api/x")) == 1
    pass_the_pause()
    server.on(ASKED).always(json={**GRANTED, "expires_in": None})
    assert current(amira, northwind) == "CANARY-access-2"
    assert Token.objects.get().expires_at is None


def test_a_profile_that_nobody_can_read_holds_up_no_living_token(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    ApplicationRegistry.objects.update(provider_profile={"limits": "none"})
    cast.signed_in(amira, northwind, expires_in=100, signed_in_at=timezone.now() - timedelta(seconds=3500))
    assert current(amira, northwind) == "CANARY-access-1"
    assert ApplicationRegistry.objects.get().misconfigured_code == "bad_provider_profile"


def test_a_renewal_that_comes_too_early_is_tried_again_when_the_access_token_has_ended(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=250, signed_in_at=timezone.now() - timedelta(seconds=3400))
    words = "Rate limit exceeded: access_token not expired"
    server.on(ASKED).answer(status=400, json={"error": "access_denied", "error_description": words})
    assert current(amira, northwind) == "CANARY-access-1"
    assert (Token.objects.get().state, Token.objects.get().failure_code) == ("valid", "")
    assert 200 < pause_left() <= 251


def test_sign_ins_that_a_broken_set_up_ended_come_back_when_it_is_mended(
    server: HostileServer, amira: User, bob: User, northwind: Alias
) -> None:
    for person in (amira, bob):
        cast.signed_in(person, northwind, expires_in=-10)
    server.on(ASKED).answer(status=400, json={"error": "invalid_grant"})
    with pytest.raises(renewal.NoUsableToken):
        current(amira, northwind)
    server.on(ASKED).answer(status=401, json={"error": "invalid_client"})
    with pytest.raises(Misconfigured):
        current(bob, northwind)
    pass_the_pause()
    server.on(ASKED).always(json=GRANTED)
    assert current(bob, northwind) == "CANARY-access-2"
    assert current(amira, northwind) == "CANARY-access-2"


# The brake ------------------------------------------------------------------------------------------------------------

TOO_MANY = {"error": "Access Denied", "error_description": "You have made too many requests continuously."}


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 400, "json": TOO_MANY},
        {"status": 429},
        {"status": 400, "json": {"error": "no_idea"}},
        {"status": 200, "text": "<h1>Welcome</h1>"},
    ],
    ids=["too many, in words", "429", "an unknown word", "a page"],
)
def test_the_pause_after_answers_without_a_token_grows(
    answer: dict[str, Any], server: HostileServer, amira: User, northwind: Alias
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).always(**answer)
    pauses = []
    for _ in range(3):
        with pytest.raises(OAuthError):
            current(amira, northwind)
        pauses.append(pause_left())
        pass_the_pause()
    assert 25 < pauses[0] <= 46
    assert 115 < pauses[1] <= 181
    assert 475 < pauses[2] <= 721


def test_a_sign_in_that_meets_server_errors_again_and_again_is_braked_too(
    server: HostileServer, amira: User, northwind: Alias
) -> None:
    """Where others are renewed in between, the circuit breaker stays closed."""
    cast.signed_in(amira, northwind, expires_in=-10)
    server.on(ASKED).always(status=500)
    pauses = []
    for _ in range(4):
        ApplicationRegistry.objects.update(down_since=None, failures=0)
        with pytest.raises(Unreachable):
            current(amira, northwind)
        pauses.append(pause_left())
        pass_the_pause()
    assert pauses[2] <= 3
    assert 25 < pauses[3] <= 46


def test_a_providers_own_limit_of_renewals_holds_for_each_sign_in(
    server: HostileServer, amira: User, bob: User, northwind: Alias
) -> None:
    ApplicationRegistry.objects.update(provider_profile={"limits": {"renewals": 2, "seconds": 600}})
    server.on(ASKED).always(json={**GRANTED, "expires_in": 1})
    tokens = [cast.signed_in(person, northwind, expires_in=-10) for person in (amira, bob)]
    for _ in range(2):
        Token.objects.update(expires_at=timezone.now())
        current(amira, northwind)
    Token.objects.update(expires_at=timezone.now())
    with pytest.raises(Unreachable) as held:
        current(amira, northwind)
    assert held.value.retry_after is not None
    assert 590 < held.value.retry_after <= 600
    assert len(server.calls) == 2
    current(bob, northwind)
    Renewal.objects.filter(token_id=tokens[0].pk).update(asked_at=timezone.now() - timedelta(seconds=601))
    current(amira, northwind)
