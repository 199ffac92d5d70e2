"""Every shipped template at a server that plays its provider's documented answers."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from foundation.oauth_client.errors import Misconfigured, OAuthError, Unreachable
from integrations import calls
from integrations.connections import authorization, renewal
from integrations.connections.revocations import delivery
from integrations.models import (
    Alias,
    ApplicationRegistry,
    AuthorizationAttempt,
    HttpConnection,
    OAuth2Credential,
    Token,
)
from integrations.models.registry import GrantType
from integrations.models.tokens import RevocationState, TokenState
from integrations.provider_setup import from_template
from tests import walks
from tests.integrations.provider_setup import recorded_answers as recorded
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.django_db]
BY_CODE = [
    key
    for key in recorded.KEYS
    if recorded.read_recording(key).answers("token", "code")
    and recorded.read_recording(key).definition.registry.get("default_grant_type", "")
    in {"", GrantType.AUTHORIZATION_CODE}
]


def each(*path: str) -> list[tuple[str, int]]:
    """Key and index of the recorded answers of one kind, of templates with a recorded sign-in."""
    return [(key, index) for key, index in recorded.each(*path) if key in BY_CODE]


def renewable(*path: str) -> list[tuple[str, int]]:
    """The same, of providers that renew tokens."""
    return [(key, index) for key, index in each(*path) if recorded.read_recording(key).is_renewable]


def sign_in(browser: Client, key: str, server: HostileServer) -> tuple[recorded.Recording, Alias, Token]:
    """A person's sign-in, with a choice where the provider offers several values."""
    recording = recorded.read_recording(key)
    alias = recorded.set_up(recording, server)
    recorded.play_sign_in(recording, server, alias)
    parameters = {
        name: value for name, value in (recording.answer("callback", "good") or {}).items() if name != "state"
    }
    state = walks.begin(browser, alias)
    back = walks.come_back(browser, alias, state, **{"code": None if "code" not in parameters else "c", **parameters})
    assert back.status_code == 303, back.content
    attempt = AuthorizationAttempt.objects.get()
    while (choice := attempt.choice) is not None:
        browser.post(f"/integrations/done/{attempt.hex}/", {"value": choice.options[0]["value"]})
        attempt.refresh_from_db()
    assert (attempt.status, attempt.failure_code) == ("connected", "")
    return recording, alias, Token.objects.with_registry().get()


def make_due(token: Token) -> None:
    """The access token has run out, and the sign-in is older than any pause of the provider."""
    now = timezone.now()
    Token.objects.filter(pk=token.pk).update(
        expires_at=now - timedelta(seconds=1), signed_in_at=now - timedelta(days=2), refreshed_at=None
    )
    Token.objects.filter(pk=token.pk).exclude(refresh_expires_at=None).update(
        refresh_expires_at=now + timedelta(days=2)
    )


def play_at_renewal(recording: recorded.Recording, server: HostileServer, alias: Alias, *path: str, index: int) -> None:
    recorded.play(server, recorded.token_routes(recorded.registry_of(alias)), recording.answers(*path)[index])


def renew(person: User, alias: Alias) -> Token:
    return renewal.current(person, walks.credential_of(alias))


def test_most_templates_have_recorded_answers() -> None:
    shipped = {row["key"] for row in from_template.shipped()}
    assert set(recorded.KEYS) <= shipped
    assert len(shipped) >= 80
    assert len(BY_CODE) >= 80


@pytest.mark.parametrize("key", BY_CODE)
def test_a_person_signs_in_and_calls(key: str, amira: User, as_amira: Client, server: HostileServer) -> None:
    recording, alias, token = sign_in(as_amira, key, server)
    assert token.access_token
    assert set(token.values) >= recorded.registry_of(alias).profile.kept_values() & set(
        recording.answer("callback", "good") or {}
    )
    connection = recorded.connection_of(alias)
    if good := recording.answer("api", "good"):
        path = token.at_home(connection.connection_url).removeprefix(server.url).rstrip("/") + "/x"
        recorded.play(server, [f"GET {path}"], good)
        assert calls.send(amira, connection, "GET", "x").status_code == good.get("status", 200)


