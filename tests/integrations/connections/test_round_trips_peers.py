"""Sign in, call, renew, revoke: against authorization servers that others wrote, strict about what we say."""

from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client import client
from foundation.oauth_client.errors import Unreachable
from integrations.connections import renewal, tasks
from integrations.models import Alias, ApplicationRegistry, AuthorizationAttempt, Revocation, Token
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI
from tests import cast
from tests.conftest import client_of
from tests.servers.peers import Peer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def integration_at(peer: Peer, method: str = "client_secret_basic") -> Alias:
    """An integration at the peer, with a client that is registered there for it."""
    registry = cast.registry_at(
        peer.issuer,
        issuer=peer.issuer,
        names_issuer=True,
        send_credentials=method,
        authorization_url=peer.authorization_url,
        token_url=peer.token_url,
        token_revocation_url=peer.revocation_url,
        token_introspection_url=peer.introspection_url,
        userinfo_url=peer.userinfo_url,
    )
    registered = peer.register([registry.redirect_url], client_authentication=method)
    registry.client_id, registry.client_secret = registered.client_id, registered.client_secret
    registry.save()
    base = peer.api_url.rsplit("/", 1)[0]
    return cast.integration_at(registry, scopes=("openid", "profile", "email"), connection_url=base)


def way_back(browser: Client, user: User, peer: Peer, account: str, *, allow: bool = True) -> str:
    """From the dashboard to the provider and until its answer, which is not opened yet."""
    leave = browser.get(PersonalAuthAPI(user).get_initiator_url("northwind"))
    assert leave.status_code == 302
    return peer.consent(leave["Location"], account, allow=allow)


def arrive(browser: Client, url: str, **changed: str | None) -> int:
    """Open the provider's answer (the status of that), with some parameters changed or (None) taken out."""
    back = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(back.query).items()} | changed
    told = urlencode({name: value for name, value in query.items() if value is not None})
    return browser.get(f"{back.path}?{told}").status_code


def sign_in(browser: Client, user: User, peer: Peer, account: str) -> None:
    assert arrive(browser, way_back(browser, user, peer, account)) == 303
    assert AuthorizationAttempt.objects.filter(user=user).latest("created_at").status == "connected"


def whoami(user: User, peer: Peer) -> dict[str, str]:
    response = PersonalAuthAPI(user).request("northwind", "GET", peer.api_url.rsplit("/", 1)[1])
    assert response.status_code == 200, response.text
    told: dict[str, str] = response.json()
    return told


def let_it_expire() -> None:
    Token.objects.update(expires_at=timezone.now() - timedelta(minutes=1), lease_expires_at=None)


def is_active(registry: ApplicationRegistry, token: str) -> bool:
    return client.introspect(registry.registration(), token).active


def go_round(peer: Peer, user: User, browser: Client, account: str) -> None:
    """The whole life of a sign-in."""
    registry = integration_at(peer).effective_credential.registry  # type: ignore[union-attr]
    sign_in(browser, user, peer, account)
    assert account in str(whoami(user, peer))
    first = Token.objects.get()
    assert account in first.account_label

    let_it_expire()
    assert account in str(whoami(user, peer))
    second = Token.objects.get()
    assert (second.pk, second.version) == (first.pk, 2)
    assert second.access_token != first.access_token
    assert is_active(registry, second.access_token)

    assert PersonalAuthAPI(user).revoke_token("northwind").remote_revocation == "pending"
    with pytest.raises(NotAuthenticated):
        whoami(user, peer)
    tasks.deliver_revocation(Revocation.objects.get().hex)
    assert Revocation.objects.get().state == "verified"
    assert not is_active(registry, second.access_token)
    assert not is_active(registry, second.refresh_token)


def test_a_whole_life_at_oidc_provider(oidc_provider_peer: Peer, amira: User, as_amira: Client) -> None:
    go_round(oidc_provider_peer, amira, as_amira, "alice")


def test_a_whole_life_at_canaille(canaille_peer: Peer, amira: User, as_amira: Client) -> None:
    go_round(canaille_peer, amira, as_amira, "alice")


def test_the_secret_can_go_in_the_body(oidc_provider_peer: Peer, amira: User, as_amira: Client) -> None:
    integration_at(oidc_provider_peer, "client_secret_post")
    sign_in(as_amira, amira, oidc_provider_peer, "alice")
    let_it_expire()
    assert whoami(amira, oidc_provider_peer)
    PersonalAuthAPI(amira).revoke_token("northwind")
    tasks.deliver_revocation(Revocation.objects.get().hex)
    assert Revocation.objects.get().state == "verified"


