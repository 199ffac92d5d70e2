"""Whether servers that others wrote accept our credentials can be told, and a wrong secret there signs nobody out."""

from dataclasses import replace

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.client_check import Verdict, check_client
from foundation.oauth_client.errors import Misconfigured, Unexplained
from integrations.models import ApplicationRegistry, Token
from integrations.personal_auth import NotAuthenticated
from tests.integrations.connections.test_round_trips_peers import (
    integration_at,
    let_it_expire,
    sign_in,
    whoami,
)
from tests.servers.peers import Peer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(params=["oidc_provider_peer", "canaille_peer"])
def peer(request: pytest.FixtureRequest) -> Peer:
    found: Peer = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_check_tells_a_right_secret_from_a_wrong_one(method: str, peer: Peer) -> None:
    integration_at(peer, method)
    registration = ApplicationRegistry.objects.get().registration()
    assert check_client(registration).verdict == Verdict.ACCEPTED
    assert check_client(replace(registration, client_secret="CANARY-mistyped")).verdict == Verdict.REFUSED
    assert check_client(replace(registration, client_id="CANARY-mistyped")).verdict == Verdict.REFUSED


def test_a_wrong_secret_signs_nobody_out_and_the_right_one_needs_no_sign_in(
    peer: Peer, amira: User, as_amira: Client
) -> None:
    registry = integration_at(peer).effective_credential.registry  # type: ignore[union-attr]
    sign_in(as_amira, amira, peer, "alice")
    right = registry.client_secret
    registry.client_secret = "CANARY-mistyped"
    registry.save()
    let_it_expire()
    for _ in range(2):
        with pytest.raises(Misconfigured):
            whoami(amira, peer)
    assert Token.objects.get().state == "valid"
    assert ApplicationRegistry.objects.get().misconfigured_code
    registry.client_secret = right
    registry.save()
    assert whoami(amira, peer)
    assert ApplicationRegistry.objects.get().misconfigured_code == ""


def test_a_dead_refresh_token_is_the_persons_although_the_secret_was_changed(
    peer: Peer, amira: User, as_amira: Client
) -> None:
    integration_at(peer)
    sign_in(as_amira, amira, peer, "alice")
    token = Token.objects.get()
    token.refresh_token = "CANARY-nobodys"
    token.save()
    ApplicationRegistry.objects.update(registration_changed_at=timezone.now())
    let_it_expire()
    with pytest.raises(NotAuthenticated):
        whoami(amira, peer)
    assert Token.objects.get().state == "needs_reauth"
    assert not ApplicationRegistry.objects.get().is_unproven


def test_a_403_that_is_no_answer_to_a_dead_token_is_kept(
    oidc_provider_peer: Peer, amira: User, as_amira: Client
) -> None:
    integration_at(oidc_provider_peer)
    sign_in(as_amira, amira, oidc_provider_peer, "alice")
    let_it_expire()
    oidc_provider_peer.spoil("/token", status=403, body="{}")
    with pytest.raises(Unexplained):
        whoami(amira, oidc_provider_peer)
    let_it_expire()
    assert whoami(amira, oidc_provider_peer)
