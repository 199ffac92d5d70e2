"""Approvals end when an OAuth application changes, however it is changed."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from oauth2_provider.models import get_access_token_model, get_grant_model, get_refresh_token_model

from accounts import privileges
from accounts.audit.models import Event
from accounts.models import User
from accounts.oauth_server import application_changes
from accounts.oauth_server.models import Application, Approval
from accounts.oauth_server.validator import Validator
from tests import cast
from tests.accounts import programs
from tests.conftest import client_of

pytestmark = pytest.mark.django_db

ELSEWHERE = "https://attacker.example/callback"
CHANGES: dict[str, Any] = {
    "name": "Your bank",
    "client_type": "public",
    "authorization_grant_type": "password",
    "redirect_uris": f"{programs.CALLBACK} {ELSEWHERE}",
    "post_logout_redirect_uris": ELSEWHERE,
    "allowed_origins": "https://attacker.example",
    "client_secret": "another-secret",
    "allowed_scopes": "integrations:read",
    "first_party": True,
    "skip_authorization": True,
    "algorithm": "RS256",
}
TYPED = {
    "name": "Weekly digest",
    "client_type": "confidential",
    "authorization_grant_type": "authorization-code",
    "redirect_uris": programs.CALLBACK,
    "allowed_scopes": ["integrations:read", "integrations:revoke"],
}


def editor(*codenames: str, **fields: Any) -> User:
    person = cast.person("editor", role=False, is_staff=True, **fields)
    person.user_permissions.set(Permission.objects.filter(codename__in=codenames or ["change_application"]))
    return person


def change_page(application: Application) -> str:
    return reverse("admin:accounts_application_change", args=[application.pk])


def nothing_is_left(application: Application) -> bool:
    rows = (get_access_token_model(), get_grant_model(), Approval)
    has_rows = any(model.objects.filter(application=application).exists() for model in rows)
    return not has_rows and not get_refresh_token_model().objects.filter(application=application, revoked=None).exists()


@pytest.mark.parametrize("field", CHANGES)
def test_what_was_approved_ends_when_what_was_shown_changes(field: str, as_amira: Client, amira: User) -> None:
    application = programs.program()
    tokens = programs.granted(as_amira)
    code = programs.ask(as_amira)["code"]
    application = Application.objects.get()
    setattr(application, field, CHANGES[field])
    application.save()
    assert nothing_is_left(application)
    assert programs.refresh(tokens["refresh_token"]).status_code in {400, 401}
    assert programs.exchange(code).status_code in {400, 401}
    answer = Client(headers={"Authorization": f"Bearer {tokens['access_token']}"}).get("/api/v1/integrations/")
    assert answer.status_code == 401
    assert field in {change["name"] for change in Event.objects.get(kind="set_up_changed").changes}
    assert Event.objects.filter(kind="approval_ended", whose=amira).exists()


def test_people_are_asked_again_after_a_change(as_amira: Client) -> None:
    application = programs.program()
    programs.granted(as_amira)
    assert as_amira.get(programs.authorize_url()).status_code == 302
    application.redirect_uris += f" {ELSEWHERE}"
    application.save()
    assert as_amira.get(programs.authorize_url(redirect_uri=ELSEWHERE)).status_code == 200
    assert as_amira.get(programs.authorize_url()).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("redirect_uris", f"\n {programs.CALLBACK}  "),
        ("allowed_scopes", "integrations:revoke  integrations:read"),
        ("may_introspect", True),
    ],
)
def test_a_save_that_changes_nothing_of_it_ends_nothing(field: str, value: Any, as_amira: Client) -> None:
    application = programs.program()
    tokens = programs.granted(as_amira)
    setattr(application, field, value)
    application.save()
    assert programs.refresh(tokens["refresh_token"]).status_code == 200
    assert not Event.objects.filter(kind="approval_ended").exists()


def test_the_event_names_old_and_new_and_of_a_secret_only_that_it_changed(as_admin_of: Client) -> None:
    application = programs.program()
    stored = application.client_secret
    as_admin_of.post(change_page(application), {**TYPED, "redirect_uris": ELSEWHERE, "_new_secret": "1"})
    event = Event.objects.get(kind="set_up_changed", who__username="admin")
    changes = {change["name"]: change for change in event.changes}
    assert (changes["redirect_uris"]["old"], changes["redirect_uris"]["new"]) == (programs.CALLBACK, ELSEWHERE)
    assert changes["client_secret"]["changed"] is True
    application.refresh_from_db()
    everything = f"{event.detail} {event.changes}"
    assert not any(secret in everything for secret in (stored, application.client_secret, programs.SECRET))


@pytest.fixture
def as_admin_of(admin: User) -> Client:
    return client_of(admin)


@pytest.mark.slow
def test_the_form_says_what_will_end_and_the_answer_how_many_are_asked_again(
    as_admin_of: Client, as_amira: Client
) -> None:
    application = programs.program()
    programs.granted(as_amira)
    page = as_admin_of.get(change_page(application)).content.decode()
    assert "1 person has allowed this application." in page
    assert "People are asked again." in page
    answer = as_admin_of.post(change_page(application), {**TYPED, "name": "Monthly digest"}, follow=True)
    assert "The approval of 1 person has ended" in answer.content.decode()


@pytest.mark.slow
@pytest.mark.parametrize("button", ["_save", "_new_secret"])
def test_an_application_that_a_superuser_approved_is_look_only_for_weaker_staff(button: str, admin: User) -> None:
    application = programs.program()
    programs.granted(client_of(admin))
    weaker = client_of(editor("change_application", "delete_application", "view_application"))
    page = weaker.get(change_page(application))
    assert page.status_code == 200
    assert "You can’t change this application" in page.content.decode()
    assert weaker.post(change_page(application), {**TYPED, "redirect_uris": ELSEWHERE, button: "1"}).status_code == 403
    assert (
        weaker.post(reverse("admin:accounts_application_delete", args=[application.pk]), {"post": "yes"}).status_code
        == 403
    )
    chosen = {"action": "delete_selected", "_selected_action": application.pk, "post": "yes"}
    weaker.post(reverse("admin:accounts_application_changelist"), chosen)
    after = Application.objects.get()
    assert (after.redirect_uris, after.client_secret) == (application.redirect_uris, application.client_secret)


def test_an_approver_who_becomes_stronger_afterwards_makes_it_look_only(amira: User, as_amira: Client) -> None:
    application = programs.program()
    programs.granted(as_amira)
    peer = editor("change_application", "view_application")
    peer.groups.set(amira.groups.all())
    weaker = client_of(peer)
    assert weaker.get(change_page(application)).context["has_change_permission"]
    amira.is_superuser = True
    amira.save()
    assert weaker.post(change_page(application), {**TYPED, "redirect_uris": ELSEWHERE}).status_code == 403


def test_a_code_or_a_token_without_an_approval_counts_as_well(admin: User) -> None:
    application = programs.program()
    programs.granted(client_of(admin))
    Approval.objects.all().delete()
    assert list(application_changes.approvers(application)) == [admin]
    get_refresh_token_model().objects.all().delete()
    assert list(application_changes.approvers(application)) == [admin]


def test_the_comparison_of_many_agrees_with_that_of_one(admin: User) -> None:
    group = Group.objects.create(name="Sales")
    permission = Permission.objects.get(codename="view_user")
    maker = editor("change_application", "view_user")
    mate, member, looker, stronger, staff = (cast.person(name, role=False) for name in ("a", "b", "c", "d", "e"))
    member.groups.add(group)
    looker.user_permissions.add(permission)
    stronger.user_permissions.add(Permission.objects.get(codename="delete_user"))
    staff.is_staff = True
    staff.save()
    for maker_ in (maker, member, admin):
        for other in (mate, member, looker, stronger, staff, admin, maker):
            together = privileges.any_exceeds(User.objects.filter(pk=other.pk), maker_)
            assert together == privileges.exceeds_rights(
                User.objects.get(pk=other.pk), User.objects.get(pk=maker_.pk)
            ), (
                other,
                maker_,
            )


@pytest.mark.parametrize("field", CHANGES)
def test_a_page_that_was_opened_before_the_change_allows_nothing(field: str, as_amira: Client) -> None:
    application = programs.program()
    page = as_amira.get(programs.authorize_url())
    setattr(application, field, CHANGES[field])
    application.save()
    answer = as_amira.post(programs.authorize_url(), {**programs.hidden_fields(page), "allow": "true"})
    assert (answer.status_code, answer["Location"]) == (302, programs.authorize_url())
    assert nothing_is_left(application)


@pytest.mark.parametrize("version", ["", "0" * 64, "é", "\ud7ff"])
def test_a_form_that_does_not_say_what_it_showed_allows_nothing(version: str, as_amira: Client) -> None:
    programs.program()
    form = programs.hidden_fields(as_amira.get(programs.authorize_url()))
    as_amira.post(programs.authorize_url(), {**form, "shown_version": version, "allow": "true"})
    assert not get_grant_model().objects.exists()
    assert not Approval.objects.exists()


def test_a_page_that_was_opened_before_the_change_can_still_deny(as_amira: Client) -> None:
    application = programs.program()
    page = as_amira.get(programs.authorize_url())
    application.name = "Another"
    application.save()
    answer = as_amira.post(programs.authorize_url(), programs.hidden_fields(page))
    assert "error=access_denied" in answer["Location"]


@pytest.mark.parametrize("field", ["redirect_uris", "client_secret", "name"])
@pytest.mark.parametrize("grant", ["code", "refresh token"])
def test_what_is_being_redeemed_while_the_change_is_saved_does_not_survive_it(
    grant: str, field: str, as_amira: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is committed after the client was authenticated and before its tokens are stored."""
    application = programs.program()
    refresh_token = programs.granted(as_amira)["refresh_token"]
    code = programs.ask(as_amira)["code"]
    save_token = Validator.save_bearer_token

    def change_first(self: Validator, *arguments: Any, **names: Any) -> None:
        changed = Application.objects.get(pk=application.pk)
        setattr(changed, field, CHANGES[field])
        changed.save()
        save_token(self, *arguments, **names)

    monkeypatch.setattr(Validator, "save_bearer_token", change_first)
    answer = programs.exchange(code) if grant == "code" else programs.refresh(refresh_token)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert nothing_is_left(application)
