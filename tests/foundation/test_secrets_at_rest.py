"""Secrets at rest: sealed to their place, opened nowhere else, never shown by accident, keys changeable."""

import base64
import json
import pickle
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import serializers
from django.forms.models import model_to_dict
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from foundation import secrets_at_rest
from foundation.secrets_at_rest import NoKeys, Unreadable, seal, unseal
from integrations.connections import renewal
from integrations.models import Alias, ApplicationRegistry, Revocation, Token
from integrations.personal_auth import NotAuthenticated, PersonalAuthAPI
from tests import cast, walks
from tests.servers.hostile import HostileServer

HERE = {"purpose": "token", "context": "integrations_token.access_token:1:2:3"}


def key(name: str) -> str:
    return f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


# Values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a", "CANARY", "pässwörd 💥", "\x00", "a" * 12_000, "{}"])
def test_what_is_sealed_opens_unchanged(text: str) -> None:
    sealed = seal(text, **HERE)
    assert unseal(sealed, **HERE) == text
    assert text.encode() not in sealed or len(text) < 3


def test_the_same_text_is_never_sealed_alike() -> None:
    assert len({seal("CANARY", **HERE) for _ in range(20)}) == 20


@pytest.mark.parametrize("change", [{"context": "elsewhere"}, {"purpose": "revocation"}])
def test_a_value_opens_only_in_its_place(change: dict[str, str]) -> None:
    with pytest.raises(Unreadable):
        unseal(seal("CANARY", **HERE), **{**HERE, **change})


