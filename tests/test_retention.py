"""Every table has a rule by which it shrinks, and a run that deletes gets ahead, however much there is."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db.models import ProtectedError
from django.utils import timezone
from pytest_django import Settings

from accounts import tasks as account_tasks
from accounts.audit.log import Event
from accounts.models import User
from foundation import retention
from foundation.oauth_client.answers import TokenAnswer
from integrations.flows import background
from integrations.models import Alias, Renewal, Revocation, SubflowRun
from integrations.models.tokens import AuthorizationAttempt
from tests import cast, walks

pytestmark = [pytest.mark.database, pytest.mark.django_db]
DOCUMENT = Path(__file__).resolve().parent.parent / "docs/operations.md"


def test_every_model_has_a_rule_and_every_rule_that_deletes_is_documented() -> None:
    rules = {rule.model for rule in retention.all_rules()}
    assert set(apps.get_models()) - rules == set(), "declare in retention.py how these tables shrink"
    documented = set(re.findall(r"^\| `(\w+)` \|", DOCUMENT.read_text(), re.MULTILINE))
    deleting = {rule.model._meta.db_table for rule in retention.all_rules() if rule.past}
    assert deleting - documented == set()


def test_sessions_that_expired_are_deleted_and_the_others_stay() -> None:
    now = timezone.now()
    for number in range(7):
        Session.objects.create(session_key=f"old{number}", session_data="", expire_date=now - timedelta(minutes=1))
    Session.objects.create(session_key="living", session_data="", expire_date=now + timedelta(days=1))
    account_tasks.forget_long_ended()
    assert [row.session_key for row in Session.objects.all()] == ["living"]


@pytest.mark.slow
def test_a_run_ends_in_time_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    Session.objects.bulk_create(
        Session(session_key=f"old{number}", session_data="", expire_date=now - timedelta(minutes=1))
        for number in range(2500)
    )
    clock = iter([0.0, 0.0, 99.0])
    monkeypatch.setattr("foundation.retention.time.monotonic", lambda: next(clock))
    assert not retention.shrink_tables(Session)
    assert Session.objects.count() == 1500, "one batch"
    monkeypatch.undo()
    assert retention.shrink_tables(Session)
    assert Session.objects.count() == 0


def test_rows_that_cannot_go_do_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    past = timezone.now() - timedelta(minutes=1)
    for number in range(4):
        Session.objects.create(session_key=f"old{number}", session_data="", expire_date=past)
    monkeypatch.setattr(retention, "_rules", {})
    rows = lambda: Session.objects.filter(expire_date__lte=timezone.now())  # noqa: E731
    retention.declare_rule(Session, "", rows, remove=lambda batch: batch.exclude(session_key="old0").delete(), size=2)
    assert retention.shrink_tables(Session)
    assert [row.session_key for row in Session.objects.all()] == ["old0"]


def test_events_and_the_history_of_the_admin_go_with_time(amira: User, settings: Settings) -> None:
    long_ago = timezone.now() - timedelta(days=731)
    Event.objects.bulk_create([Event(kind="signed_in", whose=amira, at=long_ago), Event(kind="signed_in", whose=amira)])
    for at in (long_ago, timezone.now()):
        entry = LogEntry.objects.create(user=amira, object_repr="x", action_flag=1)
        LogEntry.objects.filter(pk=entry.pk).update(action_time=at)
    settings.AUDIT_LOG_DAYS = 0
    account_tasks.forget_long_ended()
    assert LogEntry.objects.count() == 2, "0 keeps all"
    settings.AUDIT_LOG_DAYS = 730
    account_tasks.forget_long_ended()
    assert LogEntry.objects.count() == 1
    assert not Event.objects.filter(at__lt=timezone.now() - timedelta(days=1)).exists()


def test_settled_revocations_and_old_renewals_go_and_unsettled_ones_stay(amira: User, server: Any) -> None:
    token = cast.signed_in(amira, walks.northwind(server))
    long_ago = timezone.now() - timedelta(days=181)
    for state, purged_at in [("verified", None), ("abandoned", long_ago), ("pending", None), ("failed", None)]:
        moments = {"created_at": long_ago, "settled_at": long_ago, "purged_at": purged_at}
        Revocation.objects.create(provider="x", reason=state, token_url="x", state=state, **moments)
    for outcome, days in [("renewed", 1), ("renewed", 3), ("failed", 3), ("failed", 31)]:
        asked_at = timezone.now() - timedelta(days=days)
        Renewal.objects.create(token_id=token.pk, version=1, outcome=outcome, asked_at=asked_at)
    assert retention.shrink_tables(Revocation, Renewal)
    assert set(Revocation.objects.values_list("state", flat=True)) == {"pending", "failed"}
    assert sorted(Renewal.objects.values_list("outcome", flat=True)) == ["failed", "renewed"]


def test_runs_are_deleted_in_batches_after_a_long_absence(amira: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "AT_ONCE", 2)
    long_ago = timezone.now() - timedelta(days=31)
    SubflowRun.objects.bulk_create(
        SubflowRun(name="x", user=amira, status="succeeded", finished_at=at, ends_by=at)
        for at in [long_ago] * 5 + [timezone.now() - timedelta(days=2)]
    )
    SubflowRun.objects.update(sealed_outputs=b"sealed")
    background.purge_runs()
    (kept,) = SubflowRun.objects.all()
    assert not SubflowRun.objects.filter(sealed_outputs__isnull=False).exists()
    assert kept.finished_at is not None


def test_a_choice_that_is_made_while_sign_ins_are_purged_keeps_its_tokens(
    amira: User, bob: User, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alias, long_ago = walks.northwind(server), timezone.now() - timedelta(hours=1)
    for person in (amira, bob):
        attempt = walks.under_way(person, alias, status="other_account", expires_at=long_ago)
        attempt.hold(TokenAnswer(access_token=f"CANARY-{person}", token_type="Bearer"))
    delete = AuthorizationAttempt.delete

    def delete_while_the_other_chooses(attempt: AuthorizationAttempt) -> Any:
        AuthorizationAttempt.objects.exclude(pk=attempt.pk).update(status="connected", answer=None)
        return delete(attempt)

    monkeypatch.setattr(AuthorizationAttempt, "delete", delete_while_the_other_chooses)
    assert retention.shrink_tables(AuthorizationAttempt)
    assert not AuthorizationAttempt.objects.exists()
    assert Revocation.objects.count() == 1, "of the sign-in that nobody finished"


def test_a_table_whose_rows_cannot_be_deleted_stops_no_other(monkeypatch: pytest.MonkeyPatch, amira: User) -> None:
    past = timezone.now() - timedelta(minutes=1)
    Session.objects.create(session_key="old", session_data="", expire_date=past)
    monkeypatch.setattr(retention, "_rules", {})

    def refuse(_rows: Any) -> None:
        raise ProtectedError("still needed", set())

    retention.declare_rule(User, "", lambda: User.objects.all(), remove=refuse)
    retention.declare_rule(Session, "", lambda: Session.objects.filter(expire_date__lte=timezone.now()))
    with pytest.raises(ProtectedError):  # so that the task counts as failed
        retention.shrink_tables()
    assert not Session.objects.exists()


def test_unfinished_sign_ins_are_purged_in_batches(amira: User, server: Any) -> None:
    alias: Alias = walks.northwind(server)
    credential = alias.effective_credential
    assert credential is not None
    for number in range(3):
        AuthorizationAttempt.objects.create(
            user=amira,
            credential=credential,
            registry=credential.registry,
            state_hash=str(number),
            session_hash="x",
            redirect_uri="x",
            expires_at=timezone.now() - timedelta(hours=1),
        )
    assert retention.shrink_tables(AuthorizationAttempt)
    assert not AuthorizationAttempt.objects.exists()
