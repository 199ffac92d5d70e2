"""A NUL at the end of a password is significant."""

import pytest
from django.contrib.auth.hashers import check_password, identify_hasher, make_password
from django.test import Client
from pytest_django import Settings

import config.settings
from accounts.models import User
from accounts.oauth_server.models import Application
from tests import cast

HASHERS = [
    "accounts.sign_in.backends.PBKDF2",
    "accounts.sign_in.backends.PBKDF2SHA1",
    "accounts.sign_in.backends.Scrypt",
]


def test_the_site_uses_the_hashers_that_count_nul() -> None:
    assert config.settings.PASSWORD_HASHERS[: len(HASHERS)] == HASHERS


@pytest.mark.slow
@pytest.mark.parametrize("hasher", HASHERS)
def test_a_password_with_nul_behind_it_is_another(settings: Settings, hasher: str) -> None:
    settings.PASSWORD_HASHERS = [hasher]
    encoded = make_password("password")
    assert identify_hasher(encoded).__class__.__name__ == hasher.rpartition(".")[2]
    assert check_password("password", encoded)
    for other in ("password\0", "password\0\0", "\0password", "passwor"):
        assert not check_password(other, encoded)


@pytest.mark.slow
def test_hashes_that_are_there_already_open_as_before(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    encoded = make_password("password")
    settings.PASSWORD_HASHERS = HASHERS
    assert check_password("password", encoded)
    assert not check_password("password\0", encoded)


@pytest.mark.slow
@pytest.mark.django_db
def test_no_door_takes_a_password_with_nul_behind_it(client: Client, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = HASHERS[:1]
    amira: User = cast.person("amira")
    Application.objects.create(
        user=amira, name="Ours", client_id="ours", client_secret="secret", client_type="confidential",
        authorization_grant_type="password", first_party=True, allowed_scopes="integrations:read",
    )  # fmt: skip
    form = {"grant_type": "password", "username": "amira", "scope": "integrations:read", "client_id": "ours"}
    right = {**form, "client_secret": "secret", "password": cast.PASSWORD}
    for name in ("password", "client_secret", "username", "client_id"):
        assert 400 <= client.post("/o/token/", {**right, name: f"{right[name]}\0"}).status_code < 500, name
    client.post("/accounts/login/", {"username": "amira", "password": f"{cast.PASSWORD}\0"})
    assert "_auth_user_id" not in client.session
    assert client.post("/o/token/", right).status_code == 200