def test_two_people_are_two_accounts(oidc_provider_peer: Peer, amira: User, bob: User) -> None:
    integration_at(oidc_provider_peer)
    for user, account in ((amira, "alice"), (bob, "bob")):
        sign_in(client_of(user), user, oidc_provider_peer, account)
    assert "alice" in str(whoami(amira, oidc_provider_peer))
    assert "bob" in str(whoami(bob, oidc_provider_peer))
    PersonalAuthAPI(amira).revoke_token("northwind")
    tasks.deliver_revocation(Revocation.objects.get().hex)
    assert "bob" in str(whoami(bob, oidc_provider_peer))


@pytest.mark.parametrize(
    ("issuer", "code"), [(None, "issuer_missing"), ("https://evil.example", "issuer_mismatch"), ("", "issuer_missing")]
)
def test_an_answer_that_does_not_name_the_issuer_is_refused_and_its_code_unspent(
    issuer: str | None, code: str, oidc_provider_peer: Peer, amira: User, as_amira: Client
) -> None:
    integration_at(oidc_provider_peer)
    back = way_back(as_amira, amira, oidc_provider_peer, "alice")
    before = oidc_provider_peer.count("POST /token")
    arrive(as_amira, back, iss=issuer)
    attempt = AuthorizationAttempt.objects.get()
    assert (attempt.status, attempt.failure_code) == ("failed", code)
    assert oidc_provider_peer.count("POST /token") == before
    assert not Token.objects.exists()


def test_a_server_that_requires_pkce_refuses_us_without_it(
    oidc_provider_peer: Peer, amira: User, as_amira: Client
) -> None:
    integration_at(oidc_provider_peer)
    ApplicationRegistry.objects.update(pkce_required=False)
    arrive(as_amira, way_back(as_amira, amira, oidc_provider_peer, "alice"))
    assert AuthorizationAttempt.objects.get().failure_code == "invalid_request"


def test_whoever_says_no_keeps_what_he_had(oidc_provider_peer: Peer, amira: User, as_amira: Client) -> None:
    integration_at(oidc_provider_peer)
    sign_in(as_amira, amira, oidc_provider_peer, "alice")
    held = Token.objects.get().access_token
    arrive(as_amira, way_back(as_amira, amira, oidc_provider_peer, "alice", allow=False))
    assert AuthorizationAttempt.objects.latest("created_at").failure_code == "access_denied"
    assert Token.objects.get().access_token == held


def test_a_stumble_of_the_server_costs_nothing(oidc_provider_peer: Peer, amira: User, as_amira: Client) -> None:
    integration_at(oidc_provider_peer)
    sign_in(as_amira, amira, oidc_provider_peer, "alice")
    let_it_expire()
    oidc_provider_peer.spoil("/token", status=503, body="<h1>busy</h1>", content_type="text/html")
    with pytest.raises(Unreachable):
        whoami(amira, oidc_provider_peer)
    let_it_expire()
    assert whoami(amira, oidc_provider_peer)


def test_an_answer_lost_after_rotation_ends_in_signing_in_again(
    oidc_provider_peer: Peer, amira: User, as_amira: Client
) -> None:
    """The server takes our second try for a thief's. We say so, once, and a new sign-in mends it."""
    integration_at(oidc_provider_peer)
    sign_in(as_amira, amira, oidc_provider_peer, "alice")
    let_it_expire()
    oidc_provider_peer.spoil("/token", drop=True, after=True, grant_type="refresh_token")
    with pytest.raises(Unreachable):
        whoami(amira, oidc_provider_peer)
    let_it_expire()
    for _ in range(2):
        with pytest.raises(NotAuthenticated) as refused:
            whoami(amira, oidc_provider_peer)
        assert refused.value.code == "answer_lost"
    sign_in(as_amira, amira, oidc_provider_peer, "alice")
    assert whoami(amira, oidc_provider_peer)


def test_a_token_that_died_at_the_server_is_renewed_by_its_401(
    oidc_provider_peer: Peer, amira: User, as_amira: Client
) -> None:
    integration_at(oidc_provider_peer)
    sign_in(as_amira, amira, oidc_provider_peer, "alice")
    token = Token.objects.get()
    token.access_token = "made-up"
    token.save()
    assert whoami(amira, oidc_provider_peer)
    assert renewal.current(amira, token.credential).version == 2
