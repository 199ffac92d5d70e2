"""A restored or copied database is noticed before anything is sent, and gives no life back to what was ended since."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.signals import authenticator_removed
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.mail import send_mail
from django.core.management import CommandError, call_command
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone, translation
from oauth2_provider.models import get_refresh_token_model

from accounts.access_tokens import operations
from accounts.access_tokens.models import ApplicationPassword, PermanentToken
from accounts.api.leaked_tokens import report_leak
from accounts.audit import details, model_changes
from accounts.audit.models import Event
from accounts.models import User
from accounts.oauth_server.models import Approval
from foundation import held_mails, installation
from foundation.installation import Installation
from foundation.oauth_client.errors import Misconfigured
from integrations.connections import authorization, keep_alive, renewal, revocations
from integrations.connections import tasks as connection_tasks
from integrations.models import Alias, ApplicationRegistry, ConnectLink, Revocation, SubflowRun, Token
from integrations.models.tokens import RevocationState
from integrations.restore import continue_in_place
from integrations.restore.ended_list import BadList, export_events, read_list
from tests import cast
from tests.accounts import programs, proofs, tokens
from tests.conftest import client_of
from tests.integrations import flowing
from tests.integrations.renewing import ASKED, GRANTED, current
from tests.servers.hostile import HostileServer

SITE, STAGING = "https://hub.example", "https://staging.example"
LAST_NIGHT = datetime(2026, 1, 1, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def site(db: None, settings: Any, tmp_path: Path) -> Iterator[Any]:
    """A site that has worked with its database, and looks at it anew."""
    settings.SITE_URL, settings.DATA_DIR = SITE, tmp_path
    installation.accept_database()
    yield settings
    installation.forget_state()


@pytest.fixture
def northwind(server: HostileServer) -> Alias:
    return cast.integration_at(cast.registry_at(server.url))


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("after_restore", *arguments, stdout=out)
    return out.getvalue()


def restored(taken_at: datetime = LAST_NIGHT) -> None:
    """As if an older database were at the place of this one."""
    Installation.objects.update(seen_at=taken_at)
    installation.forget_state()


# Noticed --------------------------------------------------------------------------------------------------------------


def test_a_site_that_goes_on_with_its_database_is_not_held(site: Any, tmp_path: Path) -> None:
    assert not installation.is_held()
    (tmp_path / installation.FILE).unlink()  # a container with an empty disk
    installation.forget_state()
    assert not installation.is_held()
    assert (tmp_path / installation.FILE).exists()
    assert "Not held" in run()


def test_the_moment_advances_and_the_disk_follows(tmp_path: Path) -> None:
    Installation.objects.update(seen_at=timezone.now() - timedelta(minutes=4))  # less than a failover may lose
    installation.forget_state()
    assert not installation.is_held()
    stored = Installation.objects.get()
    assert timezone.now() - stored.seen_at < timedelta(minutes=1)
    installation.forget_state()
    installation.is_held()
    assert json.loads((tmp_path / installation.FILE).read_text())["seen_at"] == stored.seen_at.isoformat()


@pytest.mark.parametrize("happening", ["other site", "older", "dump", "told"])
def test_each_sign_of_a_restore_holds_the_site(site: Any, monkeypatch: pytest.MonkeyPatch, happening: str) -> None:
    if happening == "other site":
        site.SITE_URL = STAGING
    elif happening == "older":
        Installation.objects.update(seen_at=LAST_NIGHT)
    elif happening == "dump":
        Installation.objects.update(identity="7:8:9")
        monkeypatch.setattr(installation, "database_identity", lambda: "7:8:10")
    else:
        site.START_HELD = True
    installation.forget_state()
    assert installation.is_held()
    with pytest.raises(CommandError) as held:
        run()
    assert held.value.returncode == 1
    assert "--in-place" in str(held.value)


@pytest.mark.parametrize(
    ("recorded", "present", "is_same"),
    [
        ("1:2:3", "1:2:3", True),
        ("1:2:3", "9:2:3", False),
        ("1:2:3", ":2:3", True),
        ("", "1:2:3", True),
        ("1:2:3", "", True),
    ],
)
def test_only_known_parts_of_an_identity_are_compared(recorded: str, present: str, is_same: bool) -> None:
    assert installation.is_same_identity(recorded, present) is is_same


def test_a_trial_on_this_machine_may_change_its_port_and_its_name(site: Any) -> None:
    Installation.objects.update(site_url="http://127.0.0.1:8000")
    for url in ("http://127.0.0.1:8001", "https://hub.example"):
        site.SITE_URL = url
        installation.forget_state()
        assert not installation.is_held()


def test_a_mark_of_another_database_on_the_disk_says_nothing(tmp_path: Path) -> None:
    (tmp_path / installation.FILE).write_text('{"mark": "0", "seen_at": "2099-01-01T00:00:00+00:00"}')
    installation.forget_state()
    assert not installation.is_held()
    for content in ("", "[]", "{}", '{"mark": 5}'):
        (tmp_path / installation.FILE).write_text(content)
        installation.forget_state()
        assert not installation.is_held()


def test_why_it_is_held_is_told_in_the_language_of_who_reads_it(site: Any) -> None:
    site.START_HELD = True
    installation.forget_state()
    with translation.override("de"):
        german = installation.current_state().hold
    assert (german, installation.current_state().hold) == ("START_HELD ist gesetzt.", "START_HELD is set.")


# Held -----------------------------------------------------------------------------------------------------------------


def test_a_held_site_sends_nothing_and_says_so(
    site: Any, server: HostileServer, northwind: Alias, amira: User, admin: User
) -> None:
    alive = cast.signed_in(amira, northwind, expires_in=3600)
    restored()
    assert current(amira, northwind) == alive.access_token  # is used as long as it lives
    Token.objects.update(expires_at=timezone.now() - timedelta(minutes=1), last_used_at=timezone.now())
    with pytest.raises(Misconfigured) as held:
        current(amira, northwind)
    assert held.value.code == "restore_undecided"
    keep_alive.renew_due_tokens()
    authorization.revoke(amira, northwind)
    revocation = Revocation.objects.get()
    connection_tasks.deliver_revocation(revocation.hex)
    assert revocations.drain() == 0
    assert server.calls == []
    assert Revocation.objects.due().exists()  # and stays due
    site.DELIVERY_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert send_mail("x", "x", None, ["amira@hub.example"], connection=held_mails.EmailBackend()) == 0
    assert mail.outbox == []

    assert Client().get("/readyz").json()["installation"] == "failing"
    assert Client().get("/readyz").json()["status"] == "degraded"
    assert "after_restore" in client_of(admin).get("/admin/").content.decode()
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("doctor", stdout=out)
    assert "Run manage.py after_restore" in out.getvalue()


def test_mails_are_sent_again_once_it_is_decided(site: Any) -> None:
    site.DELIVERY_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    restored()
    run("--nothing-lost", "--yes")
    assert send_mail("x", "x", None, ["amira@hub.example"], connection=held_mails.EmailBackend()) == 1


# In place -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_was_ended_since_is_ended_again(
    site: Any, server: HostileServer, northwind: Alias, amira: User, bob: User, admin: User, tmp_path: Path
) -> None:
    """Things end, an export is kept, and rows come back as the backup had them."""
    deleted, secret = tokens.make_token(amira, "integrations:read", name="nightly")
    _kept, kept_secret = tokens.make_token(amira, "integrations:read", name="kept")
    mine = cast.signed_in(amira, northwind)
    for person in (amira, bob):
        person.date_joined = LAST_NIGHT
        person.save()
    old_password, before = bob.password, timezone.now()
    Event.objects.all()._raw_delete("default")  # the log of the backup ends here
    backup = PermanentToken.objects.values().get(pk=deleted.pk)

    operations.end_secret(deleted, who=amira)
    authorization.revoke(amira, northwind)
    bob.is_active = False
    bob.save()
    ended = tmp_path / "events.ndjson"
    ended.write_text("\n".join(export_events()))

    PermanentToken.objects.filter(pk=deleted.pk).update(
        **{name: backup[name] for name in ("ended_at", "ended_because", "keyed_hash")}
    )
    Revocation.objects.all().delete()
    mine.save(force_insert=True)
    User.objects.filter(pk=bob.pk).update(is_active=True, password=old_password)
    Client().force_login(amira)
    restored(before)
    assert tokens.status(secret) == 200  # it lives again

    said = run("--in-place", "--ended", str(ended), "--yes")
    assert [tokens.status(each) for each in (secret, kept_secret)] == [401, 200]
    assert not Token.objects.filter(user=amira).exists()
    assert Revocation.objects.get().user == amira  # and the provider is told again
    assert not User.objects.get(pk=bob.pk).is_active
    assert not Session.objects.exists()
    assert "“nightly” of amira ended" in said
    assert "bob turned off" in said
    assert not installation.is_held()
    assert run("--in-place", "--ended", str(ended), "--yes")  # safe to repeat
    assert Installation.objects.get().epoch == 3


def test_an_approval_that_was_withdrawn_since_is_asked_for_again(as_amira: Client, amira: User) -> None:
    application = programs.program(allowed_scopes="integrations:read")
    granted = programs.granted(as_amira, scope="integrations:read")
    taken_at = timezone.now() - timedelta(hours=1)
    line = {"at": timezone.now().isoformat(), "whose_name": "amira", "subject": application.title}
    reused = json.dumps({**line, "kind": "grant_ended"})
    continue_in_place(read_list([reused], since=taken_at), taken_at=taken_at, hold=False)
    assert programs.refresh(granted["refresh_token"]).status_code == 400
    assert Approval.objects.filter(user=amira).exists()  # as it was: only that access had been ended
    withdrawn = json.dumps({**line, "kind": "approval_ended"})
    report = continue_in_place(read_list([withdrawn], since=taken_at), taken_at=taken_at, hold=False)
    assert not Approval.objects.filter(user=amira).exists()
    assert report.done == ["Access of Weekly digest for amira ended."]


def test_without_a_list_programs_ask_for_access_again(as_amira: Client, amira: User) -> None:
    """Which access was ended since is not known: that of a stolen laptop may be among it."""
    application = programs.program(allowed_scopes="integrations:read")
    granted = programs.granted(as_amira, scope="integrations:read")
    report = continue_in_place([], taken_at=LAST_NIGHT, hold=True)
    assert f"Access of {application.title} ended (people: 1). It asks for it again." in report.done
    assert programs.refresh(granted["refresh_token"]).status_code == 400
    assert tokens.status(granted["access_token"]) == 401
    assert not Approval.objects.exists()


def test_a_program_that_registered_itself_loses_what_was_ended_too(amira: User) -> None:
    document = "https://agent.example/client.json"
    application = programs.program(name="Agent", client_id=document, registration_source="cimd")
    Approval.objects.create(user=amira, application=application, scopes=["integrations:read"])
    taken_at = timezone.now() - timedelta(hours=1)
    line = {"at": timezone.now().isoformat(), "kind": "approval_ended", "whose_name": "amira"}
    lines = [json.dumps({**line, "subject": subject}) for subject in ("Agent (agent.example)", "Gone (agent.example)")]
    report = continue_in_place(read_list(lines, since=taken_at), taken_at=taken_at, hold=False)
    assert not Approval.objects.exists()
    assert report.done == ["Access of Agent (agent.example) for amira ended."]
    assert report.to_do == ["Access of Gone (agent.example) for amira had ended, and no application has this name."]


def test_the_system_s_sign_in_ends_by_an_event_of_nobody_and_a_persons_stays(
    amira: User, server: HostileServer
) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), integration_type="system")
    of_system = cast.signed_in(None, alias)  # type: ignore[arg-type]
    of_amira = cast.signed_in(amira, cast.integration_at(cast.registry_at(server.url, name="Other"), name="other"))
    taken_at = timezone.now() - timedelta(hours=1)
    line = {"at": timezone.now().isoformat(), "kind": "revoked", "subject": "x"}
    lines = [json.dumps({**line, "subject_id": str(token.credential_id)}) for token in (of_system, of_amira)]
    report = continue_in_place(read_list(lines, since=taken_at), taken_at=taken_at, hold=False)
    assert list(Token.objects.all()) == [of_amira], "an event of nobody is not about hers"
    assert report.done == ["Sign-in of the system at x ended."]


def test_what_was_under_way_ends_and_is_counted(northwind: Alias, amira: User, bob: User, admin: User) -> None:
    authorization.create_connect_link(cast.bot("nightly"), northwind, by=admin)
    subflow = flowing.subflow_of(flowing.open_incidents(northwind))
    run = SubflowRun.objects.create(
        subflow=subflow, name=subflow.name, user=amira, run_as="user", status="running", ends_by=timezone.now()
    )
    Client().force_login(amira)
    bob.is_active = False
    bob.save()
    taken_at, at = timezone.now() - timedelta(hours=1), timezone.now().isoformat()
    change = {"name": "is_active", "field": "active", "old": "False", "new": "True"}
    lines = [
        {"at": at, "kind": "set_up_changed", "whose_name": "bob", "subject": "user bob", "changes": [change]},
        {"at": at, "kind": "approval_ended", "whose_name": "a person who is gone", "subject": "x"},
    ]
    report = continue_in_place(read_list(map(json.dumps, lines), since=taken_at), taken_at=taken_at, hold=False)
    assert report.done == [
        "bob turned on.",
        "1 browser sessions ended: people sign in again.",
        "1 connect links withdrawn: make new ones.",
        "1 runs of subflows given up: they may have run already.",
    ]
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("failed", "worker_lost")
    assert User.objects.get(pk=bob.pk).is_active
    assert not Session.objects.exists()
    assert not ConnectLink.objects.exists()


def test_a_sign_in_that_came_after_an_end_is_not_in_the_backup_and_one_before_is(northwind: Alias, amira: User) -> None:
    """The list has an end of an earlier sign-in; the stored one began later, before the backup."""
    token = cast.signed_in(amira, northwind)
    line = {"kind": "revoked", "whose_name": "amira", "subject": "northwind", "subject_id": str(token.credential_id)}
    earlier = json.dumps({**line, "at": (token.signed_in_at - timedelta(hours=1)).isoformat()})
    taken_at = token.signed_in_at - timedelta(hours=2)
    continue_in_place(read_list([earlier], since=taken_at), taken_at=taken_at, hold=False)
    assert Token.objects.filter(pk=token.pk).exists()
    later = json.dumps({**line, "at": (token.signed_in_at + timedelta(hours=1)).isoformat()})
    continue_in_place(read_list([later], since=taken_at), taken_at=taken_at, hold=False)
    assert not Token.objects.filter(pk=token.pk).exists()


def test_owners_read_in_their_language_why_a_sign_in_ended_again(northwind: Alias, amira: User) -> None:
    token = cast.signed_in(amira, northwind)
    line = {"at": timezone.now().isoformat(), "kind": "revoked", "whose_name": "amira", "subject": "northwind"}
    lines = [json.dumps({**line, "subject_id": str(token.credential_id)})]
    taken_at = timezone.now() - timedelta(minutes=1)
    continue_in_place(read_list(lines, since=taken_at), taken_at=taken_at, hold=False)
    events = {event.kind: event.detail for event in Event.objects.all()}
    assert events["revoked"] == "ended before, and brought back by a restore"
    with translation.override("de"):
        assert details.in_words(events["revoked"]) == "vorher beendet und durch die Wiederherstellung zurückgekehrt"
        assert details.in_words(events["restored"]).startswith("Eine Sicherung vom ")


def test_without_a_list_permanent_tokens_are_held_until_they_are_released(amira: User) -> None:
    row, secret = tokens.make_token(amira, "integrations:read", name="nightly")
    other, _secret = tokens.make_token(amira, "integrations:read", name="other")
    restored()
    assert "held" in run("--in-place", "--yes")
    assert tokens.status(secret) == 401
    assert row.hex in run("--held")
    assert run("--release", row.hex) == "1 released.\n"
    assert tokens.status(secret) == 200
    operations.end_secret(PermanentToken.objects.get(pk=row.pk), who=amira)
    assert run("--release", "all") == "1 released.\n"  # the other one; what was deleted stays deleted
    assert tokens.status(secret) == 401
    assert PermanentToken.objects.alive().get() == other


def leak(row: PermanentToken | ApplicationPassword, secret: str) -> None:
    assert report_leak(secret) == 1


def turn_off_the_second_step(row: PermanentToken | ApplicationPassword, _secret: str) -> None:
    authenticator = proofs.stored(row.user)
    authenticator.delete()
    options = {"request": HttpRequest(), "user": row.user, "authenticator": authenticator}
    authenticator_removed.send(sender=type(authenticator), **options)


def repeat_with_a_list(row: PermanentToken | ApplicationPassword, _secret: str) -> None:
    deletion = {"at": str(timezone.now()), "kind": "token_deleted", "subject_id": str(row.pk)}
    continue_in_place(read_list([json.dumps(deletion)], since=LAST_NIGHT), taken_at=LAST_NIGHT, hold=False)


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("token", leak),
        ("token", repeat_with_a_list),
        ("password", leak),
        ("password", turn_off_the_second_step),
        ("password", repeat_with_a_list),
    ],
)
def test_what_ends_while_it_is_held_is_not_released(
    amira: User, kind: str, end: Callable[[PermanentToken | ApplicationPassword, str], None]
) -> None:
    proofs.app_of(amira)
    row, secret = (
        tokens.make_token(amira)
        if kind == "token"
        else operations.make_application_password(amira, name="Tablet", scopes=["integrations:read"])
    )
    continue_in_place([], taken_at=LAST_NIGHT, hold=True)
    end(row, secret)
    run("--release", "all")
    assert not type(row).objects.alive().exists()


def test_what_cannot_be_repeated_is_named(admin: User, amira: User, bob: User) -> None:
    taken_at = timezone.now() - timedelta(hours=1)
    at = timezone.now().isoformat()
    lines = [
        {"at": at, "kind": "password_changed", "whose_name": "amira"},
        {"at": at, "kind": "set_up_changed", "whose_name": "amira", "subject": "user amira",
         "changes": [{"field": "staff status", "name": "is_staff", "old": "True", "new": "False"}]},
        {"at": at, "kind": "set_up_deleted", "subject": "user bob", "subject_id": str(model_changes.subject_id(bob))},
        {"at": at, "kind": "set_up_added", "subject": "Alias fresh"},
        {"at": at, "kind": "second_factor_added", "whose_name": "admin", "detail": "TOTP"},
        {"at": at, "kind": "signed_in", "whose_name": "amira"},
    ]  # fmt: skip
    report = continue_in_place(read_list(map(json.dumps, lines), since=taken_at), taken_at=taken_at, hold=False)
    amira.refresh_from_db()
    bob.refresh_from_db()
    assert not amira.has_usable_password()
    assert not bob.is_active
    text = "\n".join(report.to_do)
    for words in (
        "amira had changed the password",
        "staff status: True → False",
        "bob had been deleted",
        "fresh",
        "TOTP",
    ):
        assert words in text


def test_a_name_with_a_separator_of_lines_does_not_break_the_list(amira: User, tmp_path: Path) -> None:
    taken_at = timezone.now() - timedelta(minutes=1)
    Event.objects.create(kind="connected", whose=amira, whose_name="amira", detail="a\u2028b\x85c")
    exported = tmp_path / "events.ndjson"
    exported.write_text("\n".join(export_events()))
    restored(taken_at)
    assert "The list has 1 events since" in run("--in-place", "--ended", str(exported), "--yes")


def test_a_list_is_json_lines_or_csv_and_what_is_neither_is_refused(tmp_path: Path) -> None:
    since = LAST_NIGHT
    row = {"at": "2026-01-01T03:00:00+00:00", "kind": "revoked", "whose_name": "amira"}
    assert read_list([json.dumps(row)], since=since) == read_list(
        ["at,kind,whose_name", ",".join(row.values())], since=since
    )
    assert read_list([json.dumps({**row, "at": "2026-01-01T01:00:00+00:00"})], since=since) == []
    assert read_list([], since=since) == []
    bad = (
        ["nonsense"],
        ["{"],
        ['{"at": "2026-01-01"}'],
        ["at,kind", "yesterday,x"],
        ["[]", "{}"],
        [json.dumps(row), "[]"],
    )
    for lines in bad:
        with pytest.raises(BadList):
            read_list(lines, since=since)
    (tmp_path / "bad").write_text("{")
    restored()
    for ended in (tmp_path / "bad", tmp_path / "gone"):
        with pytest.raises(CommandError):
            run("--in-place", "--yes", "--ended", str(ended))
    for arguments in (["--taken-at", "2099-01-01"],):
        with pytest.raises(CommandError):
            run("--in-place", "--yes", *arguments)
    with pytest.raises(CommandError, match="in use until"):
        run("--in-place", "--yes", "--taken-at", "2025-01-01")
    with pytest.raises(CommandError, match="--yes"):
        run("--in-place")
    assert installation.is_held()


@pytest.mark.slow
def test_a_token_of_the_backup_is_tried_once_and_the_reason_is_true(
    server: HostileServer, northwind: Alias, amira: User, bob: User
) -> None:
    """Several people are refused alike, which would otherwise cast doubt on our registration."""
    people = [amira, bob, cast.person("carla"), cast.person("dora")]
    for person in people:
        cast.signed_in(person, northwind, expires_in=-10)
    restored(timezone.now())
    run("--in-place", "--hold", "--yes")
    server.on(ASKED).always(status=400, json={"error": "invalid_grant", "error_description": "expired or revoked"})
    for person in people:
        for _attempt in range(2):
            with pytest.raises(renewal.NoUsableToken) as refused:
                current(person, northwind)
            assert refused.value.code == "restored"
    assert len(server.calls) == len(people)
    registry = ApplicationRegistry.objects.get()
    assert (registry.misconfigured_code, registry.renewals_held_until) == ("", None)
    assert {event.kind for event in Event.objects.filter(whose=bob)} == {"renewal_restored"}
    assert "Keyrack was restored from a backup of" in client_of(amira).get("/integrations/").content.decode()


def test_a_token_of_the_backup_that_still_works_is_renewed_as_always(
    server: HostileServer, northwind: Alias, amira: User
) -> None:
    cast.signed_in(amira, northwind, expires_in=-10)
    restored(timezone.now())
    run("--in-place", "--yes")
    server.on(ASKED).always(json=GRANTED)
    assert current(amira, northwind) == GRANTED["access_token"]
    server.on(ASKED).always(status=400, json={"error": "invalid_grant"})
    Token.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    with pytest.raises(renewal.NoUsableToken) as refused:
        current(amira, northwind)
    assert refused.value.code == "invalid_grant"  # this one is of after the restore


def test_a_program_with_a_refresh_token_of_after_the_backup_learns_why_it_is_unknown(as_amira: Client) -> None:
    programs.program(allowed_scopes="integrations:read")
    granted = programs.granted(as_amira, scope="integrations:read")
    get_refresh_token_model().objects.all().delete()
    restored(timezone.now())
    run("--in-place", "--yes")
    answer = programs.refresh(granted["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert "restored from a backup" in answer.json()["error_description"]
    assert not Event.objects.filter(kind="refresh_reused").exists()


# Copies ---------------------------------------------------------------------------------------------------------------


def test_a_copy_has_no_sign_ins_tells_no_provider_and_sends_no_mails(
    site: Any, server: HostileServer, northwind: Alias, amira: User, bob: User
) -> None:
    cast.signed_in(amira, northwind, expires_in=3600)
    cast.signed_in(bob, northwind)
    authorization.revoke(bob, northwind)
    with pytest.raises(CommandError, match="SITE_URL"):
        run("--copy", "--yes")  # on the original by mistake
    assert Token.objects.get().access_token
    site.SITE_URL = STAGING
    installation.forget_state()
    assert installation.is_held()
    run("--copy", "--yes")
    assert not installation.is_held()
    with pytest.raises(renewal.NoUsableToken) as refused:
        current(amira, northwind)
    assert refused.value.code == "copied"
    authorization.revoke(amira, northwind)
    assert revocations.drain() == 0
    assert not Revocation.objects.exclude(state=RevocationState.ABANDONED).exists()
    assert not Revocation.objects.filter(settled_at=None).exists(), "or their rows would never be deleted"
    assert server.calls == []
    site.DELIVERY_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert send_mail("x", "x", None, ["amira@hub.example"], connection=held_mails.EmailBackend()) == 0
    cast.signed_in(bob, northwind, expires_in=-10)  # a sign-in of the copy's own
    server.on(ASKED).always(json=GRANTED)
    assert current(bob, northwind) == GRANTED["access_token"]


def test_the_card_of_a_copy_says_where_the_sign_in_is(site: Any, northwind: Alias, amira: User) -> None:
    cast.signed_in(amira, northwind)
    site.SITE_URL = STAGING
    run("--copy", "--yes")
    assert "This site is a copy" in client_of(amira).get("/integrations/").content.decode()
