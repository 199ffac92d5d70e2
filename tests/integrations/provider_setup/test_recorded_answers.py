"""Every shipped template at a server that plays its provider's documented answers."""

from collections.abc import Iterator
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
from integrations.models import Alias, AuthorizationAttempt, Token
from integrations.models.registry import GrantType
from integrations.models.tokens import RevocationState, TokenState
from integrations.provider_setup import from_template
from tests import walks
from tests.conftest import undone
from tests.integrations.provider_setup import recorded_answers as recorded
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
BY_CODE = [
    key
    for key in recorded.KEYS
    if recorded.read_recording(key).answers("token", "code")
    and recorded.read_recording(key).definition.registry.get("default_grant_type", "")
    in {"", GrantType.AUTHORIZATION_CODE}
]


def sign_in(browser: Client, key: str, server: HostileServer) -> tuple[recorded.Recording, Alias, Token]:
    """A person's sign-in, with a choice where the provider offers several values."""
    recording = recorded.read_recording(key)
    alias = recorded.set_up(recording, server)
    recorded.play_sign_in(recording, server, alias)
    parameters = {
        name: value for name, value in (recording.answer("callback", "good") or {}).items() if name != "state"
    }
    state = walks.begin(browser, alias)
    parameters = recorded.as_signed(recorded.registry_of(alias), parameters, state)
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


def renew(
    person: User, recording: recorded.Recording, alias: Alias, server: HostileServer, kind: str, index: int
) -> Token:
    """Renew a token that is due, at a server that gives this recorded answer."""
    make_due(Token.objects.get())
    recorded.play(server, recorded.token_routes(recorded.registry_of(alias)), recording.answers("token", kind)[index])
    return renewal.current(person, walks.credential_of(alias))


def state_of_token() -> str:
    return Token.objects.get().state


def test_most_templates_have_recorded_answers() -> None:
    shipped = {row["key"] for row in from_template.shipped_templates()}
    assert set(recorded.KEYS) <= shipped
    assert len(shipped) >= 80
    assert len(BY_CODE) >= 80


# What follows a sign-in: each begins with the token of one, and leaves nothing to the next.


def call_api(person: User, recording: recorded.Recording, alias: Alias, server: HostileServer) -> None:
    connection = recorded.connection_of(alias)
    if good := recording.answer("api", "good"):
        token = Token.objects.with_registry().get()
        path = token.at_home(connection.connection_url).removeprefix(server.url).rstrip("/") + "/x"
        recorded.play(server, [f"GET {path}"], good)
        assert calls.send(person, connection, "GET", "x").status_code == good.get("status", 200)


def a_token_is_renewed(
    person: User, recording: recorded.Recording, alias: Alias, server: HostileServer, kind: str, index: int
) -> None:
    version = Token.objects.get().version
    renewed = renew(person, recording, alias, server, kind, index)
    assert renewed.version > version
    assert renewed.lives_for()


def a_dead_sign_in_is_known(
    person: User, recording: recorded.Recording, alias: Alias, server: HostileServer, kind: str, index: int
) -> None:
    with pytest.raises(renewal.NoUsableToken):
        renew(person, recording, alias, server, kind, index)
    assert state_of_token() == TokenState.NEEDS_REAUTH
    assert not recorded.registry_of(alias).misconfigured_code


def a_wrong_registration_ends_no_sign_in(
    person: User, recording: recorded.Recording, alias: Alias, server: HostileServer, kind: str, index: int
) -> None:
    with pytest.raises(Misconfigured):
        renew(person, recording, alias, server, kind, index)
    assert state_of_token() == TokenState.VALID
    assert recorded.registry_of(alias).misconfigured_code


def nothing_that_passes_ends_a_sign_in(
    person: User, recording: recorded.Recording, alias: Alias, server: HostileServer, kind: str, index: int
) -> None:
    with pytest.raises(OAuthError) as raised:
        renew(person, recording, alias, server, kind, index)
    assert state_of_token() == TokenState.VALID
    assert not recorded.registry_of(alias).misconfigured_code
    if seconds := recording.answers("token", kind)[index].get("seconds"):
        assert isinstance(raised.value, Unreachable)
        assert raised.value.retry_after == pytest.approx(seconds, abs=3)


def a_revocation_is_settled(
    person: User, recording: recorded.Recording, alias: Alias, server: HostileServer, kind: str, index: int
) -> None:
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
    revocation = authorization.revoke(person, alias)
    assert revocation is not None
    delivery.deliver(revocation)
    revocation.refresh_from_db()
    assert revocation.state in {RevocationState.CONFIRMED, RevocationState.VERIFIED}


AT_RENEWAL = {
    "renewed": a_token_is_renewed,
    "refused": a_dead_sign_in_is_known,
    "wrong_registration": a_wrong_registration_ends_no_sign_in,
    "wait": nothing_that_passes_ends_a_sign_in,
    "temporary": nothing_that_passes_ends_a_sign_in,
    "unsure": nothing_that_passes_ends_a_sign_in,
}
SITUATIONS = {
    **{("token", kind): promise for kind, promise in AT_RENEWAL.items()},
    ("revocation", "good"): a_revocation_is_settled,
    ("revocation", "already_gone"): a_revocation_is_settled,
}


def situations_of(recording: recorded.Recording) -> Iterator[tuple[str, str, int]]:
    for place, kind in SITUATIONS:
        if place != "token" or recording.is_renewable:
            yield from ((place, kind, index) for index in range(len(recording.answers(place, kind))))


def test_each_situation_is_met_by_some_template() -> None:
    met = {(place, kind) for key in BY_CODE for place, kind, _index in situations_of(recorded.read_recording(key))}
    assert met == set(SITUATIONS)


@pytest.mark.parametrize("key", BY_CODE)
def test_a_person_signs_in_and_each_later_answer_is_understood(
    key: str, amira: User, as_amira: Client, server: HostileServer, subtests: pytest.Subtests
) -> None:
    recording, alias, token = sign_in(as_amira, key, server)
    assert token.access_token
    assert set(token.values) >= recorded.registry_of(alias).profile.kept_values() & set(
        recording.answer("callback", "good") or {}
    )
    with undone():
        call_api(amira, recording, alias, server)
    for place, kind, index in situations_of(recording):
        with subtests.test(f"{place}.{kind}, answer {index}"), undone():
            server.reset()
            recorded.play_sign_in(recording, server, alias)
            SITUATIONS[place, kind](amira, recording, alias, server, kind, index)
