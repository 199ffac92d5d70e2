"""What is held after a restore is released or deleted by its owner, and by who could create it."""

from typing import Any

import pytest
from django.test import Client

from accounts.access_tokens import operations
from accounts.access_tokens.models import ApplicationPassword, PermanentToken
from accounts.audit.log import Event, Kind
from accounts.models import User
from integrations.restore.in_place import continue_in_place
from tests.accounts import proofs, tokens
from tests.conftest import client_of
from tests.integrations.restore.test_restore import LAST_NIGHT

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

TOKENS, PASSWORDS = "/admin/accounts/permanenttoken/", "/admin/accounts/applicationpassword/"


@pytest.fixture
def secret(amira: User) -> str:
    """A permanent token of Amira's that is held."""
    _row, secret = tokens.make_token(amira, name="nightly")
    continue_in_place([], taken_at=LAST_NIGHT, hold=True)
    assert tokens.status(secret) == 401
    return secret


def release_in_admin(administrator: User, row: Any, page: str = TOKENS) -> Any:
    form = {"action": "release_held", "_selected_action": [str(row.pk)]}
    return client_of(administrator).post(page, form, follow=True)


def test_its_owner_releases_it_with_a_recent_sign_in(secret: str, amira: User) -> None:
    row, browser = PermanentToken.objects.get(), client_of(amira)
    page = browser.get("/accounts/security/").content.decode()
    assert f'id="release-{row.hex}"' in page
    assert f'id="delete-{row.hex}"' in page
    address = f"/accounts/security/tokens/{row.hex}/release/"
    assert browser.post(address)["Location"].startswith("/accounts/reauthenticate/")
    assert tokens.status(secret) == 401
    recent = proofs.just_shown(browser, amira)
    assert "restored from a backup" in recent.get(address).content.decode()
    assert tokens.status(secret) == 401
    assert recent.post(address)["Location"] == "/accounts/security/"
    assert tokens.status(secret) == 200
    event = Event.objects.filter(kind=Kind.RESTORED, whose=amira).get()
    assert (event.who, event.detail, event.subject) == (amira, "released", "nightly")
    assert recent.post(address).status_code == 404


def test_its_owner_deletes_it(secret: str, amira: User) -> None:
    row = PermanentToken.objects.get()
    assert client_of(amira).post(f"/accounts/security/tokens/{row.hex}/delete/").status_code == 302
    row.refresh_from_db()
    assert (row.ended_because, row.keyed_hash) == ("deleted", "")


def test_nobody_else_releases_it(secret: str, bob: User, amira: User) -> None:
    row = PermanentToken.objects.get()
    browser = proofs.just_shown(client_of(bob), bob)
    assert browser.post(f"/accounts/security/tokens/{row.hex}/release/").status_code == 404
    assert browser.post(f"/accounts/users/{amira.pk}/security/tokens/{row.hex}/release/").status_code == 403
    assert tokens.status(secret) == 401


def test_an_administrator_sees_releases_and_deletes_in_the_admin(secret: str, amira: User, admin: User) -> None:
    other, other_secret = tokens.make_token(amira, name="other")
    held = PermanentToken.objects.get(name="nightly")
    for state, name in (("yes", "nightly"), ("no", "other")):
        listed = client_of(admin).get(f"{TOKENS}?held={state}").context["cl"].queryset
        assert [row.name for row in listed] == [name]
    assert "Nothing of what you selected is held" in release_in_admin(admin, other).content.decode()
    assert "1 released" in release_in_admin(admin, held).content.decode()
    assert (tokens.status(secret), tokens.status(other_secret)) == (200, 200)
    continue_in_place([], taken_at=LAST_NIGHT, hold=True)
    form = {"action": "delete_selected", "_selected_action": [str(held.pk)], "post": "yes"}
    client_of(admin).post(TOKENS, form)
    assert "Nothing" not in release_in_admin(admin, other).content.decode()
    assert (tokens.status(secret), tokens.status(other_secret)) == (401, 200)


def test_an_administrator_with_fewer_rights_does_not_release_it(amira: User, admin: User) -> None:
    row, secret = tokens.make_token(admin, name="of the superuser")
    continue_in_place([], taken_at=LAST_NIGHT, hold=True)
    names = ["view_permanenttoken", "change_user"]
    reader = tokens.permitted("reader", *(f"accounts.{name}" for name in names))
    maker = tokens.permitted("maker", *(f"accounts.{name}" for name in [*names, "add_permanenttoken"]))
    User.objects.filter(username__in=["reader", "maker"]).update(is_staff=True)
    for delegate in (User.objects.get(pk=reader.pk), User.objects.get(pk=maker.pk)):
        release_in_admin(delegate, row)
        assert tokens.status(secret) == 401
    assert "Not released" in release_in_admin(User.objects.get(pk=maker.pk), row).content.decode()


def test_an_application_password_is_released_too(amira: User, admin: User) -> None:
    proofs.app_of(amira)
    row, _secret = operations.make_application_password(amira, name="Tablet", scopes=["integrations:read"])
    for release in (
        lambda: release_in_admin(admin, row, PASSWORDS),
        lambda: owner_of(amira).post(f"/accounts/security/application-passwords/{row.hex}/release/"),
    ):
        continue_in_place([], taken_at=LAST_NIGHT, hold=True)
        assert not ApplicationPassword.objects.alive().exists()
        assert f'id="release-{row.hex}"' in client_of(amira).get("/accounts/security/").content.decode()
        release()
        assert ApplicationPassword.objects.alive().exists()


def owner_of(person: User) -> Client:
    """The person's browser, with both steps shown just now."""
    return proofs.just_shown(client_of(person), person)


def test_that_of_a_deactivated_person_stays_held(secret: str, amira: User, admin: User) -> None:
    User.objects.filter(pk=amira.pk).update(is_active=False)
    assert "Not released" in release_in_admin(admin, PermanentToken.objects.get()).content.decode()
    assert not PermanentToken.objects.alive().exists()
