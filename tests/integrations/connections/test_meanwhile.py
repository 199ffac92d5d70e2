"""The world changes between the start of a sign-in and its end: nothing is stored, nothing fetched is left alive."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client

from accounts.models import User
from integrations.connections import authorization, tasks
from integrations.models import Alias, AuthorizationAttempt, OAuth2Credential, Revocation, Token
from tests import cast, walks
from tests.servers.hostile import Answer, Call, HostileServer

pytestmark = pytest.mark.slow

Change = Callable[[Alias], object]

LOST: dict[str, Change] = {
    "the role is gone": lambda alias: User.objects.get(username="amira").groups.clear(),
    "the alias is off": lambda alias: Alias.objects.filter(pk=alias.pk).update(active=False),
    "the alias is another group's": lambda alias: alias.groups.add(Group.objects.create(name="Finance")),
    "the connection is off": lambda alias: alias.connections.update(active=False),
    "the alias is deleted": lambda alias: alias.delete(),
    "the credential is off": lambda alias: OAuth2Credential.objects.update(active=False),
    "the credential is the system's": lambda alias: OAuth2Credential.objects.update(integration_type="system"),
    "the person is deactivated": lambda alias: User.objects.filter(username="amira").update(is_active=False),
}
GONE: dict[str, Change] = {
    "the person is deleted": lambda alias: User.objects.get(username="amira").delete(),
    "the credential is deleted": lambda alias: (alias.delete(), OAuth2Credential.objects.get().delete()),
}


@pytest.mark.django_db
@pytest.mark.parametrize("what", [*LOST, *GONE])
def test_a_change_before_the_answer_leaves_the_code_unspent(what: str, as_amira: Client, server: HostileServer) -> None:
    server.on("POST /token").always(json=walks.token_answer())
    alias = walks.northwind(server)
    state, registry = walks.begin(as_amira, alias), walks.registry_of(alias)
    (LOST | GONE)[what](alias)
    response = as_amira.get(walks.callback_url(registry, {"code": "c", "state": state}))
    assert response.status_code in (303, 400)
    assert server.calls_to("POST /token") == []
    assert not Token.objects.exists()
    assert set(AuthorizationAttempt.objects.values_list("failure_code", flat=True)) <= {"no_longer_available", ""}


def changing(what: str, alias: Alias) -> Callable[[Call], Answer]:
    """A token endpoint while whose answer is on its way something happens here."""

    def reply(_call: Call) -> Answer:
        try:
            (LOST | GONE)[what](alias)
        finally:
            connection.close()
        return walks.answered()

    return reply


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", [*LOST, *GONE])
def test_a_change_during_the_exchange_gives_the_tokens_back(what: str, as_amira: Client, server: HostileServer) -> None:
    alias = walks.northwind(server)
    state, registry = walks.begin(as_amira, alias), walks.registry_of(alias)
    server.on("POST /token").then(changing(what, alias))
    response = as_amira.get(walks.callback_url(registry, {"code": "c", "state": state}))
    assert response.status_code in (303, 400)
    assert len(server.calls_to("POST /token")) == 1
    assert not Token.objects.exists()
    promised = Revocation.objects.get()
    assert (promised.access_token, promised.refresh_token) == ("CANARY-access-1", "CANARY-refresh-1")
    server.on("POST /revoke").always(status=200)
    tasks.deliver_revocation(promised.hex)
    told = [call.form["token"] for call in server.calls_to("POST /revoke")]
    assert told == ["CANARY-refresh-1", "CANARY-access-1"]


@pytest.mark.django_db
def test_who_was_shut_out_reads_why(as_amira: Client, server: HostileServer) -> None:
    alias = walks.northwind(server)
    state = walks.begin(as_amira, alias)
    Alias.objects.update(active=False)
    page = walks.words(as_amira.get(walks.come_back(as_amira, alias, state)["Location"]))
    assert "Northwind CRM was turned off" in page
    assert "Try again" not in page


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_sign_in_by_password_is_given_back_as_well(amira: User, as_amira: Client, server: HostileServer) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), grant_type="password")
    server.on("POST /token").then(changing("the role is gone", alias))
    attempt = authorization.sign_in(
        amira, walks.credential_of(alias), username="a", password="CANARY-password", session_binding="b"
    )
    assert attempt.failure_code == "no_longer_available"
    assert not Token.objects.exists()
    assert Revocation.objects.get().access_token == "CANARY-access-1"


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_tokens_that_nobody_took_are_promised_to_be_revoked(
    as_amira: Client, amira: User, server: HostileServer
) -> None:
    """The process died between the answer and our commit of it; nobody comes back."""
    alias = walks.northwind(server)
    walks.begin(as_amira, alias)
    attempt = AuthorizationAttempt.objects.get()
    attempt.status, attempt.answer = "claimed", held_answer()
    attempt.save()
    AuthorizationAttempt.objects.update(expires_at=attempt.created_at.replace(year=2020))
    tasks.purge_attempts()
    assert not AuthorizationAttempt.objects.exists()
    assert Revocation.objects.get().refresh_token == "CANARY-refresh-1"


def held_answer() -> str:
    return (
        '{"access_token": "CANARY-access-1", "token_type": "Bearer", "refresh_token": "CANARY-refresh-1", '
        '"expires_in": 60, "refresh_expires_in": null, "scopes": null, "claims": {}, "unverified_id_token": ""}'
    )


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("who", [lambda: User.objects.get(username="amira").delete(), AuthorizationAttempt.objects.all])
def test_a_held_answer_survives_its_attempt(who: Callable[[], object], as_amira: Client, server: HostileServer) -> None:
    """Waiting for a choice of account when the person, or just the row, is deleted."""
    walks.begin(as_amira, walks.northwind(server))
    attempt = AuthorizationAttempt.objects.get()
    attempt.status, attempt.answer = "other_account", held_answer()
    attempt.save()
    rows = who()
    if hasattr(rows, "delete"):
        rows.delete()
    assert not AuthorizationAttempt.objects.exists()
    assert Revocation.objects.get().refresh_token == "CANARY-refresh-1"


def during(change: Callable[[], object]) -> Callable[[Call], Answer]:
    def reply(_call: Call) -> Answer:
        try:
            change()
        finally:
            connection.close()
        return walks.answered()

    return reply


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", [authorization.cancel, authorization.revoke])
def test_who_cancels_or_revokes_during_the_exchange_is_not_connected(
    end: Callable[[User, Alias], object], amira: User, as_amira: Client, server: HostileServer
) -> None:
    alias = walks.northwind(server)
    server.on("POST /token").then(during(lambda: end(amira, alias)))
    walks.sign_in(as_amira, alias)
    assert AuthorizationAttempt.objects.get().status == "cancelled"
    assert not Token.objects.exists()
    assert Revocation.objects.get().reason == "cancelled"


@pytest.mark.django_db(transaction=True)
def test_a_choice_does_not_bring_a_cancelled_sign_in_back(amira: User, as_amira: Client, server: HostileServer) -> None:
    lookup = {"name": "site", "url": f"{server.url}/sites", "value": "/id", "label": "/id"}
    alias = walks.northwind(server, provider_profile={"lookups": [lookup]})
    walks.grants(server)

    def sites(_call: Call) -> Answer:
        authorization.cancel(amira, alias)
        connection.close()
        return Answer(json=[{"id": "a"}, {"id": "b"}])

    server.on("GET /sites").then(sites)
    walks.sign_in(as_amira, alias)
    attempt = AuthorizationAttempt.objects.get()
    assert (attempt.status, attempt.holds_answer) == ("cancelled", False)
    authorization.choose_value(amira, attempt, "a")
    assert not Token.objects.exists()
