"""A refused refresh proves a token dead only where it could not mean anything else."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from integrations.connections.revocations import delivery, verification
from integrations.models import Alias, ApplicationRegistry, Renewal, Revocation, Token
from integrations.models.tokens import RevocationState
from tests import cast, walks
from tests.integrations.revoking import TOLD, deliver, promised, tokens_of
from tests.servers.hostile import Answer, HostileServer

RENEWED = "POST /token"
REFUSED = Answer(status=400, json={"error": "invalid_grant"})


@pytest.fixture
def northwind(server: HostileServer, amira: User) -> Alias:
    """Amira's integration, signed in, at a provider that accepts every revocation and refuses every refresh."""
    server.on(TOLD).always(status=200)
    server.on(RENEWED).always(REFUSED)
    alias = cast.integration_at(cast.registry_at(server.url))
    cast.signed_in(amira, alias)
    return alias


def revoked(amira: User, alias: Alias) -> Revocation:
    """Promised, with an access token that has run out."""
    revocation = promised(amira, alias)
    Revocation.objects.update(access_token_expires_at=timezone.now() - timedelta(seconds=1))
    return revocation


def change_registry(**fields: Any) -> None:
    registry = ApplicationRegistry.objects.get()
    for name, value in fields.items():
        setattr(registry, name, value)
    registry.save()


def test_the_refusal_counts_where_nothing_speaks_against_it(amira: User, northwind: Alias) -> None:
    assert deliver(revoked(amira, northwind)).state == "verified"


@pytest.mark.parametrize("changed", [{"client_secret": "CANARY-mistyped"}, {"client_id": "another"}])
def test_a_registration_that_was_changed_since_the_token_was_granted_may_be_what_is_refused(
    changed: dict[str, str], amira: User, bob: User, northwind: Alias
) -> None:
    """Also after the provider has accepted it: the token may be the former client's, and work for that."""
    change_registry(**changed)
    ApplicationRegistry.objects.update(registration_accepted_at=timezone.now())
    done = deliver(revoked(amira, northwind))
    assert (done.state, done.holds_copies) == ("confirmed", True)


def test_a_secret_that_was_changed_after_the_revoke_may_be_what_is_refused(amira: User, northwind: Alias) -> None:
    revocation = revoked(amira, northwind)
    change_registry(client_secret="CANARY-mistyped")
    assert deliver(revocation).state == "confirmed"


def test_a_token_of_the_new_registration_is_proved_dead_as_before(amira: User, northwind: Alias) -> None:
    change_registry(client_secret="CANARY-new-secret")
    ApplicationRegistry.objects.update(registration_accepted_at=timezone.now())
    Token.objects.update(refreshed_at=timezone.now())
    assert deliver(revoked(amira, northwind)).state == "verified"


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        ({"outcome": "asked"}, "confirmed"),
        ({"outcome": "broken", "code": "internal_error"}, "confirmed"),
        ({"outcome": "failed", "kind": "unreachable", "code": "timeout"}, "confirmed"),
        ({"outcome": "failed", "kind": "unusable", "code": "bad_framing"}, "confirmed"),
        ({"outcome": "failed", "kind": "unreachable", "code": "http_503"}, "verified"),
        ({"outcome": "failed", "kind": "unreachable", "code": "dns_failed"}, "verified"),
        ({"outcome": "failed", "kind": "misconfigured", "code": "invalid_client"}, "verified"),
    ],
)
def test_a_renewal_whose_answer_was_lost_may_have_spent_the_token(
    entry: dict[str, str], state: str, amira: User, northwind: Alias
) -> None:
    token = Token.objects.get()
    Renewal.objects.create(token_id=token.pk, version=token.version, **entry)
    token.give_up("interrupted")  # a new version with the same refresh token
    assert deliver(revoked(amira, northwind)).state == state


def test_a_lost_answer_from_before_the_last_grant_is_over(amira: User, northwind: Alias) -> None:
    token = Token.objects.get()
    Renewal.objects.create(token_id=token.pk, version=token.version, outcome="asked")
    Token.objects.update(refreshed_at=timezone.now())
    assert deliver(revoked(amira, northwind)).state == "verified"


def test_no_refresh_is_asked_for_where_a_newer_sign_in_hangs_on_the_same_grant(
    server: HostileServer, amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may take it for a stolen token and end the whole grant."""
    ApplicationRegistry.objects.update(revocation_reach="grant")
    revoke_tokens = delivery.revoke_tokens

    def revoke_while_they_sign_in(revocation: Revocation) -> RevocationState:
        cast.signed_in(amira, northwind, access_token="CANARY-access-9", signed_in_at=timezone.now())
        return revoke_tokens(revocation)

    monkeypatch.setattr(delivery, "revoke_tokens", revoke_while_they_sign_in)
    assert deliver(revoked(amira, northwind)).state == "confirmed"
    assert server.calls_to(RENEWED) == []


@pytest.mark.slow
def test_tokens_that_the_proof_brought_are_told_of_even_if_the_process_dies_at_once(
    server: HostileServer, amira: User, northwind: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on(RENEWED).answer(json=walks.token_answer(2)).always(status=503)
    store_tokens = verification.store_tokens

    def store_and_die(*args: Any) -> None:
        store_tokens(*args)
        raise SystemExit

    monkeypatch.setattr(verification, "store_tokens", store_and_die)
    revocation = promised(amira, northwind)
    with pytest.raises(SystemExit):
        deliver(revocation)
    monkeypatch.undo()
    Revocation.objects.update(claimed_until=None)
    assert deliver(Revocation.objects.get()).state == "confirmed"
    told = tokens_of(server.calls_to(TOLD))
    assert told[-2:] == ["CANARY-refresh-2", "CANARY-access-2"]


SIGN_IN_PAGE = {"text": "<!doctype html><title>Sign in</title><form><input type='password'></form>"}


@pytest.mark.parametrize("answer", [SIGN_IN_PAGE, {"json": {"message": "Unable to revoke token"}}])
@pytest.mark.parametrize(("shown", "state"), [({"status": 401}, "verified"), ({"json": {"sub": "a-1"}}, "pending")])
def test_a_page_or_a_no_with_status_200_confirms_nothing_and_what_userinfo_proves_counts(
    answer: dict[str, Any],
    shown: dict[str, Any],
    state: str,
    server: HostileServer,
    amira: User,
) -> None:
    server.on(TOLD).always(**answer)
    server.on("GET /userinfo").answer(json={"sub": "a-1"}).always(**shown)
    alias = cast.integration_at(cast.registry_at(server.url, userinfo_url=f"{server.url}/userinfo"))
    cast.signed_in(amira, alias)
    done = deliver(promised(amira, alias))
    assert (done.state, done.told) == (state, [])
