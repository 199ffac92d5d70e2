"""The audit log: who did what to whose account, from where and when. Append-only."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.utils import timezone

from accounts.audit import log
from accounts.audit.log import AppendOnly, Event, Kind
from accounts.models import User
from integrations.models import EventKind
from tests.accounts import programs, proofs, tokens
from tests.conftest import client_of

pytestmark = pytest.mark.django_db


def test_a_line_tells_who_did_what_to_whose_things_from_where(admin: User, amira: User) -> None:
    log.write(
        Kind.TOKEN_DELETED, whose=amira, who=admin, detail="nightly-report", address="192.0.2.7", subject="Northwind"
    )
    [event] = log.latest_events(amira, 10)
    assert (event.whose, event.who, event.address, event.subject) == (amira, admin, "192.0.2.7", "Northwind")
    assert event.words == "Deleted a permanent token: nightly-report"
    assert event.is_by_another
    assert not log.latest_events(admin, 10)


def test_what_an_administrator_did_to_anothers_things_is_in_the_admin_log_too(admin: User, amira: User) -> None:
    log.write(Kind.TOKEN_DELETED, whose=amira, who=admin, detail="nightly-report")
    log.write(Kind.PASSWORD_CHANGED, whose=admin, who=admin)
    log.write(Kind.SIGN_IN_REFUSED, whose=amira)
    entry = LogEntry.objects.get()
    assert (entry.user, entry.get_edited_object()) == (admin, amira)
    assert entry.change_message == "Deleted a permanent token: nightly-report"


def test_no_line_is_changed_or_deleted(amira: User, admin: User, client: Client) -> None:
    event = log.write(Kind.SIGNED_IN, whose=amira, who=amira)
    event.detail = "never happened"
    client.force_login(admin)
    for change in (event.save, event.delete, Event.objects.all().delete, lambda: Event.objects.update(detail="")):
        with pytest.raises(AppendOnly):
            change()
    base = "/admin/accounts/event/"
    assert client.get(base).status_code == 200
    assert client.get(f"{base}{event.pk}/change/").status_code == 200
    assert client.post(f"{base}{event.pk}/change/", {"detail": "x"}).status_code == 403
    assert client.post(f"{base}{event.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(f"{base}add/").status_code == 403
    assert Event.objects.get(pk=event.pk).detail == ""


def test_code_that_knows_of_no_requests_writes_by_whose_hand_it_was(admin: User, amira: User) -> None:
    with log.attributed_to(admin, "192.0.2.7"):
        log.write(EventKind.REVOKED, whose=amira)
        log.write(Kind.SIGNED_IN, whose=amira, who=amira, address="")
    log.write(EventKind.RENEWED, whose=amira)
    actors = [(event.who, event.address) for event in reversed(log.latest_events(amira, 3))]
    assert actors == [(admin, "192.0.2.7"), (amira, ""), (None, "")]
    assert LogEntry.objects.get().user == admin


def test_names_outlive_the_accounts(admin: User, amira: User) -> None:
    log.write(Kind.TOKEN_CREATED, whose=amira, who=admin)
    amira.delete()
    admin.delete()
    event = Event.objects.get(kind=Kind.TOKEN_CREATED)
    assert (event.whose, event.whose_name, event.who, event.who_name) == (None, "amira", None, "admin")


def test_an_administrator_who_deletes_their_own_account_is_named_and_not_referred_to(
    admin: User, amira: User, bob: User
) -> None:
    _row, secret = tokens.make_token(admin, "administration")
    page = client_of(admin).post(f"/admin/accounts/user/{admin.pk}/delete/", {"post": "yes"})
    assert (page.status_code, User.objects.filter(pk=admin.pk).exists()) == (302, False)
    connection.check_constraints()
    for username in ("amira", "bob"):
        User.objects.filter(username=username).update(is_staff=True, is_superuser=True)
    selected = {"action": "delete_selected", "_selected_action": [str(amira.pk), str(bob.pk)], "post": "yes"}
    client_of(amira).post("/admin/accounts/user/", selected)
    connection.check_constraints()
    deletions = Event.objects.filter(kind=Kind.SET_UP_DELETED, subject__startswith="user ").order_by("at")
    names = [(event.subject, event.who, event.who_name) for event in deletions]
    assert ("user admin", None, "admin") in names
    assert {("user amira", None, "amira"), ("user bob", None, "amira")} <= set(names)
    answer = Client().get("/api/v1/admin/users/", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 401


def test_a_script_deletes_the_account_that_it_runs_as(admin: User) -> None:
    _row, secret = tokens.make_token(admin, "administration")
    answer = Client().delete("/api/v1/admin/users/me/", headers={"Authorization": f"Bearer {secret}"})
    assert (answer.status_code, User.objects.filter(username="admin").exists()) == (200, False)
    connection.check_constraints()
    assert Event.objects.filter(subject="user admin", who=None, who_name="admin").exists()


def test_an_account_with_all_that_can_belong_to_one_is_deleted(admin: User, as_amira: Client, amira: User) -> None:
    programs.program()
    programs.ask(as_amira)
    proofs.app_of(amira)
    tokens.make_token(amira, "integrations:read")
    client_of(admin).post(f"/admin/accounts/user/{amira.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=amira.pk).exists()
    connection.check_constraints()


def test_other_code_hears_of_each_line_once_it_is_committed(
    amira: User, django_capture_on_commit_callbacks: Any
) -> None:
    heard: list[Event] = []

    def listen(event: Event, **_more: Any) -> None:
        heard.append(event)
        raise RuntimeError("whoever listens may fail")

    log.written.connect(listen)
    try:
        with django_capture_on_commit_callbacks() as callbacks:
            event = log.write(Kind.SIGNED_IN, whose=amira)
            log.write_all([log.new_event(Kind.SIGNED_OUT, whose=amira)])
        assert not heard
        for callback in callbacks:
            callback()
    finally:
        log.written.disconnect(listen)
    assert [each.kind for each in heard] == [Kind.SIGNED_IN, Kind.SIGNED_OUT]
    assert heard[0] == event


def test_what_is_old_goes_by_command(amira: User, capsys: pytest.CaptureFixture[str]) -> None:
    for days in (1, 91, 400):
        event = log.new_event(Kind.SIGNED_IN, whose=amira, detail=str(days))
        event.at = timezone.now() - timedelta(days=days)
        event.save()
    call_command("prune_diary", "--older-than", "90")
    assert [event.detail for event in Event.objects.all()] == ["1"]
    assert "2 events" in capsys.readouterr().out


def test_the_words_of_another_app_are_known() -> None:
    assert str(Event(kind=EventKind.KILL_SWITCH).words) == "All sign-ins ended by an administrator"
    kinds = [kind for kind, _words in log.all_kinds()]
    assert len(kinds) == len(set(kinds))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_events_of_integrations_move_into_the_one_diary_and_back(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("nomigrations"):
        pytest.skip("this run makes its tables without migrations")
    graph = MigrationExecutor(connection).loader.graph
    after = [key for key in graph.nodes if key[0] == "integrations" and key[1].endswith("_one_diary")]
    before = [node.key for node in graph.node_map[after[0]].parents if node.key[0] == "integrations"]
    old = migrated(before).get_model("integrations", "Event")
    old.objects.create(username="amira", kind="revoked", detail="by the administrator admin")
    moved = migrated(after).get_model("accounts", "Event").objects.get()
    assert (moved.whose_name, moved.kind, moved.detail) == ("amira", "revoked", "by the administrator admin")
    back = migrated(before).get_model("integrations", "Event").objects.get()
    assert (back.pk, back.username, back.at) == (moved.pk, "amira", moved.at)
    MigrationExecutor(connection).migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())


def migrated(targets: list[tuple[str, str]]) -> Any:
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps
