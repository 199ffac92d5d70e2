"""Whether everybody with staff status must use two-step sign-in, by API."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission

from accounts.audit.models import Event
from accounts.models import User
from accounts.sign_in.models import TwoStepRequirement
from tests import cast
from tests.accounts import proofs
from tests.integrations.admin_api.conftest import Script

pytestmark = pytest.mark.django_db

ON, OFF = {"requires_two_steps": True}, {"requires_two_steps": False}
SWITCHED_ON = [{"path": "requires_two_steps", "before": False, "after": True}]


@pytest.fixture
def script(admin: User) -> Script:
    proofs.app_of(admin)
    return Script(admin)


def subjects() -> list[tuple[str, str]]:
    return list(Event.objects.filter(subject__startswith="Required two").values_list("kind", "subject").order_by("at"))


@pytest.mark.slow
def test_it_is_switched_on_and_off_and_a_repetition_changes_nothing(script: Script) -> None:
    assert script.document("staff/") == OFF
    assert script.applied("staff/?dry_run=true", ON)["changes"] == SWITCHED_ON
    assert not TwoStepRequirement.objects.exists()
    assert script.applied("staff/", ON) == {"created": False, "changes": SWITCHED_ON, "warnings": [], "result": ON}
    assert TwoStepRequirement.objects.get().group is None
    assert script.applied("staff/", ON)["changes"] == script.applied("staff/", {})["changes"] == []
    assert len(script.applied("staff/?dry_run=true", OFF)["changes"]) == 1
    assert script.document("staff/") == ON
    assert len(script.applied("staff/", OFF)["changes"]) == 1
    assert not TwoStepRequirement.objects.exists()
    subject = "Required two-step sign-in Everybody with staff status"
    assert subjects() == [("set_up_added", subject), ("set_up_deleted", subject)]
    assert Event.objects.filter(kind="set_up_added", subject=subject, who__username="admin").exists()
    bodies: list[Any] = [{"requires_two_steps": "yes"}, {"required": True}, []]
    for body in bodies:
        assert script.send("put", "staff/", body).status_code == 400, body


def test_an_etag_keeps_a_lost_change_away(script: Script) -> None:
    etag = script.send("get", "staff/")["ETag"]
    changed: Any = script.send("put", "staff/", ON, **{"If-Match": etag})
    assert changed.status_code == 200
    assert changed["ETag"] == script.send("get", "staff/")["ETag"] != etag
    assert script.send("put", "staff/", OFF, **{"If-Match": etag}).status_code == 412
    assert script.document("staff/") == ON


@pytest.mark.slow
def test_only_superusers_decide_about_staff_as_in_the_admin(admin: User) -> None:
    deputy = cast.person("deputy", is_staff=True)
    deputy.user_permissions.set(Permission.objects.all())
    proofs.app_of(deputy)
    script = Script(deputy)
    assert script.document("staff/") == OFF
    assert script.send("put", "staff/", ON).status_code == 403
    assert script.applied("staff/", OFF)["changes"] == []
    TwoStepRequirement.objects.create(group=None)
    for address in ("staff/", "staff/?dry_run=true"):
        assert script.send("put", address, OFF).status_code == 403
    assert TwoStepRequirement.objects.exists()
    deputy.user_permissions.clear()
    assert Script(deputy, name="other").send("get", "staff/").status_code == 403


def test_who_would_lock_their_own_token_out_is_told_before(admin: User) -> None:
    script = Script(admin)
    for address, body in (("staff/", ON), ("users/admin/", {"groups": ["Strict"]})):
        TwoStepRequirement.objects.all().delete()
        TwoStepRequirement.objects.create(group=Group.objects.get_or_create(name="Strict")[0])
        warnings = script.applied(f"{address}?dry_run=true", body)["warnings"]
        assert any("You have no two-step sign-in" in warning for warning in warnings), address
    assert script.document("staff/") == OFF
    script.applied("staff/", ON)
    assert script.send("get", "staff/").status_code == 403


@pytest.mark.slow
def test_a_person_is_listed_with_two_step_sign_in_or_that_it_is_missing(script: Script, amira: User) -> None:
    strict = Group.objects.create(name="Strict")
    TwoStepRequirement.objects.create(group=strict)
    assert [script.document(f"users/{name}/")["two_steps"] for name in ("admin", "amira")] == ["on", "off"]
    applied = script.applied("users/amira/", {"groups": ["Strict"]})
    assert {"path": "two_steps", "before": "off", "after": "missing"} in applied["changes"]
    assert {row["username"]: row["two_steps"] for row in script.document("users/")} == {
        "admin": "on",
        "amira": "missing",
    }
