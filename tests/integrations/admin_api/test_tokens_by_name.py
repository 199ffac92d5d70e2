"""PUT of permanent tokens and application passwords by name: made once, never changed, and safe to repeat."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.access_tokens.models import ApplicationPassword, PermanentToken
from accounts.audit import log
from accounts.audit.models import Event
from accounts.models import User
from tests import cast
from tests.accounts import proofs, tokens
from tests.integrations.admin_api.conftest import Script

pytestmark = pytest.mark.django_db

READ, RUN = "integrations:read", "subflows:run"
BOBS, MINE = "users/bob/permanenttokens/nightly/", "users/me/permanenttokens/nightly/"
PASSWORD = "users/me/applicationpasswords/Mail program/"
NEW = {"scope": [READ], "expires_in_days": 90}


@pytest.fixture
def script(admin: User) -> Script:
    proofs.app_of(admin)
    return Script(admin, "administration", READ, RUN, name="terraform")


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


@pytest.mark.parametrize("address", [BOBS, MINE])
@pytest.mark.slow
def test_a_token_is_made_with_its_secret_once_and_a_repetition_changes_nothing(
    script: Script, bob: User, address: str
) -> None:
    planned = script.applied(f"{address}?dry_run=true", NEW)
    assert (planned["created"], planned["token"], planned["result"]["id"]) == (True, "", "")
    assert {change["path"] for change in planned["changes"]} >= {"name", "scope", "expires_at"}
    assert not PermanentToken.objects.filter(name="nightly").exists()

    answer = script.send("put", address, NEW)
    made = answer.json()
    assert (answer.status_code, answer["Cache-Control"], made["created"]) == (201, "no-store", True)
    assert tokens.status(made["token"]) == 200
    for repeated in (NEW, {}, {**NEW, "name": "Nightly", "scope": [READ, READ]}, script.document(address)):
        again = script.send("put", address, repeated)
        assert again.status_code == 200, again.content
        assert {**again.json(), "result": None} == {
            "created": False, "changes": [], "warnings": [], "result": None, "token": "",
        }  # fmt: skip
        assert (again["ETag"], again.json()["result"]["id"]) == (answer["ETag"], made["result"]["id"])
    assert Event.objects.filter(kind=log.Kind.TOKEN_CREATED, subject="nightly").count() == 1
    assert tokens.status(made["token"]) == 200


@pytest.mark.slow
def test_a_put_changes_no_token_and_names_what_differs_and_the_way_that_does(script: Script, bob: User) -> None:
    made = script.applied(BOBS, NEW)
    other = {"name": "weekly", "scope": [READ, RUN], "expires_in_days": 30}
    for address in (BOBS, f"{BOBS}?dry_run=true"):
        answer = script.send("put", f"{address}", other)
        assert refusal(answer) == (409, "conflict")
        assert answer.json()["changes"] == [
            {"path": "name", "before": "nightly", "after": "weekly"},
            {"path": "scope", "before": [READ], "after": [READ, RUN]},
            {"path": "expires_in_days", "before": 90, "after": 30},
        ]
        assert "/rotate/" in answer.json()["error_description"]
    answer = script.send("put", BOBS, {"expires_in_days": None})
    assert answer.json()["changes"] == [{"path": "expires_in_days", "before": 90, "after": None}]
    stored = PermanentToken.objects.get(name="nightly")
    assert (stored.hex, stored.scopes) == (made["result"]["id"], [READ])

    del other["name"]
    rotated = script.send("post", f"{BOBS}rotate/", {**other, "overlap_seconds": 600})
    assert rotated.status_code == 201, rotated.content
    assert [tokens.status(secret) for secret in (made["token"], rotated.json()["token"])] == [200, 200]
    repeated = script.applied(BOBS, other)
    assert (repeated["changes"], repeated["result"]["id"]) == ([], rotated.json()["id"])
    assert script.send("delete", BOBS).status_code == 204  # also the one that is being replaced
    assert [tokens.status(secret) for secret in (made["token"], rotated.json()["token"])] == [401, 401]


@pytest.mark.slow
def test_a_rotation_gives_no_scope_that_the_rules_refuse(script: Script, bob: User) -> None:
    script.applied(BOBS, NEW)
    for scopes, status in (
        (["administration"], 400),
        (["remote-tables:read"], 403),
        ([], 400),
        (["subflows:all"], 403),
    ):
        assert script.send("post", f"{BOBS}rotate/", {"scope": scopes}).status_code == status, scopes
    assert PermanentToken.objects.filter(name="nightly").count() == 1


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_of_several_puts_at_once_one_makes_the_token(script: Script, bob: User) -> None:
    def put(_number: int) -> Any:
        try:
            return script.applied(BOBS, NEW)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(put, range(6)))
    assert sorted(answer["created"] for answer in answers) == [*[False] * 5, True]
    assert [bool(answer["token"]) for answer in answers].count(True) == 1
    assert PermanentToken.objects.filter(user=bob).count() == 1


@pytest.mark.slow
def test_an_ended_or_expired_token_is_made_anew(script: Script, bob: User) -> None:
    first = script.applied(BOBS, NEW)
    PermanentToken.objects.filter(name="nightly").update(expires_at=timezone.now() - timedelta(seconds=1))
    second = script.applied(BOBS, NEW)
    assert second["created"] is True
    assert second["result"]["id"] != first["result"]["id"]
    assert script.send("delete", f"{BOBS}?dry_run=true").json()["changes"][0]["before"]["name"] == "nightly"
    assert script.send("delete", BOBS).status_code == 204
    assert script.applied(BOBS, NEW)["created"] is True


@pytest.mark.slow
def test_etags_hold_what_was_decided_and_not_when_it_was_used(script: Script, bob: User) -> None:
    assert script.send("put", BOBS, NEW, **{"If-Match": '"other"'}).status_code == 412
    made = script.send("put", BOBS, NEW, **{"If-None-Match": "*"})
    assert made.status_code == 201
    assert script.send("put", BOBS, NEW, **{"If-None-Match": "*"}).status_code == 412
    assert tokens.status(made.json()["token"]) == 200
    read = script.send("get", BOBS)
    assert read.json()["last_used_at"]
    assert read["ETag"] == made["ETag"]
    script.send("post", f"{BOBS}rotate/", {})
    for method, body in (("put", NEW), ("delete", None)):
        assert script.send(method, BOBS, body, **{"If-Match": made["ETag"]}).status_code == 412
    assert script.send("delete", BOBS, **{"If-Match": script.send("get", BOBS)["ETag"]}).status_code == 204


@pytest.mark.slow
def test_a_put_asks_for_what_the_form_asks_for(script: Script, bob: User) -> None:
    for address, body, member in (
        (BOBS, {}, "scope"),
        (BOBS, {"scope": []}, "scope"),
        (BOBS, {"scope": ["administration"]}, "scope"),
        (BOBS, {**NEW, "expires_in_days": 11}, "expires_in_days: This site offers 7, 30, 60, 90"),
        (BOBS, {"scope": [READ], "expires_at": "2027-01-01T00:00:00Z"}, "expires_at"),
        (BOBS, {**NEW, "name": "weekly"}, "name"),
        (BOBS, {**NEW, "expires": 30}, "Not known: expires"),
    ):
        answer = script.send("put", address, body)
        assert refusal(answer) == (400, "invalid_request"), body
        assert member in answer.json()["error_description"]
    assert script.send("put", f"users/bob/permanenttokens/{'0' * 32}/", NEW).status_code == 404
    assert not PermanentToken.objects.filter(user=bob).exists()


def test_a_misspelt_member_is_refused_and_not_ignored(script: Script, bob: User) -> None:
    body = {"name": "nightly", "scope": [READ], "expire_in_days": 7}
    for address, wrong in (
        ("users/bob/permanenttokens/", body),
        ("connect-links/", {"user": "bob", "alias": "northwind", "hour": 1}),
    ):
        answer = script.send("post", address, wrong)
        assert refusal(answer) == (400, "invalid_request")
        assert "Not known: " in answer.json()["error_description"]
    assert not PermanentToken.objects.filter(user=bob).exists()


@pytest.mark.slow
def test_ranks_and_permissions_hold_for_a_put(admin: User, bob: User) -> None:
    deputy = tokens.permitted("deputy", "accounts.view_permanenttoken")
    User.objects.filter(pk=deputy.pk).update(is_staff=True)
    Script(admin, "administration", READ, name="terraform").applied(BOBS, NEW)
    script = Script(User.objects.get(pk=deputy.pk), "administration", READ)
    assert script.applied(BOBS, NEW)["changes"] == []  # they may see it, and nothing is done
    assert Event.objects.filter(kind=log.Kind.LOOKED_AT, whose=bob, who=deputy).exists()
    for address in ("users/bob/permanenttokens/other/", "users/admin/permanenttokens/other/"):
        assert refusal(script.send("put", address, NEW)) == (403, "permission_denied")
    assert script.send("delete", BOBS).status_code == 403
    stranger = cast.person("stranger", role=False, is_staff=True)
    for method in ("get", "put", "delete"):
        assert Script(stranger, "administration", name=method).send(method, BOBS).status_code == 403
    assert PermanentToken.objects.filter(user=bob).count() == 1


def test_a_token_gives_no_scope_that_it_lacks_by_a_put(admin: User, bob: User) -> None:
    answer = Script(admin).send("put", BOBS, NEW)
    assert "scopes that it lacks: integrations:read" in answer.json()["error_description"]
    assert not PermanentToken.objects.filter(user=bob).exists()


def test_a_token_whose_creator_is_too_weak_now_is_pointed_out(admin: User, bob: User) -> None:
    maker = tokens.permitted("maker", "accounts.change_user", "accounts.add_permanenttoken")
    tokens.make_token(bob, READ, by=maker, name="nightly")
    script = Script(admin, "administration", READ)
    assert script.applied(BOBS, {"scope": [READ]})["warnings"] == []
    User.objects.filter(pk=maker.pk).update(is_active=False)
    warnings = script.applied(BOBS, {"scope": [READ]})["warnings"]
    assert len(warnings) == 1
    assert "doesn’t work now" in warnings[0]


@pytest.mark.slow
def test_an_application_password_is_made_once_by_its_owner_and_never_changed(script: Script, bob: User) -> None:
    assert script.applied(f"{PASSWORD}?dry_run=true", {"scope": [READ]})["password"] == ""
    assert not ApplicationPassword.objects.exists()
    made = script.applied(PASSWORD, {"scope": [READ]})
    assert len(made["password"].replace(" ", "")) == 24
    for body in ({"scope": [READ]}, script.document(PASSWORD)):
        again = script.applied(PASSWORD, body)
        assert (again["created"], again["changes"], again["password"]) == (False, [], "")
    answer = script.send("put", PASSWORD, {"scope": [RUN]})
    assert refusal(answer) == (409, "conflict")
    assert answer.json()["changes"] == [{"path": "scope", "before": [READ], "after": [RUN]}]
    for address, status in ((PASSWORD, 400), ("users/bob/applicationpasswords/Mail/", 403)):
        body = {"scope": ["administration"]} if address == PASSWORD else {"scope": [READ]}
        assert script.send("put", address.replace("Mail program", "Other"), body).status_code == status
    assert ApplicationPassword.objects.count() == 1
    assert script.send("delete", PASSWORD).status_code == 204
    assert script.send("get", PASSWORD).status_code == 404
