"""Revocation, introspection and the API of the demo provider, over HTTP as its clients see it."""

import secrets
import sqlite3

import pytest
import requests

from tests.demo.hub_client import Hub

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revocation_really_kills(hub: Hub, amira: requests.Session, kind: str) -> None:
    told = hub.tokens(amira)
    assert hub.post("/o/revoke_token/", token=told[kind], token_type_hint=kind).status_code == 200
    assert hub.get("/api/whoami/", told["access_token"]).status_code == 401
    assert hub.refresh(told["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_stranger_cannot_revoke(hub: Hub, amira: requests.Session) -> None:
    told = hub.tokens(amira)
    Hub(hub.provider, "other").post("/o/revoke_token/", token=told["access_token"])
    assert hub.get("/api/whoami/", told["access_token"]).status_code == 200


def test_introspection_tells_a_client_about_its_own_tokens_only(hub: Hub, amira: requests.Session) -> None:
    told = hub.tokens(amira)
    own = hub.post("/o/introspect/", token=told["access_token"]).json()
    assert (own["active"], own["username"], own["client_id"]) == (True, "amira", "notes")
    assert hub.post("/o/introspect/", token=told["refresh_token"]).json()["active"] is True
    assert Hub(hub.provider, "other").post("/o/introspect/", token=told["access_token"]).json() == {"active": False}


def test_introspection_asks_who_calls(hub: Hub, amira: requests.Session) -> None:
    told = hub.tokens(amira)
    address = f"{hub.provider.url}/o/introspect/"
    victim = requests.auth.HTTPBasicAuth("other", "wrong")
    stranger = hub.provider.session().post(address, data={"token": told["access_token"]}, auth=victim, timeout=30)
    assert stranger.status_code == 401


def test_userinfo_and_the_id_token_say_who_it_is(hub: Hub, amira: requests.Session) -> None:
    told = hub.tokens(amira, "openid profile email")
    claims = hub.get("/o/userinfo/", told["access_token"]).json()
    assert (claims["name"], claims["email"]) == ("Amira Haddad", "amira@northwind.example")
    assert told["id_token"].count(".") == 2


@pytest.mark.parametrize("path", ["/api/contacts?limit=2", "/api/contacts/?limit=2"])
def test_contacts_are_listed_as_the_documents_call_them(hub: Hub, amira: requests.Session, path: str) -> None:
    answer = hub.get(path, hub.tokens(amira, "contacts:read")["access_token"])
    assert answer.status_code == 200
    assert (len(answer.json()["results"]), answer.json()["count"]) == (2, 8)


@pytest.mark.parametrize("limit", ["", "-1", "many", "9" * 5000])
def test_a_limit_that_is_no_number_is_refused_in_words(hub: Hub, amira: requests.Session, limit: str) -> None:
    answer = hub.get(f"/api/contacts?limit={limit}", hub.tokens(amira, "contacts:read")["access_token"])
    assert (answer.status_code, answer.json()["error_description"]) == (400, "limit is a number.")


def test_notes_are_per_person(hub: Hub, amira: requests.Session, tomas: requests.Session) -> None:
    hers = hub.tokens(amira, "notes:read notes:write")["access_token"]
    his = hub.tokens(tomas, "notes:read notes:write")["access_token"]
    title = f"Only mine {secrets.token_hex(4)}"
    assert hub.call("POST", "/api/notes/", hers, json={"title": title}).status_code == 201
    assert title in {note["title"] for note in hub.get("/api/notes/", hers).json()["results"]}
    assert title not in {note["title"] for note in hub.get("/api/notes/", his).json()["results"]}


@pytest.mark.parametrize(
    "body", ["[]", "{", '{"title": ""}', '{"title": 5, "text": null}', '{"title": "%s"}' % ("x" * 201)]
)
def test_a_bad_note_is_refused_in_words(hub: Hub, amira: requests.Session, body: str) -> None:
    token = hub.tokens(amira, "notes:write")["access_token"]
    answer = hub.call("POST", "/api/notes/", token, data=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_contacts_are_per_person_and_can_be_searched(
    hub: Hub, amira: requests.Session, tomas: requests.Session
) -> None:
    hers = hub.get("/api/contacts/", hub.tokens(amira, "contacts:read")["access_token"]).json()
    token = hub.tokens(tomas, "contacts:read")["access_token"]
    his = hub.get("/api/contacts/", token).json()
    assert not {row["email"] for row in hers["results"]} & {row["email"] for row in his["results"]}
    assert hub.get("/api/contacts/", token, params={"q": "lisbon"}).json()["count"] == 1


def test_a_missing_scope_is_told(hub: Hub, amira: requests.Session) -> None:
    answer = hub.call("POST", "/api/notes/", hub.tokens(amira, "notes:read")["access_token"], json={"title": "x"})
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_a_bad_token_is_challenged(hub: Hub) -> None:
    answer = hub.get("/api/notes/", "no-such-token")
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_token_in_the_address_or_a_session_opens_nothing(hub: Hub, amira: requests.Session) -> None:
    token = hub.tokens(amira)["access_token"]
    assert amira.get(f"{hub.provider.url}/api/notes/?access_token={token}", timeout=30).status_code == 401


def test_a_deactivated_person_is_out_at_once(hub: Hub) -> None:
    person = hub.provider.session()
    hub.provider.sign_in(person, "test-user")
    told, code = hub.tokens(person), hub.code(person)
    with sqlite3.connect(hub.provider.data_dir / "provider.sqlite3", timeout=20) as database:
        database.execute("UPDATE auth_user SET is_active = 0 WHERE username = 'test-user'")
        database.commit()
        try:
            assert hub.get("/api/whoami/", told["access_token"]).status_code == 401
            assert hub.refresh(told["refresh_token"]).status_code == 400
            assert hub.exchange(code).status_code == 400
            assert hub.post("/o/introspect/", token=told["access_token"]).json() == {"active": False}
        finally:
            database.execute("UPDATE auth_user SET is_active = 1 WHERE username = 'test-user'")
            database.commit()
