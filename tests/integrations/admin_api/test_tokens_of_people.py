"""Tokens, passwords and grants of people by API: in Hub's addresses, and with Account Security's rules."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.utils import timezone

from accounts.access_tokens.models import PermanentToken
from accounts.audit import log
from accounts.audit.models import Event
from accounts.models import User
from tests import cast
from tests.accounts import programs, tokens
from tests.conftest import client_of
from tests.integrations.admin_api.conftest import Script

pytestmark = pytest.mark.django_db

MINE, BOBS = "users/me/permanenttokens/", "users/bob/permanenttokens/"
NEW = {"name": "nightly", "scope": ["integrations:read"]}


@pytest.fixture
def script(admin: User) -> Script:
    return Script(admin, "administration", "integrations:read")


def made(script: Script, address: str, body: Any = NEW) -> Any:
    answer = script.send("post", address, body)
    assert answer.status_code == 201, answer.content
    assert answer["Cache-Control"] == "no-store"
    return answer.json()


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


@pytest.mark.slow
def test_a_token_of_somebody_else_is_made_listed_used_and_deleted(script: Script, bob: User) -> None:
    token = made(script, BOBS)
    assert (token["user"], token["created_by"], token["scope"]) == ("bob", "admin", ["integrations:read"])
    assert tokens.status(token["token"]) == 200
    listed = script.document(BOBS)
    assert [row["id"] for row in listed] == [token["id"]]
    assert token["token"] not in str(listed)
    assert script.document(f"{BOBS}{token['id']}/")["begins_with"] == token["token"][:15]
    assert script.send("delete", f"{BOBS}{token['id']}/").status_code == 204
    assert tokens.status(token["token"]) == 401
    assert script.document(BOBS) == []
    kinds = list(Event.objects.filter(whose=bob, who__username="admin").values_list("kind", flat=True))
    assert {log.Kind.TOKEN_CREATED, log.Kind.TOKEN_DELETED, log.Kind.LOOKED_AT} <= set(kinds)


@pytest.mark.slow
def test_what_account_security_refuses_is_refused_with_its_words(script: Script, bob: User) -> None:
    made(script, BOBS)
    for body, reason in (
        (NEW, "in use"),
        ({"name": "other", "scope": ["administration"]}, "scope"),
        ({"name": "other", "scope": []}, "Choose at least one"),
        ({**NEW, "name": "other", "expires_in_days": 11}, "expires_in_days"),
        ({**NEW, "name": 5}, "name"),
    ):
        answer = script.send("post", BOBS, body)
        assert refusal(answer) == (400, "invalid_request")
        assert reason in answer.json()["error_description"], body
    assert PermanentToken.objects.filter(user=bob).count() == 1


def test_nobody_makes_a_token_above_their_rank_and_no_token_gives_its_owner_more_than_it_has(admin: User) -> None:
    deputy = tokens.permitted("deputy", "accounts.change_user", "accounts.add_permanenttoken")
    User.objects.filter(pk=deputy.pk).update(is_staff=True)
    script = Script(User.objects.get(pk=deputy.pk))
    body = {**NEW, "scope": ["administration"]}
    assert "that you don" in script.send("post", "users/admin/permanenttokens/", body).json()["error_description"]
    assert refusal(script.send("post", MINE, NEW)) == (403, "permission_denied")
    assert made(script, MINE, body)["user"] == "deputy"


@pytest.mark.slow
def test_a_token_gives_nobody_scopes_that_it_lacks_also_by_a_rotation(admin: User, bob: User) -> None:
    row, _secret = tokens.make_token(bob, "integrations:read", by=admin)
    narrow, wide = Script(admin), Script(admin, "administration", "integrations:read", name="wide")
    for address, body in ((BOBS, NEW), (f"{BOBS}{row.hex}/rotate/", {})):
        answer = narrow.send("post", address, body)
        assert refusal(answer) == (403, "permission_denied")
        assert "scopes that it lacks: integrations:read" in answer.json()["error_description"]
        made(wide, address, body)


@pytest.mark.slow
def test_the_audit_log_has_the_address_that_a_token_was_made_from(admin: User, bob: User) -> None:
    Authenticator.objects.create(user=admin, type=Authenticator.Type.TOTP, data={"secret": "x"})
    script = Script(admin, "administration", "integrations:read")
    before = set(Event.objects.values_list("pk", flat=True))
    token = made(script, BOBS)
    made(script, f"{BOBS}{token['id']}/rotate/", {"overlap_seconds": 0})
    made(script, "users/me/applicationpasswords/", {"name": "Mail", "scope": ["integrations:read"]})
    kinds = (log.Kind.TOKEN_CREATED, log.Kind.TOKEN_DELETED, log.Kind.APPLICATION_PASSWORD_CREATED)
    addresses = Event.objects.filter(kind__in=kinds).exclude(pk__in=before).values_list("address", flat=True)
    assert list(addresses) == ["127.0.0.1"] * 4


@pytest.mark.slow
def test_a_rotated_token_keeps_its_name_and_works_beside_its_successor_for_a_while(script: Script, bob: User) -> None:
    token = made(script, BOBS, {**NEW, "expires_in_days": 90})
    successor = made(script, f"{BOBS}{token['id']}/rotate/", {"overlap_seconds": 600})
    assert (successor["name"], successor["scope"]) == (token["name"], token["scope"])
    assert [tokens.status(each["token"]) for each in (token, successor)] == [200, 200]
    ends_at = PermanentToken.objects.get(pk=token["id"]).expires_at
    assert ends_at is not None
    assert ends_at <= timezone.now() + timedelta(seconds=600)
    last = made(script, f"{BOBS}{successor['id']}/rotate/", {"overlap_seconds": 0})
    assert [tokens.status(each["token"]) for each in (successor, last)] == [401, 200]
    assert script.send("post", f"{BOBS}{successor['id']}/rotate/", {}).status_code == 404


@pytest.mark.slow
def test_grants_to_programs_are_listed_and_ended(script: Script, as_amira: Client, amira: User) -> None:
    programs.program(allowed_scopes="integrations:read")
    access = programs.granted(as_amira, scope="integrations:read")["access_token"]
    refresh_token = script.document("users/amira/refreshtokens/")[0]
    approved = script.document("users/amira/approvedscopes/")[0]
    assert refresh_token["scope"] == approved["scope"] == ["integrations:read"]
    assert refresh_token["client"] == approved["client"]
    assert script.send("delete", f"users/amira/refreshtokens/{refresh_token['id']}/").status_code == 204
    assert tokens.status(access) == 401
    assert script.send("delete", f"users/amira/approvedscopes/{approved['id']}/").status_code == 204
    assert script.document("users/amira/refreshtokens/") == script.document("users/amira/approvedscopes/") == []


@pytest.mark.slow
def test_application_passwords_are_made_by_their_owner_only_and_never_administer(admin: User, bob: User) -> None:
    Authenticator.objects.create(user=admin, type=Authenticator.Type.TOTP, data={"secret": "x"})
    script = Script(admin, "administration", "integrations:read")
    body = {"name": "Mail", "scope": ["integrations:read"]}
    password = made(script, "users/me/applicationpasswords/", body)
    assert password["password"] not in str(script.document("users/admin/applicationpasswords/"))
    assert refusal(script.send("post", "users/bob/applicationpasswords/", body)) == (403, "permission_denied")
    answer = script.send("post", "users/me/applicationpasswords/", {"name": "x", "scope": ["administration"]})
    assert refusal(answer) == (400, "invalid_request")
    assert script.send("delete", f"users/me/applicationpasswords/{password['id']}/").status_code == 204
    assert script.document("users/me/applicationpasswords/") == []


def test_only_a_token_of_an_administrator_with_the_scope_opens_this_part(script: Script, admin: User) -> None:
    assert Client().get("/api/v1/admin/users/").status_code == 401
    session = Client()
    session.force_login(admin)
    assert session.get("/api/v1/admin/users/").status_code == 401
    assert refusal(Script(admin, "integrations:read").send("get", "users/")) == (403, "insufficient_scope")
    User.objects.filter(pk=admin.pk).update(is_staff=False)
    assert script.send("get", "users/").status_code == 403
    assert cast.person("carla") is not None


@pytest.mark.slow
def test_an_application_administers_for_administrators_only(admin: User, amira: User) -> None:
    programs.program(allowed_scopes="administration integrations:read")
    for person, status in ((admin, 200), (amira, 403)):
        granted = programs.granted(client_of(person), scope="administration integrations:read")
        assert ("administration" in granted["scope"].split()) == (status == 200)
        assert tokens.status(granted["access_token"], "/api/v1/admin/users/") == status
    User.objects.filter(pk=amira.pk).update(is_staff=True)  # later
    assert tokens.status(granted["access_token"], "/api/v1/admin/users/") == 403
    assert tokens.status(granted["access_token"], "/api/v1/integrations/") == 200


def test_a_person_is_not_asked_for_what_they_cannot_give(admin: User, amira: User) -> None:
    programs.program(allowed_scopes="administration integrations:read")
    for person, is_asked in ((admin, True), (amira, False)):
        page = client_of(person).get(programs.authorize_url(scope="administration integrations:read"))
        assert ("Administer this site as you" in page.content.decode()) == is_asked
    assert programs.ask(client_of(amira), scope="administration")["error"] == "access_denied"


def test_the_password_of_a_person_gives_no_program_the_scope_to_administer(admin: User, amira: User) -> None:
    programs.program(
        allowed_scopes="administration", authorization_grant_type="password", first_party=True, redirect_uris=""
    )
    for person, status in ((admin, 200), (amira, 400)):
        fields = {"grant_type": "password", "username": person.username, "password": cast.PASSWORD}
        answer = programs.token(**fields, scope="administration")
        assert answer.status_code == status, answer.content


def test_an_approval_of_a_program_with_a_document_is_ended_by_its_client_id(script: Script, admin: User) -> None:
    client_id = "https://agent.example/oauth/client.json?v=1"
    application = programs.program(client_id=client_id, registration_source="cimd", client_type="public")
    application.approvals.create(user=admin, scopes=["integrations:read"])
    (listed,) = script.document("users/me/approvedscopes/")
    assert listed["id"] == client_id
    address = f"users/me/approvedscopes/{quote(listed['id'], safe='')}/"
    assert script.send("delete", address).status_code == 204
    assert script.send("delete", address).status_code == 404
    assert not application.approvals.exists()
