"""Documents of rows: written twice, at the same time, for trial, and with what the admin's forms ask for."""

import base64
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from accounts.access_tokens.models import PermanentToken
from accounts.audit.models import Event, Kind
from accounts.models import User
from accounts.oauth_server.models import Application
from accounts.sign_in.models import TwoStepRequirement
from integrations.admin_api import row_views
from integrations.admin_api.row_views import lock_names
from integrations.connections import authorization
from integrations.models import Action, Alias, ApplicationRegistry, OAuth2Credential, Token
from integrations.models.events import EventKind
from integrations.models.tokens import ConnectLink, Revocation, RevocationState
from tests import cast
from tests.accounts import programs, tokens
from tests.integrations.admin_api.conftest import Script
from tests.integrations.flowing import open_incidents

pytestmark = pytest.mark.django_db

PROVIDER = "https://northwind.example"
ELSEWHERE = "https://elsewhere.example"
SECRET = "CANARY-client-secret"
REGISTRY, ALIAS = "registries/Northwind/", "aliases/northwind/"
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()


@pytest.fixture
def alias(db: None) -> Alias:
    return cast.integration_at(cast.registry_at(PROVIDER), connection_url=f"{PROVIDER}/api")


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def paths(applied: Any) -> list[str]:
    return [change["path"] for change in applied["changes"]]


def test_the_end_of_a_client_secret_is_written_and_read(script: Script, alias: Alias) -> None:
    script.applied(REGISTRY, {"client_secret_expires_on": "2027-02-28"})
    assert script.document(REGISTRY)["client_secret_expires_on"] == "2027-02-28"
    assert ApplicationRegistry.objects.get().client_secret_expires_on == date(2027, 2, 28)


@pytest.mark.slow
def test_a_dry_run_answers_the_differences_and_changes_nothing(script: Script, alias: Alias) -> None:
    profile = {"name": "Second", "scopes": ["read", "write"]}
    body = {
        "comments": "Changed",
        "client_secret": "another",
        "logo": PICTURE,
        "scopes": [{"scope": "read", "name": "Read all"}, {"scope": "write", "name": "Write"}],
        "profiles": [{"name": "Default northwind"}, profile],
    }
    before, events = script.document(REGISTRY), Event.objects.count()
    trial = script.applied(f"{REGISTRY}?dry_run=true", body)
    assert paths(trial) == ["comments", "logo", "scopes/read/name", "scopes/write", "profiles/Second", "client_secret"]
    assert script.document(REGISTRY) == before
    assert Event.objects.count() == events
    assert script.applied(REGISTRY, body)["changes"] == trial["changes"]
    assert script.document(REGISTRY) == trial["result"]
    assert ApplicationRegistry.objects.get().client_secret == "another"
    assert script.applied(REGISTRY, body)["changes"] == []
    assert script.applied(REGISTRY, trial["result"])["changes"] == []  # what was read can be sent
    assert paths(script.applied(REGISTRY, {"logo": None})) == ["logo"]


APPLICATION = {
    "client_type": "public",
    "authorization_grant_type": "authorization-code",
    "redirect_uris": ["https://digest.example/callback"],
}