@pytest.mark.parametrize(("key", "index"), renewable("token", "renewed"))
def test_a_token_is_renewed(key: str, index: int, amira: User, as_amira: Client, server: HostileServer) -> None:
    recording, alias, token = sign_in(as_amira, key, server)
    make_due(token)
    play_at_renewal(recording, server, alias, "token", "renewed", index=index)
    renewed = renew(amira, alias)
    assert renewed.version > token.version
    assert renewed.lives_for()


@pytest.mark.parametrize(("key", "index"), renewable("token", "refused"))
def test_a_dead_sign_in_is_known(key: str, index: int, amira: User, as_amira: Client, server: HostileServer) -> None:
    recording, alias, token = sign_in(as_amira, key, server)
    make_due(token)
    play_at_renewal(recording, server, alias, "token", "refused", index=index)
    with pytest.raises(renewal.NoUsableToken):
        renew(amira, alias)
    token.refresh_from_db()
    assert token.state == TokenState.NEEDS_REAUTH
    assert not recorded.registry_of(alias).misconfigured_code


@pytest.mark.parametrize(("key", "index"), renewable("token", "wrong_registration"))
def test_a_wrong_registration_ends_no_sign_in(
    key: str, index: int, amira: User, as_amira: Client, server: HostileServer
) -> None:
    recording, alias, token = sign_in(as_amira, key, server)
    make_due(token)
    play_at_renewal(recording, server, alias, "token", "wrong_registration", index=index)
    with pytest.raises(OAuthError) as raised:
        renew(amira, alias)
    token.refresh_from_db()
    assert isinstance(raised.value, Misconfigured)
    assert token.state == TokenState.VALID
    assert recorded.registry_of(alias).misconfigured_code


@pytest.mark.parametrize("kind", ["wait", "temporary", "unsure"])
def test_nothing_that_passes_ends_a_sign_in(
    kind: str, amira: User, as_amira: Client, server: HostileServer, subtests: pytest.Subtests
) -> None:
    for key, index in renewable("token", kind):
        with subtests.test(key=key, index=index):
            for model in (Token, AuthorizationAttempt, HttpConnection, Alias, OAuth2Credential, ApplicationRegistry):
                model.objects.all().delete()
            server.reset()
            recording, alias, token = sign_in(as_amira, key, server)
            make_due(token)
            play_at_renewal(recording, server, alias, "token", kind, index=index)
            with pytest.raises(OAuthError) as raised:
                renew(amira, alias)
            token.refresh_from_db()
            assert token.state == TokenState.VALID
            assert not recorded.registry_of(alias).misconfigured_code
            answer = recording.answers("token", kind)[index]
            if seconds := answer.get("seconds"):
                assert isinstance(raised.value, Unreachable)
                assert raised.value.retry_after == pytest.approx(seconds, abs=3)


@pytest.mark.parametrize(
    ("kind", "key", "index"),
    [(kind, *each_one) for kind in ("good", "already_gone") for each_one in each("revocation", kind)],
)
def test_a_revocation_is_settled(
    kind: str, key: str, index: int, amira: User, as_amira: Client, server: HostileServer
) -> None:
    recording, alias, _token = sign_in(as_amira, key, server)
    registry = recorded.registry_of(alias)
    assert registry.token_revocation_url, "An answer to a revocation is recorded, but the template has no such URL."
    server.reset()
    server.otherwise(recorded.played(recording.answers("revocation", kind)[index]))
    if registry.userinfo_url:  # the access token is dead from now on
        method = registry.userinfo_request.get("method", "GET")
        server.on(f"{method} {urlsplit(registry.userinfo_url).path}").always(status=401)
    if registry.token_introspection_url:
        server.on(f"POST {urlsplit(registry.token_introspection_url).path}").always(json={"active": False})
    for route in recorded.token_routes(registry):
        server.on(route).always(status=400, json={"error": "invalid_grant"})
    revocation = authorization.revoke(amira, alias)
    assert revocation is not None
    delivery.deliver(revocation)
    revocation.refresh_from_db()
    assert revocation.state in {RevocationState.CONFIRMED, RevocationState.VERIFIED}
