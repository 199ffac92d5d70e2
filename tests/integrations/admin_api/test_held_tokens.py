"""After a restore: permanent tokens and application passwords that are held are listed, released and deleted by API."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.utils import timezone

from accounts.access_tokens import operations
from accounts.access_tokens.models import LongLivedModel, PermanentToken
from accounts.audit import log
from accounts.audit.models import Event
from accounts.models import User
from tests.accounts import tokens
from tests.integrations.admin_api.conftest import Script

pytestmark = pytest.mark.django_db

BOBS = "users/bob/permanenttokens/"
WORDS = {"ended_because": LongLivedModel.Ending.HELD}


@pytest.fixture
def script(admin: User) -> Script:
    return Script(admin, "administration", "integrations:read")


def held(owner: User, *scopes: str, **options: Any) -> tuple[PermanentToken, str]:
    row, secret = tokens.make_token(owner, *(scopes or ["integrations:read"]), **options)
    PermanentToken.objects.filter(pk=row.pk).update(ended_at=timezone.now(), **WORDS)
    return row, secret


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def test_held_ones_are_listed_and_released_of_everybody(script: Script, bob: User, amira: User) -> None:
    row, secret = held(bob)
    others, _secret = held(amira)
    working, _secret = tokens.make_token(bob, "integrations:read", name="another")
    assert ids(script.document("permanenttokens/?is_held=true")) == [others.hex, row.hex]
    assert ids(script.document("permanenttokens/?is_held=true&user=bob")) == [row.hex]
    assert ids(script.document(f"{BOBS}?is_held=true")) == [row.hex]
    assert ids(script.document(BOBS)) == [working.hex]
    assert script.document(f"{BOBS}{row.hex}/")["is_held"] is True
    assert script.send("post", f"{BOBS}{row.hex}/release/?dry_run=true").json()["is_held"] is False
    assert tokens.status(secret) == 401
    answer = script.send("post", f"{BOBS}{row.hex}/release/")
    assert (answer.status_code, answer.json()["is_held"]) == (200, False)
    assert tokens.status(secret) == 200
    assert Event.objects.filter(whose=bob, who__username="admin", kind=log.Kind.RESTORED).count() == 1
    assert script.send("post", f"{BOBS}{row.hex}/release/").status_code == 409
    assert script.send("post", f"{BOBS}{'0' * 32}/release/").status_code == 404


def test_a_held_one_has_no_name_here_because_another_may_have_it_by_now(script: Script, bob: User) -> None:
    row, secret = held(bob, name="nightly")
    assert script.send("get", f"{BOBS}nightly/").status_code == 404
    assert script.send("post", f"{BOBS}nightly/release/").status_code == 404
    made = script.send("put", f"{BOBS}nightly/", {"scope": ["integrations:read"]})
    assert made.status_code == 201
    assert script.send("delete", f"{BOBS}nightly/").status_code == 204
    assert ids(script.document(f"{BOBS}?is_held=true")) == [row.hex]
    assert script.send("delete", f"{BOBS}{row.hex}/").status_code == 204
    assert script.document(f"{BOBS}?is_held=true") == []
    assert script.send("post", f"{BOBS}{row.hex}/release/").status_code == 404
    assert tokens.status(secret) == 401


def test_a_password_is_released_too(script: Script, admin: User, bob: User) -> None:
    Authenticator.objects.create(user=bob, type=Authenticator.Type.TOTP, data={"secret": "x"})
    row, _secret = operations.make_application_password(bob, name="Mail", scopes=["integrations:read"])
    type(row).objects.update(ended_at=timezone.now(), **WORDS)
    bobs = "users/bob/applicationpasswords/"
    assert script.document(bobs) == []
    assert ids(script.document("applicationpasswords/?is_held=true")) == [row.hex]
    assert script.send("post", f"{bobs}{row.hex}/release/").status_code == 200
    assert ids(script.document(bobs)) == [row.hex]
    assert script.document("applicationpasswords/?is_held=true") == []


def test_releasing_takes_the_rights_of_making(script: Script, admin: User, bob: User) -> None:
    """A script can't get more by releasing than by making one: neither a person's rights nor a scope it lacks."""
    row, secret = held(bob, "integrations:read", by=admin)
    narrow = Script(admin, "administration", name="narrow")
    answer = narrow.send("post", f"{BOBS}{row.hex}/release/")
    assert (answer.status_code, "scopes that it lacks: integrations:read" in answer.content.decode()) == (403, True)
    above, _secret = held(admin)
    deputy = tokens.permitted("deputy", "accounts.change_user", "accounts.add_permanenttoken")
    User.objects.filter(pk=deputy.pk).update(is_staff=True)
    weaker = Script(User.objects.get(pk=deputy.pk), "administration")
    answer = weaker.send("post", f"users/admin/permanenttokens/{above.hex}/release/")
    assert (answer.status_code, "gives access" in answer.content.decode()) == (403, True)
    assert weaker.send("get", "permanenttokens/?is_held=true").status_code == 403
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert script.send("post", f"{BOBS}{row.hex}/release/").status_code == 403
    assert PermanentToken.objects.held().count() == 2
    User.objects.filter(pk=bob.pk).update(is_active=True)
    assert tokens.status(secret) == 401


def test_lists_of_everybody_have_no_secret_and_need_a_token(script: Script, bob: User) -> None:
    _row, secret = held(bob)
    assert secret not in str(script.document("permanenttokens/?is_held=true"))
    assert Client().get("/api/v1/admin/permanenttokens/").status_code == 401
    assert script.send("get", "permanenttokens/?is_held=perhaps").status_code == 400
    assert script.send("get", "permanenttokens/?is_hled=true").status_code == 400
