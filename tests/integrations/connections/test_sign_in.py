"""Leaving for the provider: who may, what the address says, and that nothing else can start it."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from integrations.connections.authorization import code_grant
from integrations.models import Alias, AuthorizationAttempt, OAuthEntityProfile, Revocation
from integrations.models.tokens import AttemptStatus
from tests import cast, walks
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    return walks.northwind(server)


def test_the_address_asks_for_a_code_and_nothing_more(as_amira: Client, alias: Alias) -> None:
    response = walks.start(as_amira, alias)
    registry, asked = walks.registry_of(alias), walks.asked(response)
    assert response["Location"].startswith(f"{registry.authorization_url}?")
    assert response["Referrer-Policy"] == "no-referrer"
    assert set(asked) == {
        *("response_type", "client_id", "redirect_uri", "scope", "state"),
        *("code_challenge", "code_challenge_method"),
    }
    assert (asked["response_type"], asked["client_id"], asked["scope"]) == ("code", "keyrack", "read")
    assert asked["redirect_uri"] == f"{settings.SITE_URL}/oauth_redirect.do/{registry.hex}"
    assert len(base64.urlsafe_b64decode(asked["state"] + "=")) * 8 >= 128


def test_the_challenge_is_of_the_verifier_that_we_keep(as_amira: Client, alias: Alias) -> None:
    asked = walks.asked(walks.start(as_amira, alias))
    verifier = AuthorizationAttempt.objects.get().code_verifier
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    assert (asked["code_challenge_method"], asked["code_challenge"]) == ("S256", digest)
    assert len(asked["code_challenge"]) == 43


def test_two_starts_share_nothing(as_amira: Client, alias: Alias) -> None:
    first, second = (walks.asked(walks.start(as_amira, alias)) for _ in range(2))
    assert first["state"] != second["state"]
    assert first["code_challenge"] != second["code_challenge"]
    assert len({attempt.code_verifier for attempt in AuthorizationAttempt.objects.all()}) == 2


def test_neither_address_nor_cookies_nor_pages_tell_what_stays_here(
    as_amira: Client, amira: User, alias: Alias
) -> None:
    response = walks.start(as_amira, alias)
    attempt, state = AuthorizationAttempt.objects.get(), walks.asked(response)["state"]
    seen_by_provider = response["Location"]
    pages = "".join(walks.words(as_amira.get(url)) for url in ("/integrations/", f"/integrations/{alias.hex}/"))
    cookies = as_amira.cookies.output()
    for secret in (attempt.code_verifier, "CANARY-client-secret"):
        assert secret not in seen_by_provider + cookies + pages
    assert state not in cookies + pages
    assert amira.username not in seen_by_provider
    stored = as_amira.session.items()
    assert attempt.code_verifier not in str(stored)
    assert state not in str(stored)


def test_an_openid_sign_in_carries_a_nonce(as_amira: Client, server: HostileServer) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), scopes=("openid", "read"))
    asked = walks.asked(walks.start(as_amira, alias))
    assert asked["nonce"] == AuthorizationAttempt.objects.get().nonce
    assert "prompt" not in asked


def test_after_a_revoke_the_provider_must_ask_again(as_amira: Client, amira: User, server: HostileServer) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), scopes=("openid", "read"))
    cast.signed_in(amira, alias)
    as_amira.post(f"/integrations/{alias.hex}/revoke/")
    assert Revocation.objects.get().by_the_person
    assert walks.asked(walks.start(as_amira, alias))["prompt"] == "consent"


@pytest.mark.parametrize(
    ("fields", "prompt"),
    [
        ({"consent_after_revoke": False}, None),
        ({"authorization_parameters": {"prompt": ""}}, None),
        ({"authorization_parameters": {"prompt": "select_account"}}, "select_account"),
        ({"consent_after_revoke": False, "authorization_parameters": {"prompt": "login"}}, "login"),
    ],
)
def test_whether_the_provider_asks_again_after_a_revoke_is_the_registrys_choice(
    fields: dict[str, Any], prompt: str | None, as_amira: Client, amira: User, server: HostileServer
) -> None:
    alias = cast.integration_at(cast.registry_at(server.url, **fields), scopes=("openid", "read"))
    cast.signed_in(amira, alias)
    as_amira.post(f"/integrations/{alias.hex}/revoke/")
    assert walks.asked(walks.start(as_amira, alias)).get("prompt") == prompt


def test_a_refused_challenge_is_not_answered_with_a_weaker_one(as_amira: Client, alias: Alias) -> None:
    state = walks.begin(as_amira, alias)
    walks.come_back(as_amira, alias, state, code=None, error="invalid_request")
    assert walks.asked(walks.start(as_amira, alias))["code_challenge_method"] == "S256"


# Who may ------------------------------------------------------------------------------------------------------------


def test_without_the_role_nothing_starts(alias: Alias, db: None) -> None:
    assert walks.start(client_of(cast.person("guest", role=False)), alias).status_code == 403
    assert not AuthorizationAttempt.objects.exists()


def test_nobody_starts_without_signing_in(alias: Alias, db: None) -> None:
    response = walks.start(Client(headers={"Sec-Fetch-Site": "same-origin"}), alias)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=/oauth_initiator.do")
    assert not AuthorizationAttempt.objects.exists()


def of_another_group(alias: Alias) -> None:
    alias.groups.add(Group.objects.create(name="Finance"))


def turned_off(alias: Alias) -> None:
    Alias.objects.filter(pk=alias.pk).update(active=False)


def without_connection(alias: Alias) -> None:
    alias.connections.update(active=False)


def with_registry_off(alias: Alias) -> None:
    registry = walks.registry_of(alias)
    registry.active = False
    registry.save()


def with_credential_off(alias: Alias) -> None:
    credential = walks.credential_of(alias)
    credential.active = False
    credential.save()


def of_the_system(alias: Alias) -> None:
    credential = walks.credential_of(alias)
    credential.integration_type = "system"
    credential.save()


def by_password(alias: Alias) -> None:
    OAuthEntityProfile.objects.update(grant_type="password")


def by_client_credentials(alias: Alias) -> None:
    OAuthEntityProfile.objects.update(grant_type="client_credentials")


@pytest.mark.parametrize(
    "change",
    [
        *(of_another_group, turned_off, without_connection, with_registry_off, with_credential_off, of_the_system),
        *(by_password, by_client_credentials),
    ],
)
@pytest.mark.parametrize("came_from", ["same-origin", "cross-site"])
def test_what_is_not_theirs_to_use_does_not_start(
    change: Callable[[Alias], None], came_from: str, as_amira: Client, alias: Alias
) -> None:
    url = walks.start_url(alias).replace("oauth_password_input.do?sysparm_", "oauth_initiator.do?")
    change(alias)
    response = as_amira.get(url, headers={"Sec-Fetch-Site": came_from})
    if came_from == "same-origin" or change not in (by_password, by_client_credentials):
        assert response.status_code == 404
    assert not AuthorizationAttempt.objects.exists()


@pytest.mark.parametrize("broken", ["oauth_requestor", "oauth_provider_profile"])
@pytest.mark.parametrize("value", [None, "", "x", "0" * 32, "\x00", "💥", "' OR 1=1 --", "f" * 5000])
def test_an_address_that_names_nothing_is_not_found(
    broken: str, value: str | None, as_amira: Client, alias: Alias
) -> None:
    credential = walks.credential_of(alias)
    query = {"oauth_requestor": credential.hex, "oauth_provider_profile": credential.profile.hex, broken: value}
    response = as_amira.get("/oauth_initiator.do", {k: v for k, v in query.items() if v is not None})
    assert response.status_code == 404
    assert not AuthorizationAttempt.objects.exists()


def test_a_profile_of_another_credential_is_not_taken(as_amira: Client, alias: Alias) -> None:
    other = cast.integration_at(walks.registry_of(alias), name="other")
    url = walks.start_url(alias).replace(walks.credential_of(alias).profile.hex, walks.credential_of(other).profile.hex)
    assert as_amira.get(url).status_code == 404


# What the caller cannot say -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("redirect_uri", "https://evil.example/"),
        ("scope", "admin"),
        ("client_id", "evil"),
        ("state", "chosen"),
        ("code_challenge", "chosen"),
        ("code_challenge_method", "plain"),
        ("user", "bob"),
        ("oauth_alias", "other"),
        ("prompt", "none"),
        ("response_mode", "form_post"),
    ],
)
def test_parameters_of_the_caller_change_nothing(name: str, value: str, as_amira: Client, alias: Alias) -> None:
    plain = walks.asked(walks.start(as_amira, alias))
    asked = walks.asked(walks.start(as_amira, alias, **{name: value}))
    fresh = {"state", "code_challenge"}
    assert {k: v for k, v in asked.items() if k not in fresh} == {k: v for k, v in plain.items() if k not in fresh}
    assert value not in (asked["state"], asked["code_challenge"])
    assert set(AuthorizationAttempt.objects.values_list("user__username", flat=True)) == {"amira"}


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "X-Forwarded-Server", "Forwarded", "X-Original-Host"])
def test_a_spoofed_host_never_changes_the_redirect_address(
    header: str, as_amira: Client, alias: Alias, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["*"]  # even where the first line of defence is gone
    spoofed = "host=evil.example" if header == "Forwarded" else "evil.example"
    asked = walks.asked(as_amira.get(walks.start_url(alias), headers={header: spoofed}))
    assert asked["redirect_uri"].startswith(f"{settings.SITE_URL}/oauth_redirect.do/")


def test_a_foreign_host_is_not_answered_at_all(as_amira: Client, alias: Alias) -> None:
    assert as_amira.get(walks.start_url(alias), headers={"Host": "evil.example"}).status_code == 400


def test_a_response_that_comes_while_another_sign_in_begins_is_not_cancelled(
    as_amira: Client, alias: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest pending ones are cancelled; this one is answered between their list and their end."""
    monkeypatch.setattr(code_grant, "PENDING_AT_ONCE", 1)
    walks.begin(as_amira, alias)
    oldest = AuthorizationAttempt.objects.get()

    def answer_first(execute: Callable[..., Any], sql: str, *details: Any) -> Any:
        if sql.startswith("UPDATE") and "replaced" in str(details[0]):
            assert oldest.claim(AttemptStatus.CLAIMED, while_in=AttemptStatus.PENDING)
        return execute(sql, *details)

    with connection.execute_wrapper(answer_first):
        walks.begin(as_amira, alias)
    oldest.refresh_from_db()
    assert oldest.status == AttemptStatus.CLAIMED
