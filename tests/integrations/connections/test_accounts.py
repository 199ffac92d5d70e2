"""Whose account it is at the provider, what a second sign-in does to the first, and what becomes of the loser."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from integrations.models import (
    Alias,
    ApplicationRegistry,
    AuthorizationAttempt,
    Event,
    Revocation,
    Token,
)
from tests import cast, walks
from tests.integrations.accounts import AMIRAS, BOBS, is_known_as, told_to_revoke
from tests.integrations.revoking import promised
from tests.servers.hostile import Answer, HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def alias(server: HostileServer) -> Alias:
    for number in (1, 2, 3):
        walks.grants(server, number)
    server.on("POST /revoke").always(status=200)
    return walks.northwind(server, userinfo_url=f"{server.url}/userinfo")


def test_the_account_is_asked_for_and_shown(as_amira: Client, alias: Alias, server: HostileServer) -> None:
    is_known_as(server, AMIRAS)
    page = walks.words(walks.sign_in(as_amira, alias))
    assert "amira@northwind.example" in page
    assert server.calls_to("GET /userinfo")[0].headers["authorization"] == "Bearer CANARY-access-1"
    token = Token.objects.get()
    assert (token.account_id, token.account_label) == ("a-1", "amira@northwind.example")
    assert "amira@northwind.example" in walks.words(as_amira.get("/integrations/"))
    assert Event.objects.get().detail == "amira@northwind.example"


@pytest.mark.parametrize(
    ("answer", "base_url", "has_userinfo"),
    [
        (Answer(json={}), "", True),
        (Answer(status=401), "", False),
        (Answer(status=503), "", False),
        (Answer(json={}), "https://amira.northwind.example", False),
    ],
    ids=["accepted", "refused", "down", "elsewhere"],
)
def test_whether_userinfo_accepts_the_token_is_stored_with_it_for_its_revocation(
    answer: Answer, base_url: str, has_userinfo: bool, as_amira: Client, amira: User, server: HostileServer
) -> None:
    server.on("GET /userinfo").always(answer)
    server.on("POST /token").answer(json={**walks.token_answer(), "instance_url": base_url})
    addresses = {"base_url_path": "/instance_url", "base_url_hosts": "*.northwind.example"}
    alias = walks.northwind(server, userinfo_url=f"{server.url}/userinfo", **addresses)
    walks.sign_in(as_amira, alias)
    assert Token.objects.get().has_userinfo is has_userinfo
    assert promised(amira, alias).has_userinfo is has_userinfo


@pytest.mark.parametrize(
    ("account", "label"),
    [
        ({"preferred_username": "amira"}, "amira"),
        ({"login": "amira", "id": 7}, "amira"),
        ({"sub": "a-1"}, "a-1"),
        ({"email": {"x": 1}, "name": ["y"], "sub": "a-1"}, "a-1"),
        ({"email": "", "name": "Amira"}, "Amira"),
        ({"email": "a" * 300}, "a" * 255),
        ({"email": "a\x00b\ud800\n@x"}, "ab@x"),
        ({"email": 5}, "5"),
        ({}, ""),
    ],
)
@pytest.mark.database
def test_the_label_is_the_first_that_is_told(
    account: dict[str, object], label: str, as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    is_known_as(server, account)
    assert walks.sign_in(as_amira, alias).status_code == 200
    assert Token.objects.get().account_label == label


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 401},
        {"status": 403, "json": {"error": "insufficient_scope"}},
        {"close": True},
        {"text": "<html>"},
        {"json": [1]},
        {"redirect": "http://127.0.0.1:1/"},
        {"body": b'{"sub": "a-1"'},
    ],
)
def test_a_sign_in_does_not_fail_for_its_label(
    answer: dict[str, Any], as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    server.on("GET /userinfo").answer(**answer)
    page = walks.words(walks.sign_in(as_amira, alias))
    assert "didn’t say which account you are signed in to" in page
    assert Token.objects.get().account_label == ""


def test_an_account_in_markup_stays_text(as_amira: Client, alias: Alias, server: HostileServer) -> None:
    payload = "<script>alert(1)</script>"
    is_known_as(server, {"sub": "a-1", "email": payload})
    page = walks.words(walks.sign_in(as_amira, alias))
    for place in ("/integrations/", f"/integrations/{alias.hex}/", f"/integrations/{alias.hex}/revoke/"):
        page += walks.words(as_amira.get(place))
    assert payload not in page
    assert "&lt;script&gt;alert(1)" in page


# The same account again -----------------------------------------------------------------------------------------------


def test_renewing_keeps_one_row_and_revokes_nothing(as_amira: Client, alias: Alias, server: HostileServer) -> None:
    is_known_as(server, AMIRAS, AMIRAS)
    walks.sign_in(as_amira, alias)
    first = Token.objects.get()
    Token.objects.update(last_used_by="Contacts")
    walks.sign_in(as_amira, alias)
    renewed = Token.objects.get()
    assert (renewed.pk, renewed.version) == (first.pk, first.version + 1)
    assert (renewed.access_token, renewed.refresh_token) == ("CANARY-access-2", "CANARY-refresh-2")
    assert renewed.last_used_by == "Contacts"
    assert not Revocation.objects.exists()


def test_renewing_revives_a_sign_in_that_the_provider_ended(
    as_amira: Client, amira: User, alias: Alias, server: HostileServer
) -> None:
    token = cast.signed_in(amira, alias, state="needs_reauth", failure_code="invalid_grant", account_id="a-1")
    is_known_as(server, AMIRAS)
    walks.sign_in(as_amira, alias)
    renewed = Token.objects.get()
    assert (renewed.pk, renewed.state, renewed.failure_code) == (token.pk, "valid", "")


@pytest.mark.parametrize(("reach", "revoked"), [("unknown", 0), ("grant", 0), ("token", 2)])
def test_the_old_tokens_are_revoked_only_where_that_spares_the_new(
    reach: str, revoked: int, as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    ApplicationRegistry.objects.update(revocation_reach=reach)
    is_known_as(server, AMIRAS, AMIRAS)
    walks.sign_in(as_amira, alias)
    walks.sign_in(as_amira, alias)
    assert told_to_revoke(server) == ["CANARY-refresh-1", "CANARY-access-1"][:revoked]


@pytest.mark.parametrize("answers", [({"scope": "read"}), ({"scope": ["read"]}), ({"scope": "read,"})])
def test_less_access_than_asked_for_is_shown(answers: dict[str, Any], as_amira: Client, server: HostileServer) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), scopes=("read", "write"))
    walks.grants(server, **answers)
    page = walks.words(walks.sign_in(as_amira, alias))
    assert "Connected, with less access" in page
    assert "gave: Read. Missing: Write." in page
    assert Token.objects.get().scopes == ["read"]
    assert "Write" in walks.words(as_amira.get(f"/integrations/{alias.hex}/"))
    card = "".join(walks.words(as_amira.get("/integrations/")).split())
    assert "<dt>Missing</dt><dd>Write</dd>" in card


@pytest.mark.parametrize("answers", [{}, {"scope": None}, {"scope": "write read"}, {"scope": "read write admin"}])
def test_as_much_or_more_access_than_asked_for_is_connected(
    answers: dict[str, Any], as_amira: Client, server: HostileServer
) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), scopes=("read", "write"))
    walks.grants(server, **answers)
    assert "is connected" in walks.words(walks.sign_in(as_amira, alias))


# Promises and the sign-in after them ----------------------------------------------------------------------------------


def revoke(client: Client, alias: Alias) -> None:
    assert client.post(f"/integrations/{alias.hex}/revoke/").status_code == 302


@pytest.mark.parametrize("dismissed", [False, True])
@pytest.mark.parametrize(("reach", "told"), [("grant", 0), ("token", 2), ("unknown", 2)])
def test_a_late_revocation_never_ends_the_new_grant(
    reach: str, told: int, dismissed: bool, as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    ApplicationRegistry.objects.update(revocation_reach=reach)
    is_known_as(server, AMIRAS, AMIRAS)
    walks.sign_in(as_amira, alias)
    revoke(as_amira, alias)
    if dismissed:
        as_amira.post(f"/integrations/{alias.hex}/dismiss/")
    walks.sign_in(as_amira, alias)
    assert told_to_revoke(server) == ["CANARY-refresh-1", "CANARY-access-1"][:told]
    # This server goes on giving tokens for any refresh token, so the old one is not done with.
    assert Revocation.objects.get().state == ("pending" if told else "superseded")


def test_the_revocation_of_another_account_is_still_due(as_amira: Client, alias: Alias, server: HostileServer) -> None:
    ApplicationRegistry.objects.update(revocation_reach="grant")
    is_known_as(server, AMIRAS, BOBS)
    walks.sign_in(as_amira, alias)
    revoke(as_amira, alias)
    walks.sign_in(as_amira, alias)
    assert told_to_revoke(server) == ["CANARY-refresh-1", "CANARY-access-1"]


def test_somebody_elses_revocation_is_still_due(
    as_amira: Client, bob: User, alias: Alias, server: HostileServer
) -> None:
    ApplicationRegistry.objects.update(revocation_reach="grant")
    is_known_as(server, AMIRAS)
    cast.signed_in(bob, alias, access_token="CANARY-bob", refresh_token="").end(reason="revoked", by_the_person=True)
    walks.sign_in(as_amira, alias)
    assert told_to_revoke(server) == ["CANARY-bob"]


@pytest.mark.parametrize("subject", [{"id": 7}, ["a-1"]])
def test_an_odd_subject_is_no_account_and_no_failure(
    subject: Any, as_amira: Client, alias: Alias, server: HostileServer
) -> None:
    is_known_as(server, {"sub": subject, "email": "amira@northwind.example"})
    walks.sign_in(as_amira, alias)
    assert Token.objects.get().account_label == "amira@northwind.example"


def test_tokens_are_given_back_if_storing_them_fails(
    as_amira: Client, alias: Alias, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_arguments: Any, **_names: Any) -> None:
        raise TypeError

    monkeypatch.setattr("integrations.connections.authorization.storage.account_of", stumble)
    page = walks.sign_in(as_amira, alias)
    assert page.status_code == 200
    assert AuthorizationAttempt.objects.get().failure_code == "internal_error"
    assert Revocation.objects.get().reason == "internal_error"
