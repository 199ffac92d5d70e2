"""People and permanent tokens from the command line, by the functions of the API."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.access_tokens.models import PermanentToken
from accounts.audit.models import Event
from accounts.models import User
from tests import cast
from tests.accounts import programs, tokens

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.mark.slow
def test_a_person_is_made_listed_and_turned_off_in_the_name_of_an_administrator(admin: User) -> None:
    run("people", "create", "bot", "--by", "admin", "--email", "bot@hub.example", "--group", "Personal Auth User")
    assert "bot\tbot@hub.example\tperson\tactive\tPersonal Auth User" in run("people", "list")
    assert "is_active: True → False" in run("people", "deactivate", "bot", "--by", "admin")
    assert "bot\tbot@hub.example\tperson\tdeactivated" in run("people", "list")
    assert Event.objects.filter(whose_name="bot", who__username="admin").exists()


@pytest.mark.slow
def test_a_bot_is_made_changed_and_deleted(admin: User, amira: User) -> None:
    run("people", "create", "nightly", "--by", "admin", "--bot", "--owner", "amira", "--dry-run")
    assert not User.objects.filter(username="nightly").exists()
    run("people", "create", "nightly", "--by", "admin", "--bot", "--owner", "amira")
    assert "nightly\t\tbot\tactive" in run("people", "list")
    change = (
        "people",
        "change",
        "nightly",
        "--by",
        "admin",
        "--first-name",
        "Nightly",
        "--group",
        "Personal Auth User",
    )
    assert "2 changes" in run(*change)
    assert "Nothing to change" in run(*change)
    assert [each.username for each in User.objects.get(username="nightly").owners.all()] == ["amira"]
    run("people", "delete", "nightly", "--by", "admin", "--dry-run")
    assert User.objects.filter(username="nightly").exists()
    run("people", "delete", "nightly", "--by", "admin")
    assert not User.objects.filter(username="nightly").exists()


@pytest.mark.slow
def test_what_programs_hold_is_listed_and_ended(admin: User, as_amira: Client, amira: User) -> None:
    programs.program(allowed_scopes="integrations:read")
    access = programs.granted(as_amira, scope="integrations:read")["access_token"]
    with pytest.raises(CommandError):
        run("grants", "end", "approvedscopes", "amira", "digest", "--by", cast.person("carla").username)
    for kind in ("refreshtokens", "approvedscopes"):
        line_id, name, scopes = run("grants", "list", kind, "amira").strip().split("\t")
        assert (name, scopes) == ("Weekly digest", "integrations:read")
        run("grants", "end", kind, "amira", line_id, "--by", "admin", "--dry-run")
        assert run("grants", "list", kind, "amira")
        run("grants", "end", kind, "amira", line_id, "--by", "admin")
        assert not run("grants", "list", kind, "amira")
    assert tokens.status(access) == 401
    with pytest.raises(CommandError):
        run("grants", "end", "applicationpasswords", "amira", "0" * 32, "--by", "admin")


def test_the_rules_of_the_admin_hold_for_commands(admin: User, amira: User) -> None:
    for arguments in (
        ("people", "create", "new", "--by", "amira"),
        ("people", "deactivate", "admin", "--by", "amira"),
        ("people", "change", "amira", "--superuser", "--by", "amira"),
        ("people", "delete", "admin", "--by", "amira"),
        ("people", "create", "amira", "--by", "admin"),
        ("people", "create", "new", "--by", "admin", "--group", "Nobody"),
        ("people", "create", "new", "--by", "nobody"),
        ("permanent_tokens", "make", "admin", "name", "--scope", "integrations:read", "--by", "amira"),
        ("permanent_tokens", "make", "amira", "name", "--by", "admin"),
        ("permanent_tokens", "delete", "amira", "0" * 32, "--by", "admin"),
    ):
        with pytest.raises(CommandError):
            run(*arguments)
    assert User.objects.count() == 2
    assert not PermanentToken.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["people", "list", "amira"], "takes no name"),
        (["permanent_tokens", "list", "amira", "nightly"], "takes no name"),
        (["grants", "list", "refreshtokens", "amira", "0" * 32], "takes no id"),
        (["grants", "end", "refreshtokens", "amira"], "Name what to end"),
        (["grants", "end", "refreshtokens", "amira", "0" * 32, "--by", ""], "no user “”"),
        (["permanent_tokens", "make", "amira", "new", "--scope", "integrations:read", "--by", ""], "no user “”"),
    ],
)
def test_no_argument_is_ignored(amira: User, arguments: list[str], sentence: str) -> None:
    """An empty `--by` is a variable that a script didn’t set: nothing may be done in the person’s own name instead."""
    with pytest.raises(CommandError, match=sentence):
        run(*arguments)
    assert not PermanentToken.objects.exists()


@pytest.mark.parametrize("lifetime", [["--days", "0"], ["--days", "-1"], ["--days", "30", "--never"]])
def test_a_lifetime_that_cannot_be_meant_makes_no_token(amira: User, lifetime: list[str]) -> None:
    with pytest.raises(CommandError):
        run("permanent_tokens", "make", "amira", "nightly", "--scope", "integrations:read", *lifetime)
    assert not PermanentToken.objects.exists()


@pytest.mark.slow
def test_a_token_is_made_rotated_and_deleted(admin: User, amira: User) -> None:
    make = ("permanent_tokens", "make", "amira", "nightly", "--scope", "integrations:read", "--by", "admin")
    assert "krk_pt_" not in run(*make, "--dry-run")
    assert not PermanentToken.objects.exists()
    first = run(*make).strip()
    assert tokens.status(first) == 200
    row = PermanentToken.objects.get()
    assert (row.created_by, row.name) == (admin, "nightly")
    second = run("permanent_tokens", "rotate", "amira", row.hex, "--overlap", "0", "--by", "admin").strip()
    assert [tokens.status(each) for each in (first, second)] == [401, 200]
    listed = run("permanent_tokens", "list", "amira")
    assert "nightly" in listed
    assert second not in listed
    wider = ("permanent_tokens", "rotate", "amira", "nightly", "--scope", "subflows:run", "--by", "admin")
    third = run(*wider).strip()
    newest = PermanentToken.objects.latest("created_at")
    assert (newest.name, newest.scopes) == ("nightly", ["subflows:run"])
    delete = ("permanent_tokens", "delete", "amira", "nightly", "--by", "admin")
    assert run(*delete, "--dry-run").count("allowed") == 2
    assert [tokens.status(each) for each in (second, third)] == [200, 403]  # without the scope
    assert run(*delete).count("deleted") == 2
    assert [tokens.status(each) for each in (second, third)] == [401, 401]