@pytest.mark.parametrize("method", ["put", "post"])
def test_of_two_that_create_one_name_at_once_the_second_finds_the_first(
    script: Script, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Two OAuth applications may have one name, as far as the database is concerned."""

    def create_another(model: type[Model]) -> None:  # as the other request does, until this one gets the lock
        lock_names(model)
        programs.program(name="Digest")

    monkeypatch.setattr(row_views, "lock_names", create_another)
    address = "applications/Digest/" if method == "put" else "applications/"
    answer = script.send(method, address, {"name": "Digest", **APPLICATION})
    assert answer.status_code == (200 if method == "put" else 409), answer.content
    assert Application.objects.filter(name="Digest").count() < 2  # a refusal takes back what this request did


@pytest.mark.slow
def test_a_secret_can_be_written_and_is_in_no_answer(script: Script, alias: Alias) -> None:
    answers = [
        script.send("get", REGISTRY),
        script.send("get", "registries/"),
        script.send("put", REGISTRY, {"client_secret": SECRET + "2", "comments": "x"}),
        script.send("put", REGISTRY, {"client_secret": SECRET + "3", "token_url": "no address"}),
        script.send("delete", f"{REGISTRY}?dry_run=true"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400, 409]
    assert "CANARY" not in str([answer.content for answer in answers])
    assert answers[0].json()["has_client_secret"] is True
    assert ApplicationRegistry.objects.get().client_secret == SECRET + "2"
    assert not Event.objects.filter(detail__contains="CANARY").exists()


@pytest.mark.slow
def test_two_who_change_the_same_row_do_not_overwrite_each_other(script: Script, alias: Alias) -> None:
    etag = script.send("get", ALIAS)["ETag"]
    answer = script.send("put", ALIAS, {"description": "First"}, **{"If-Match": etag})
    assert answer.status_code == 200
    assert answer["ETag"] == script.send("get", ALIAS)["ETag"] != etag
    for method, body in (("put", {"description": "Second"}), ("delete", None)):
        answer = script.send(method, ALIAS, body, **{"If-Match": etag})
        assert refusal(answer) == (412, "precondition_failed")
    assert refusal(script.send("put", ALIAS, {}, **{"If-None-Match": "*"})) == (412, "precondition_failed")
    assert refusal(script.send("put", "aliases/gone/", {}, **{"If-Match": "*"})) == (412, "precondition_failed")
    assert refusal(script.send("post", "aliases/", {"name": "northwind"})) == (409, "conflict")
    assert Alias.objects.get().description == "First"


def test_a_row_is_renamed_by_its_id_and_never_by_its_name(script: Script, alias: Alias) -> None:
    assert refusal(script.send("put", ALIAS, {"name": "southwind"})) == (400, "invalid_request")
    assert paths(script.applied(f"aliases/{alias.hex}/", {"name": "southwind"})) == ["name"]
    assert Alias.objects.get().name == "southwind"


@pytest.mark.parametrize(
    ("address", "body", "reason"),
    [
        (ALIAS, {"colour": "red"}, "Not known: colour"),
        (ALIAS, {"label": 5}, "label"),
        (ALIAS, {"active": "yes"}, "active"),
        (ALIAS, {"active": False}, "Say why"),
        (ALIAS, {"groups": ["Nobody"]}, "There is no group “Nobody”"),
        (ALIAS, {"connections": [{"connection_url": PROVIDER}]}, "connections"),
        (ALIAS, {"connections": [{"name": "a"}, {"name": "a"}]}, "“a” is there twice"),
        (REGISTRY, {"token_url": "ftp://x"}, "token_url"),
        (REGISTRY, {"logo": "no base64"}, "logo"),
        (REGISTRY, {"profiles": [{"name": "Default northwind", "scopes": ["gone"]}]}, "There is no"),
        (REGISTRY, {"call_headers": ["no object"]}, "call_headers"),
        ("credentials/northwind/", {"profile": {"registry": "Northwind"}}, "profile"),
        ("credentials/northwind/", {"profile": {"registry": "Northwind", "name": "Gone"}}, "profile: There is no"),
        ("actions/a/", {"outputs": [{"name": "o", "path": "steps.gone.body"}]}, "gone"),
        ("actions/a/", {"inputs": [5]}, ""),
        ("users/x y/", {}, "username"),
    ],
)
@pytest.mark.slow
def test_what_the_forms_refuse_is_refused_with_the_member_and_a_sentence(
    script: Script, alias: Alias, address: str, body: Any, reason: str
) -> None:
    before = script.document(REGISTRY), script.document(ALIAS)
    answer = script.send("put", address, body)
    assert refusal(answer) == (400, "invalid_request")
    assert reason in answer.json()["error_description"]
    assert (script.document(REGISTRY), script.document(ALIAS)) == before


@pytest.mark.slow
def test_tokens_are_not_led_elsewhere_without_the_secret(script: Script, alias: Alias, amira: User) -> None:
    cast.signed_in(amira, alias)
    moved = {"connections": [{"name": "northwind", "connection_url": f"{ELSEWHERE}/api"}]}
    answer = script.send("put", ALIAS, moved)
    assert refusal(answer) == (400, "invalid_request")
    assert "Client Secret" in answer.json()["error_description"]
    assert refusal(script.send("put", REGISTRY, {"token_url": f"{ELSEWHERE}/token"})) == (400, "invalid_request")
    moved["connections"][0]["client_secret"] = SECRET
    assert paths(script.applied(ALIAS, moved)) == ["connections/northwind/connection_url"]
    assert script.applied(ALIAS, moved)["changes"] == []
    script.applied(REGISTRY, {"token_url": f"{ELSEWHERE}/token", "client_secret": SECRET})


def test_what_ends_sign_ins_takes_a_confirmation(script: Script, alias: Alias, amira: User) -> None:
    cast.signed_in(amira, alias)
    change = {"integration_type": "system"}
    assert refusal(script.send("put", "credentials/northwind/", change)) == (409, "confirmation_required")
    assert Token.objects.exists()
    script.applied("credentials/northwind/", {**change, "end_sign_ins": True})
    assert not Token.objects.exists()
    assert OAuth2Credential.objects.get().integration_type == "system"


@pytest.mark.slow
def test_a_list_within_a_row_is_complete(script: Script, alias: Alias) -> None:
    action = open_incidents(alias)
    steps = script.document(f"actions/{action.name}/")["steps"]
    more = [*steps, {"name": "again", "order": 9, "alias": "northwind", "path": "again/"}]
    assert paths(script.applied(f"actions/{action.name}/", {"steps": more})) == ["steps/again"]
    assert paths(script.applied(f"actions/{action.name}/", {"steps": steps})) == ["steps/again"]
    assert Action.objects.get().steps.count() == len(steps)


@pytest.mark.slow
def test_rows_within_a_row_have_addresses_too(script: Script, alias: Alias) -> None:
    scope = f"{PROVIDER}/auth/write"
    script.applied(f"{REGISTRY}scopes/{scope}/", {"name": "Write"})
    made = script.applied(f"{REGISTRY}profiles/Writing/", {"grant_type": "authorization_code", "scopes": [scope]})
    assert (made["created"], made["result"]["scopes"]) == (True, [scope])
    script.applied(f"{ALIAS}connections/Spare/", {"connection_url": f"{PROVIDER}/spare", "active": False})
    assert [row["name"] for row in script.document(f"{ALIAS}connections/")] == ["Spare", "northwind"]
    assert script.send("delete", f"{REGISTRY}scopes/{scope}/").status_code == 200
    assert script.document(f"{REGISTRY}profiles/Writing/")["scopes"] == []
    assert script.send("get", "registries/Gone/scopes/").status_code == 404


@pytest.mark.slow
def test_what_others_need_is_not_deleted_and_the_answer_says_who(script: Script, alias: Alias, amira: User) -> None:
    cast.signed_in(amira, alias)
    answer = script.send("delete", "credentials/northwind/")
    assert refusal(answer) == (409, "conflict")
    assert "HTTP(s) Connection: northwind" in answer.json()["error_description"]
    trial = script.send("delete", f"{ALIAS}?dry_run=true").json()
    assert "amira" in str(trial["warnings"])
    assert Alias.objects.exists()
    assert script.send("delete", ALIAS).json()["result"] is None
    assert not Alias.objects.exists()
    assert Revocation.objects.exists()


@pytest.mark.slow
def test_the_secret_of_a_new_application_is_answered_once(script: Script) -> None:
    body = {
        "client_type": "confidential",
        "authorization_grant_type": "authorization-code",
        "redirect_uris": ["https://program.example/callback"],
    }
    trial = script.send("post", "applications/?dry_run=true", {"name": "Digest", **body})
    assert (trial.status_code, trial.json()["client_secret"]) == (200, "")
    made = script.applied("applications/Digest/", body)
    assert len(made["client_secret"]) > 30
    assert made["result"]["client_id"] == Application.objects.get().client_id
    assert script.applied("applications/Digest/", {"first_party": True})["client_secret"] == ""
    assert made["client_secret"] not in str(script.document("applications/"))
    assert script.document(f"applications/{made['result']['client_id']}/")["name"] == "Digest"


def test_the_name_that_a_stranger_took_is_not_the_administrators_application(script: Script) -> None:
    """Else the script would widen a program whose secret somebody else has."""
    stranger = programs.program(name="Digest", client_id="stranger", registration_source="dcr")
    assert script.send("get", "applications/Digest/").status_code == 404
    made = script.applied("applications/Digest/", {**APPLICATION, "allowed_scopes": ["tokens:read"]})
    assert made["created"]
    stranger.refresh_from_db()
    assert stranger.scope_values == ["integrations:read", "integrations:revoke"]
    assert [row["registration_source"] for row in script.document("applications/")] == ["dcr", "manual"]
    row = script.document(f"applications/id:{stranger.pk}/")
    assert (row["registration_source"], row["standing"]) == ("dcr", "allowed")
    assert script.send("delete", "applications/stranger/").status_code == 200


def test_an_application_with_the_scope_of_an_alias_that_is_off_can_still_be_changed(
    script: Script, alias: Alias
) -> None:
    programs.program(allowed_scopes=f"integrations:read service:{alias.name}")
    Alias.objects.update(active=False)
    assert paths(script.applied("applications/digest/", {"first_party": True})) == ["first_party"]
    assert Application.objects.get().scope_values == ["integrations:read", f"service:{alias.name}"]


@pytest.mark.slow
def test_a_person_is_made_without_a_password_and_deactivated(script: Script) -> None:
    script.applied("users/bot/", {"email": "bot@hub.example", "groups": ["Personal Auth User"]})
    assert not User.objects.get(username="bot").has_usable_password()
    answer = script.send("put", "users/carla/", {"password": cast.PASSWORD})
    assert "Not known: password" in answer.json()["error_description"]
    assert paths(script.applied("users/bot/", {"is_active": False})) == ["is_active"]
    assert not User.objects.get(username="bot").is_active


@pytest.mark.slow
def test_a_bot_is_made_with_its_owners(script: Script, bob: User) -> None:
    made = script.applied("users/nightly/", {"is_bot": True, "owners": ["bob"]})
    assert (made["result"]["is_bot"], made["result"]["owners"]) == (True, ["bob"])
    assert list(User.objects.get(username="nightly", is_bot=True).owners.all()) == [bob]
    assert script.applied("users/nightly/", {"is_bot": True, "owners": ["bob"]})["changes"] == []
    assert refusal(script.send("put", "users/nightly/", {"owners": ["nobody"]})) == (400, "invalid_request")
    assert paths(script.applied("users/nightly/", {"owners": []})) == ["owners"]


def test_a_tool_set_is_made_and_changed(script: Script, alias: Alias) -> None:
    made = script.applied("tool-sets/support/", {"description": "For tickets", "aliases": ["northwind"]})
    assert (made["created"], made["result"]["aliases"]) == (True, ["northwind"])
    assert paths(script.applied("tool-sets/support/", {"active": False, "aliases": []})) == ["active", "aliases"]
    assert script.send("delete", "tool-sets/support/").status_code == 200


@pytest.mark.slow
def test_a_token_changes_the_mail_address_of_others_but_not_of_its_owner(script: Script, admin: User) -> None:
    for address in ("users/admin/", f"users/id:{admin.pk}/"):
        answer = script.send("put", address, {"email": "thief@elsewhere.example"})
        assert refusal(answer) == (403, "permission_denied")
        assert "can’t change its owner’s mail address" in answer.json()["error_description"]
    assert script.applied("users/admin/", {"email": admin.email, "first_name": "Ada"})["created"] is False
    cast.person("carla")
    assert paths(script.applied("users/carla/", {"email": "new@hub.example"})) == ["email"]


@pytest.mark.slow
def test_rows_with_numbers_are_named_by_their_id_too(script: Script, bob: User) -> None:
    assert script.document("users/bob/")["id"] == f"id:{bob.pk}"
    assert script.document(f"users/id:{bob.pk}/")["username"] == "bob"
    assert paths(script.applied(f"users/id:{bob.pk}/", {"username": "robert"})) == ["username"]
    group = script.applied("groups/Finance/", {})["result"]
    assert paths(script.applied(f"groups/{group['id']}/", {"name": "Accounting"})) == ["name"]
    for address in ("groups/id:999999/", "users/id:999999/"):
        answer = script.send("put", address, {})
        assert refusal(answer) == (404, "not_found")
        assert "integration" not in answer.json()["error_description"]
    assert not Group.objects.filter(name__startswith="id:").exists()


@pytest.mark.slow
def test_sign_ins_are_listed_without_tokens_and_revoked(script: Script, alias: Alias, amira: User) -> None:
    token = cast.signed_in(amira, alias)
    listed = script.send("get", "oauth-tokens/?user=amira")
    assert [row["id"] for row in listed.json()] == [token.hex]
    assert "CANARY" not in listed.content.decode()
    assert listed.json()[0]["aliases"] == ["northwind"]
    assert script.document("oauth-tokens/?user=nobody") == []
    assert script.send("delete", f"oauth-tokens/{token.hex}/").status_code == 204
    assert not Token.objects.exists()
    revocation = script.document("revocations/")[0]
    assert revocation["user"] == "amira"
    assert "CANARY" not in str(revocation)
    Revocation.objects.update(state=RevocationState.ABANDONED)
    assert script.send("post", f"revocations/{revocation['id']}/retry/").json()["state"] == "pending"
    Revocation.objects.update(state=RevocationState.VERIFIED)
    assert refusal(script.send("post", f"revocations/{revocation['id']}/retry/")) == (409, "conflict")


@pytest.mark.slow
def test_shipped_templates_are_read_by_key_and_own_ones_written(script: Script) -> None:
    first = script.document("templates/?page_size=2")[0]
    assert script.document(f"templates/{first['key']}/")["definition"] == first["definition"]
    assert script.send("put", f"templates/{first['key']}/", {"name": "Mine"}).status_code == 403
    assert script.send("delete", f"templates/{first['key']}/").status_code == 403
    own = {"definition": first["definition"]}
    assert script.applied("templates/Ours/", own)["created"] is True
    assert script.applied("templates/Ours/", own)["changes"] == []
    answer = script.send("put", "templates/Ours/", {"definition": {"no": "template"}})
    assert refusal(answer) == (400, "invalid_request")
    assert script.send("delete", "templates/Ours/").status_code == 200


@pytest.mark.slow
def test_a_group_is_made_to_require_two_step_sign_in_and_released(script: Script) -> None:
    made = script.applied("groups/Support/", {"requires_two_steps": True})
    assert made["result"]["requires_two_steps"] is True
    assert TwoStepRequirement.objects.get().group == Group.objects.get(name="Support")
    assert script.applied("groups/Support/", {"requires_two_steps": True})["changes"] == []
    assert script.applied("groups/Support/", {"permissions": ["integrations.view_alias"]})["result"][
        "requires_two_steps"
    ]
    assert paths(script.applied("groups/Support/?dry_run=true", {"requires_two_steps": False})) == [
        "requires_two_steps"
    ]
    assert TwoStepRequirement.objects.exists()
    assert paths(script.applied("groups/Support/", {"requires_two_steps": False})) == ["requires_two_steps"]
    assert not TwoStepRequirement.objects.exists()


@pytest.mark.slow
def test_a_name_that_could_be_an_id_or_somebody_else_is_refused(script: Script, admin: User) -> None:
    for address in ("users/17/", "groups/17/"):
        answer = script.send("put", address, {})
        assert refusal(answer) == (400, "invalid_request")
        assert "id:17" in answer.json()["error_description"]
    assert script.applied("users/17/", {"username": "17"})["created"] is True  # says that it is a name
    assert paths(script.applied("users/17/", {"first_name": "Ada"})) == ["first_name"]
    for address, body in (
        ("groups/", {"name": f"id:{admin.pk}"}),
        ("users/", {"username": "me"}),
        ("aliases/", {"name": "0" * 32, "label": "x"}),
    ):
        assert refusal(script.send("post", address, body)) == (400, "invalid_request"), address
    assert script.send("put", f"aliases/{'0' * 32}/", {"label": "x"}).status_code == 404
    assert refusal(script.send("put", "users/17/", {"username": "me"})) == (400, "invalid_request")


@pytest.mark.slow
def test_me_is_always_the_caller_and_a_person_of_that_name_is_found_by_id(script: Script, admin: User) -> None:
    namesake = cast.person("me")
    assert script.document("users/me/")["username"] == "admin"
    assert script.document(f"users/id:{namesake.pk}/")["username"] == "me"
    assert paths(script.applied(f"users/id:{namesake.pk}/", {"first_name": "Mae"})) == ["first_name"]
    tokens.make_token(namesake, "integrations:read", name="theirs")
    assert [row["name"] for row in script.document("users/me/permanenttokens/")] == ["nightly-report"]
    assert [row["name"] for row in script.document(f"users/id:{namesake.pk}/permanenttokens/")] == ["theirs"]
    assert script.send("get", "users/id:999999/permanenttokens/").status_code == 404


@pytest.mark.slow
def test_a_connect_link_is_made_listed_and_withdrawn(script: Script, alias: Alias, amira: User) -> None:
    body = {"user": "amira", "alias": "northwind", "hours": 1}
    trial = script.send("post", "connect-links/?dry_run=true", body)
    assert (trial.status_code, trial.json()["id"], trial.json()["url"]) == (200, "", "")
    assert not ConnectLink.objects.exists()
    answer = script.send("post", "connect-links/", body)
    assert answer.status_code == 201
    made = answer.json()
    secret = made["url"].rstrip("/").rsplit("/", 1)[-1]
    link = authorization.find_connect_link(secret)
    assert link is not None
    assert (link.hex, link.user, link.alias, link.created_by_id) == (made["id"], amira, alias, link.created_by_id)
    assert link.expires_at < timezone.now() + timedelta(hours=1)
    assert [row["id"] for row in script.document("connect-links/?user=amira&alias=northwind")] == [made["id"]]
    assert secret not in str([script.document("connect-links/"), script.document(f"connect-links/{made['id']}/")])
    assert script.send("delete", f"connect-links/{made['id']}/?dry_run=true").json()["changes"][0]["before"]["id"]
    assert authorization.find_connect_link(secret) is not None
    assert script.send("delete", f"connect-links/{made['id']}/").status_code == 204
    assert authorization.find_connect_link(secret) is None
    kinds = [event.kind for event in Event.objects.filter(whose=amira, address="127.0.0.1")]
    assert {EventKind.CONNECT_LINK_CREATED, EventKind.CONNECT_LINK_DELETED} <= set(kinds)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"user": "nobody"}, "There is no user"),
        ({"alias": "gone"}, "“gone” that you may choose"),
        ({"hours": 2}, "hours"),
        ({"hours": "1"}, "hours"),
        ({"user": "leaver"}, "deactivated"),
    ],
)
def test_a_connect_link_that_the_form_refuses_is_not_made(
    script: Script, alias: Alias, amira: User, change: Any, reason: str
) -> None:
    cast.person("leaver", is_active=False)
    answer = script.send("post", "connect-links/", {"user": "amira", "alias": "northwind", **change})
    assert refusal(answer) == (400, "invalid_request")
    assert reason in answer.json()["error_description"]
    assert not ConnectLink.objects.exists()


@pytest.mark.slow
def test_the_dry_run_of_an_end_ends_nothing(script: Script, alias: Alias, as_amira: Client, amira: User) -> None:
    token = cast.signed_in(amira, alias)
    row, secret = tokens.make_token(amira, "integrations:read")
    programs.program(allowed_scopes="integrations:read")
    access = programs.granted(as_amira, scope="integrations:read")["access_token"]
    family = script.document("users/amira/refreshtokens/")[0]["id"]
    assert [tokens.status(each) for each in (secret, access)] == [200, 200]
    events = Event.objects.exclude(kind=Kind.LOOKED_AT).count()
    for address in (
        f"users/amira/permanenttokens/{row.hex}/",
        f"users/amira/refreshtokens/{family}/",
        "users/amira/approvedscopes/digest/",
        f"oauth-tokens/{token.hex}/",
    ):
        answer = script.send("delete", f"{address}?dry_run=true")
        assert (answer.status_code, answer.json()["result"]) == (200, None), address
        assert answer.json()["changes"][0]["before"]["id"], address
        assert refusal(script.send("delete", f"{address}?dry_run=perhaps")) == (400, "invalid_request")
    assert [tokens.status(each) for each in (secret, access)] == [200, 200]
    assert Token.objects.filter(pk=token.pk).exists()
    assert not Revocation.objects.exists()
    assert Event.objects.exclude(kind=Kind.LOOKED_AT).count() == events
    body = {"name": "nightly", "scope": ["integrations:read"]}
    for address in ("users/amira/permanenttokens/", f"users/amira/permanenttokens/{row.hex}/rotate/"):
        answer = Script(User.objects.get(username="admin"), "administration", "integrations:read").send(
            "post", f"{address}?dry_run=true", body if address.endswith("tokens/") else {}
        )
        assert (answer.status_code, answer.json()["id"], answer.json()["token"]) == (200, "", ""), answer.content
    assert PermanentToken.objects.filter(user=amira).count() == 1
