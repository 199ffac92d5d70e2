"""Manage Tokens and Token Revocations: everything about a token but the token."""

from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from accounts.models import User
from integrations.models import Alias, Event, Revocation, Token
from tests import cast
from tests.admin.forms import opened

TOKENS = "/admin/integrations/token/"
REVOCATIONS = "/admin/integrations/revocation/"


def test_the_list_says_whose_what_and_until_when(as_admin: Client, token: Token) -> None:
    Token.objects.update(account_label="amira@northwind.example", last_used_at=timezone.now(), last_used_by="Contacts")
    text = opened(as_admin, TOKENS).text
    for text_shown in (
        "amira",
        "amira@northwind.example",
        "Northwind CRM",
        "Access + refresh",
        "read",
        "Contacts",
        "Valid",
    ):
        assert text_shown in text


def test_a_time_names_its_zone_unless_it_is_the_readers(as_admin: Client, token: Token, admin: User) -> None:
    Token.objects.update(last_used_at=datetime(2026, 2, 14, 17, 42, tzinfo=UTC), last_used_by="Contacts")
    page = f"{TOKENS}{token.pk}/change/"
    assert "14 Feb 2026, 17:42 UTC" in " ".join(opened(as_admin, page).text.split())
    User.objects.filter(pk=admin.pk).update(time_zone="Asia/Tokyo")
    text = " ".join(opened(as_admin, page).text.split())
    assert "15 Feb 2026, 02:42" in text
    assert "02:42 JST" not in text


def test_its_page_names_what_was_asked_for_and_not_granted(as_admin: Client, token: Token) -> None:
    Token.objects.update(requested_scopes=["read", "write"], scopes=["read"])
    page = " ".join(opened(as_admin, f"{TOKENS}{token.pk}/change/").text.split())
    assert "Granted scopes: read Requested scopes: read, write Missing scopes: write" in page


def test_a_token_is_found_by_its_account(as_admin: Client, token: Token) -> None:
    Token.objects.update(account_label="test-user@northwind.example")
    assert "1 OAuth Token" in opened(as_admin, f"{TOKENS}?q=test-user").text
    assert "0 OAuth Tokens" in opened(as_admin, f"{TOKENS}?q=CANARY").text


def revoked_by_page(client: Client, token: Token) -> None:
    assert "Revoke this token?" in opened(client, f"{TOKENS}{token.pk}/delete/").text
    client.post(f"{TOKENS}{token.pk}/delete/", {"post": "yes"})


def revoked_by_action(client: Client, token: Token) -> None:
    assert "Revoke selected OAuth Tokens" in client.get(TOKENS).content.decode()
    client.post(TOKENS, {"action": "delete_selected", "_selected_action": str(token.pk), "post": "yes"})


@pytest.mark.parametrize("way", [revoked_by_page, revoked_by_action])
def test_deleting_a_token_revokes_it_for_its_owner(as_admin: Client, token: Token, bob: User, way: object) -> None:
    remaining = cast.signed_in(bob, Alias.objects.get())
    way(as_admin, token)  # type: ignore[operator]
    assert list(Token.objects.all()) == [remaining]
    revocation = Revocation.objects.get()
    assert (revocation.user, revocation.reason) == (token.user, "revoked_by_administrator")
    assert revocation.refresh_token == "CANARY-refresh-1"
    assert Event.objects.get(whose=token.user).words == "Revoked here: by the administrator admin"


def test_onlookers_revoke_nothing(as_onlooker: Client, token: Token) -> None:
    assert as_onlooker.post(f"{TOKENS}{token.pk}/delete/", {"post": "yes"}).status_code == 403
    as_onlooker.post(TOKENS, {"action": "delete_selected", "_selected_action": str(token.pk), "post": "yes"})
    assert Token.objects.exists()


def test_no_token_is_added_or_changed_by_hand(as_admin: Client, token: Token) -> None:
    assert as_admin.get(f"{TOKENS}add/").status_code == 403
    assert as_admin.post(f"{TOKENS}{token.pk}/change/", {"scopes": "[]"}).status_code == 403


def test_looking_at_somebody_elses_token_leaves_a_trace(as_admin: Client, admin: User, token: Token) -> None:
    opened(as_admin, f"{TOKENS}{token.pk}/change/")
    entry = LogEntry.objects.get(object_id=str(token.pk))
    assert (entry.user, entry.change_message) == (admin, "Looked at.")


def test_deleting_a_person_promises_to_revoke_what_they_had(as_admin: Client, token: Token, amira: User) -> None:
    as_admin.post(f"/admin/accounts/user/{amira.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=amira.pk).exists()
    revocation = Revocation.objects.get()
    assert (revocation.user, revocation.username, revocation.access_token) == (None, "amira", "CANARY-access-1")


@pytest.fixture
def failed(token: Token) -> Revocation:
    revocation = token.end(reason="revoked")
    assert revocation
    revocation.state, revocation.attempts, revocation.last_answer = "failed", 7, "503"
    revocation.next_attempt_at = None
    revocation.save()
    return revocation


def try_again(client: Client, revocation: Revocation) -> None:
    client.post(REVOCATIONS, {"action": "try_again", "_selected_action": str(revocation.pk)})
    revocation.refresh_from_db()


def test_a_revocation_that_failed_can_be_tried_again(as_admin: Client, failed: Revocation) -> None:
    assert "503" in opened(as_admin, REVOCATIONS).text
    try_again(as_admin, failed)
    assert (failed.state, failed.attempts) == ("pending", 0)
    assert Revocation.objects.due().get() == failed


def test_onlookers_try_nothing_again(as_onlooker: Client, failed: Revocation) -> None:
    try_again(as_onlooker, failed)
    assert failed.state == "failed"


def test_a_settled_revocation_stays_settled(as_admin: Client, failed: Revocation) -> None:
    failed.settle("verified")  # type: ignore[arg-type]
    try_again(as_admin, failed)
    assert failed.state == "verified"


def test_a_promise_cannot_be_deleted(as_admin: Client, failed: Revocation) -> None:
    assert as_admin.post(f"{REVOCATIONS}{failed.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Revocation.objects.exists()