def test_no_flipped_bit_goes_unnoticed() -> None:
    sealed = seal("CANARY", **HERE)
    for position in range(len(sealed) * 8):
        spoiled = bytearray(sealed)
        spoiled[position // 8] ^= 1 << position % 8
        with pytest.raises(Unreadable):
            unseal(bytes(spoiled), **HERE)


@pytest.mark.parametrize(
    "planted", [b"", b"\x01", b"CANARY plain text, long enough", b"\x01\xff", bytes(64), b"\x01\x00" + bytes(40)]
)
def test_what_was_never_sealed_is_not_taken_for_the_value(planted: bytes) -> None:
    with pytest.raises(Unreadable):
        unseal(planted, **HERE)


def test_no_length_cut_off_opens() -> None:
    sealed = seal("CANARY", **HERE)
    for length in range(len(sealed)):
        with pytest.raises(Unreadable):
            unseal(sealed[:length], **HERE)


# Keys -----------------------------------------------------------------------------------------------------------------


def test_the_first_key_seals_and_all_open(settings: Settings) -> None:
    old, new = key("2025"), key("2026")
    settings.TOKEN_ENCRYPTION_KEYS = [old]
    sealed = seal("CANARY", **HERE)
    settings.TOKEN_ENCRYPTION_KEYS = [new, old]
    assert unseal(sealed, **HERE) == "CANARY"
    assert secrets_at_rest.key_id_of(seal("x", **HERE)) == "2026"
    settings.TOKEN_ENCRYPTION_KEYS = [old, new]
    assert secrets_at_rest.key_id_of(seal("x", **HERE)) == "2025"
    settings.TOKEN_ENCRYPTION_KEYS = [new]
    with pytest.raises(Unreadable):
        unseal(sealed, **HERE)


def test_another_key_of_the_same_name_opens_nothing(settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [key("a")]
    sealed = seal("CANARY", **HERE)
    settings.TOKEN_ENCRYPTION_KEYS = [key("a")]
    with pytest.raises(Unreadable):
        unseal(sealed, **HERE)


def test_without_a_key_nothing_is_sealed_in_the_clear(settings: Settings) -> None:
    sealed = seal("CANARY", **HERE)
    settings.TOKEN_ENCRYPTION_KEYS = []
    with pytest.raises(NoKeys):
        seal("CANARY", **HERE)
    with pytest.raises(Unreadable):
        unseal(sealed, **HERE)


@pytest.mark.parametrize("entry", ["", "a", "a:", ":x", "a:eA==", "a:!!!", f"{'n' * 256}:{'A' * 43}="])
def test_a_key_that_is_none_is_refused_without_being_repeated(entry: str) -> None:
    with pytest.raises(NoKeys) as refused:
        secrets_at_rest.parse_keyring([entry])
    assert "eA==" not in str(refused.value)


@pytest.mark.parametrize("keys", [["a:eA=="], ["a"], []], ids=["short key", "no key", "nothing"])
def test_no_use_of_the_keys_accepts_what_another_refuses(keys: list[str], settings: Settings) -> None:
    settings.TOKEN_ENCRYPTION_KEYS = [key("a")]
    text = secrets_at_rest.seal_text("CANARY", purpose="accounts:second-factor")
    hashed = secrets_at_rest.keyed_hash("CANARY", key_id="a", purpose="accounts:permanent-token")
    for refused in (keys, [key("a"), key("a")]):
        settings.TOKEN_ENCRYPTION_KEYS = refused
        for use in (
            lambda: seal("CANARY", **HERE),
            lambda: secrets_at_rest.seal_text("CANARY", purpose="accounts:second-factor"),
            secrets_at_rest.first_key_id,
        ):
            with pytest.raises(NoKeys):
                use()
        with pytest.raises(Unreadable):
            secrets_at_rest.unseal_text(text, purpose="accounts:second-factor")
        assert hashed not in secrets_at_rest.all_hashes("CANARY", purpose="accounts:permanent-token")


# Rows -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def alias(server: HostileServer, db: None) -> Alias:
    server.on("GET /api/me").always(json={})
    return walks.northwind(server)


def raw(column: str, user: User) -> bytes:
    return bytes(Token.objects.filter(user=user).values_list(column, flat=True).get())


def plant(user: User, **columns: bytes) -> None:
    Token.objects.filter(user=user).update(**columns)


SWAPS: dict[str, Callable[[User, User], None]] = {
    "another person's": lambda amira, bob: plant(amira, access_token=raw("access_token", bob)),
    "another column's": lambda amira, bob: plant(amira, access_token=raw("refresh_token", amira)),
    "plain text": lambda amira, bob: plant(amira, access_token=b"CANARY-planted-plain-text-token"),
    "nothing": lambda amira, bob: plant(amira, access_token=b""),
}


@pytest.mark.database
@pytest.mark.django_db
@pytest.mark.parametrize("swap", SWAPS)
def test_a_swapped_token_is_never_sent(
    swap: str, amira: User, bob: User, alias: Alias, server: HostileServer, caplog: pytest.LogCaptureFixture
) -> None:
    cast.signed_in(amira, alias)
    cast.signed_in(bob, alias, access_token="CANARY-bob", refresh_token="CANARY-bob-refresh")
    SWAPS[swap](amira, bob)
    with pytest.raises(NotAuthenticated):
        PersonalAuthAPI(amira).request("northwind", "GET", "/me")
    assert server.calls == []
    assert "cannot be opened" in caplog.text
    PersonalAuthAPI(bob).request("northwind", "GET", "/me")
    assert [call.headers["authorization"] for call in server.calls] == ["Bearer CANARY-bob"]


@pytest.mark.django_db
@pytest.mark.parametrize("change", ["user", "credential"])
def test_a_token_moved_to_another_owner_does_not_open(change: str, amira: User, bob: User, alias: Alias) -> None:
    token = cast.signed_in(amira, alias)
    other = walks.credential_of(cast.integration_at(walks.registry_of(alias), name="other"))
    owner: dict[str, Any] = {"user": bob, "credential": other}
    Token.objects.update(**{change: owner[change]})
    moved = Token.objects.get(pk=token.pk)
    with pytest.raises(Unreadable):
        _ = moved.access_token


@pytest.mark.django_db
def test_a_revocation_does_not_open_a_planted_token(amira: User, bob: User, alias: Alias) -> None:
    cast.signed_in(amira, alias).end(reason="revoked")
    cast.signed_in(bob, alias, access_token="CANARY-bob")
    Revocation.objects.update(access_token=raw("access_token", bob))
    with pytest.raises(Unreadable):
        _ = Revocation.objects.get().access_token


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("keys", [[], ["wrong"]])
def test_a_site_without_the_right_key_is_up_and_sends_nothing(
    keys: list[str], amira: User, as_amira: Client, alias: Alias, server: HostileServer, settings: Settings
) -> None:
    cast.signed_in(amira, alias)
    settings.TOKEN_ENCRYPTION_KEYS = [key(name) for name in keys]
    for place in ("/integrations/", f"/integrations/{alias.hex}/", f"/integrations/{alias.hex}/revoke/"):
        assert as_amira.get(place).status_code == 200
    assert as_amira.get("/readyz").status_code == 503
    with pytest.raises(NotAuthenticated):
        PersonalAuthAPI(amira).request("northwind", "GET", "/me")
    stopped = walks.start(as_amira, alias)
    assert stopped.status_code == 303
    assert "isn’t set up correctly" in walks.words(as_amira.get(stopped["Location"]))
    assert server.calls == []


@pytest.mark.django_db
def test_a_key_that_is_lost_on_the_way_ends_the_sign_in_in_words(
    as_amira: Client, alias: Alias, server: HostileServer, settings: Settings
) -> None:
    state = walks.begin(as_amira, alias)
    settings.TOKEN_ENCRYPTION_KEYS = [key("other")]
    page = walks.words(as_amira.get(walks.come_back(as_amira, alias, state)["Location"]))
    assert "isn’t set up correctly" in page
    assert server.calls == []


@pytest.mark.django_db
def test_another_secret_key_loses_no_token(
    amira: User, alias: Alias, server: HostileServer, settings: Settings
) -> None:
    cast.signed_in(amira, alias)
    settings.SECRET_KEY = secrets.token_urlsafe(50)
    assert renewal.current(amira, walks.credential_of(alias)).access_token == "CANARY-access-1"


# Not by accident ------------------------------------------------------------------------------------------------------


def ways_to_show(row: Any) -> Iterator[str]:
    yield repr(row)
    yield str(row)
    yield repr(vars(row))
    yield json.dumps(model_to_dict(row), default=repr)
    yield serializers.serialize("json", [row])
    yield repr(list(type(row).objects.values()))
    yield f"{row.__getstate__()!r}"


@pytest.mark.django_db
@pytest.mark.parametrize("saved", [True, False])
def test_no_row_shows_its_secrets(saved: bool, amira: User, alias: Alias) -> None:
    token = cast.signed_in(amira, alias)
    revocation = token.create_revocation_of_copy(reason="test")
    assert revocation
    rows: list[Any] = [token, revocation, ApplicationRegistry.objects.get()]
    if not saved:
        rows = [
            Token(access_token="CANARY-1", refresh_token="CANARY-2", credential=token.credential),
            ApplicationRegistry(client_secret="CANARY-3"),
            Revocation(access_token="CANARY-4"),
        ]
    for row in rows:
        for text in ways_to_show(row):
            assert "CANARY" not in text, type(row)


@pytest.mark.django_db
def test_a_pickled_row_holds_its_secrets_sealed(amira: User, alias: Alias) -> None:
    cast.signed_in(amira, alias)
    for row in (Token.objects.get(), ApplicationRegistry.objects.get()):
        assert b"CANARY" not in pickle.dumps(row)


@pytest.mark.django_db
def test_a_row_that_is_not_saved_is_not_pickled_in_the_clear(alias: Alias) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(ApplicationRegistry(client_secret="CANARY-3"))
