"""What rows promise: one token for a person and credential, and none that goes without a word to its provider."""

from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from accounts.models import User
from integrations.connections import tasks
from integrations.models import (
    Alias,
    ApplicationRegistry,
    Event,
    HttpConnection,
    OAuth2Credential,
    OAuthEntityProfile,
    Revocation,
    Token,
)
from tests import cast, walks
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    server.on("POST /revoke").always(status=200)
    return walks.northwind(server)


# Deletions ------------------------------------------------------------------------------------------------------------


def end_set_up() -> None:
    """What an administrator deletes from the outside in."""
    for model in (Alias, OAuth2Credential, OAuthEntityProfile, ApplicationRegistry):
        model.objects.all().delete()


DELETIONS: dict[str, Callable[[User], object]] = {
    "the person": lambda user: user.delete(),
    "people": lambda user: User.objects.all().delete(),
    "the token": lambda user: Token.objects.get(user=user).delete(),
    "tokens": lambda user: Token.objects.filter(user=user).delete(),
    "the set-up": lambda user: end_set_up(),
}


@pytest.mark.parametrize("what", DELETIONS)
def test_the_provider_is_told_whatever_is_deleted(what: str, amira: User, alias: Alias, server: HostileServer) -> None:
    cast.signed_in(amira, alias)
    walks.under_way(amira, alias)
    Event.objects.create(whose=amira, subject_id=walks.credential_of(alias).pk, kind="connected")
    DELETIONS[what](amira)
    assert not Token.objects.exists()
    connection.check_constraints()  # nothing points at what is gone
    tasks.deliver_revocation(Revocation.objects.due().get().hex)
    assert [call.form["token"] for call in server.calls_to("POST /revoke")] == ["CANARY-refresh-1", "CANARY-access-1"]
    assert server.calls[0].headers["authorization"].startswith("Basic ")
    settled = Revocation.objects.get()
    assert (settled.state, settled.username, settled.provider) == ("confirmed", "amira", "Northwind")
    assert settled.is_retryable  # accepted, not proved


def test_a_promise_outlives_who_made_it(amira: User, alias: Alias, server: HostileServer) -> None:
    cast.signed_in(amira, alias).end(reason="revoked", by_the_person=True)
    amira.delete()
    end_set_up()
    connection.check_constraints()
    tasks.deliver_revocation(Revocation.objects.get().hex)
    assert Revocation.objects.get().state == "confirmed"


def test_deleting_an_administrator_ends_nobody_elses_token(admin: User, amira: User, alias: Alias) -> None:
    cast.signed_in(admin, alias, access_token="CANARY-admin")
    token_of_amira = cast.signed_in(amira, alias)
    admin.delete()
    assert Token.objects.get() == token_of_amira
    assert Alias.objects.exists()
    assert Revocation.objects.get().access_token == "CANARY-admin"


def test_a_rolled_back_deletion_leaves_token_and_no_promise(amira: User, alias: Alias) -> None:
    cast.signed_in(amira, alias)

    @transaction.atomic
    def delete_and_fail() -> None:
        amira.delete()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        delete_and_fail()
    assert Token.objects.exists()
    assert not Revocation.objects.exists()


def test_what_is_in_use_is_not_deleted_by_mistake(amira: User, alias: Alias) -> None:
    cast.signed_in(amira, alias)
    for row in (walks.credential_of(alias), walks.credential_of(alias).profile, walks.registry_of(alias)):
        with pytest.raises(ProtectedError):
            row.delete()
    assert Token.objects.exists()


def test_an_access_token_alone_is_promised_alone(amira: User, alias: Alias, server: HostileServer) -> None:
    cast.signed_in(amira, alias, refresh_token="").delete()
    tasks.deliver_revocation(Revocation.objects.get().hex)
    assert [call.form["token"] for call in server.calls_to("POST /revoke")] == ["CANARY-access-1"]


# Constraints ----------------------------------------------------------------------------------------------------------


def test_a_person_has_one_token_for_a_credential(amira: User, bob: User, alias: Alias) -> None:
    cast.signed_in(amira, alias)
    cast.signed_in(bob, alias)
    with pytest.raises(IntegrityError), transaction.atomic():
        cast.signed_in(amira, alias)


@pytest.mark.parametrize("personal", [True, False])
def test_a_token_is_a_persons_or_the_systems(personal: bool, amira: User, alias: Alias) -> None:
    wrong = {"user": None if personal else amira, "integration_type": "personal" if personal else "system"}
    with pytest.raises(IntegrityError), transaction.atomic():
        Token.objects.create(credential=walks.credential_of(alias), **wrong)


def test_an_alias_has_one_active_connection(alias: Alias) -> None:
    first = alias.connections.get()
    again = {"alias": alias, "name": "b", "credential": first.credential, "connection_url": "https://b.example"}
    HttpConnection.objects.create(**again, active=False)
    with pytest.raises(IntegrityError), transaction.atomic():
        HttpConnection.objects.create(**again)


def test_only_a_credential_alias_names_its_credential(alias: Alias) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Alias.objects.create(name="b", credential=walks.credential_of(alias))
    with pytest.raises(ValidationError):
        Alias(name="b", type="credential").full_clean()


@pytest.mark.parametrize("name", ["a b", "a-b", "ä", "", "a\n", "a/b"])
def test_an_alias_name_is_letters_digits_and_underscores(name: str) -> None:
    with pytest.raises(ValidationError):
        Alias(name=name).full_clean()


def test_a_registry_has_one_default_profile(alias: Alias) -> None:
    registry = walks.registry_of(alias)
    OAuthEntityProfile.objects.create(registry=registry, name="a", is_default=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        OAuthEntityProfile.objects.create(registry=registry, name="b", is_default=True)
