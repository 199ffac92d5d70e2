"""The admin shows no secrets of tokens, and lets no administrator extend their own rights."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts.access_tokens import operations
from accounts.access_tokens.models import ApplicationPassword, PermanentToken
from accounts.audit.models import Event
from accounts.models import User
from accounts.sign_in import mfa
from tests import cast
from tests.accounts import proofs
from tests.conftest import client_of

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

TOKENS = "/admin/accounts/permanenttoken/"
Delegate = Callable[..., User]


@pytest.fixture
def delegate(db: None) -> Delegate:
    """A function that creates an administrator with just these permissions."""

    def delegate(*names: str) -> User:
        user = cast.person("delegate", is_staff=True)
        for name in names:
            app, _, codename = name.partition(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
        return User.objects.get(pk=user.pk)

    return delegate


def test_tokens_are_listed_without_their_hashes_and_deleted_with_a_line_in_the_diary(amira: User, admin: User) -> None:
    token, token_text = operations.make_token(
        amira, name="laptop-cli", scopes=["integrations:read"], expires_at=None, by=amira
    )
    proofs.app_of(amira)
    operations.make_application_password(amira, name="Tablet", scopes=["integrations:read"])
    browser = client_of(admin)
    pages = [TOKENS, f"{TOKENS}?q=laptop", f"{TOKENS}{token.pk}/change/", f"{TOKENS}{token.pk}/history/"]
    pages += ["/admin/accounts/applicationpassword/", f"/admin/accounts/user/{amira.pk}/change/"]
    for page in pages:
        answer = browser.get(page)
        assert answer.status_code == 200
        for secret in (token.keyed_hash, ApplicationPassword.objects.get().keyed_hash, token_text):
            assert secret not in answer.content.decode()
    assert f"/accounts/users/{amira.pk}/security/" in browser.get(pages[-1]).content.decode()
    for lookup in ("keyed_hash__startswith", "user__password__startswith", "pepper_id"):
        assert browser.get(f"{TOKENS}?{lookup}=a").status_code == 400
    assert Event.objects.filter(kind="looked_at", whose=amira, who=admin).exists()
    assert browser.get(f"{TOKENS}add/").status_code == 403
    browser.post(TOKENS, {"action": "delete_selected", "_selected_action": [str(token.pk)], "post": "yes"})
    assert operations.verify_token(token_text) is None
    assert PermanentToken.objects.get().ended_because == "deleted"
    assert Event.objects.get(kind="token_deleted").who == admin


def form_of(browser: Client, address: str) -> dict[str, object]:
    """The values of the form, as a browser would submit them."""
    form = browser.get(address).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in values.items() if value not in (None, False)}


def test_nobody_makes_themselves_stronger(delegate: Delegate) -> None:
    user = delegate("accounts.change_user", "accounts.view_user")
    finance = Group.objects.create(name="Finance")
    browser, address = client_of(user), f"/admin/accounts/user/{user.pk}/change/"
    before = user.get_all_permissions()
    permission = Permission.objects.get(codename="add_user")
    own_form = form_of(browser, address)
    refused = [{"user_permissions": [permission.pk]}, {"groups": [finance.pk]}]
    for more in refused:
        assert browser.post(address, own_form | more).status_code == 200  # the form comes back with an error
    assert browser.post(address, own_form | {"is_superuser": "on", "first_name": "D"}).status_code == 302
    after = User.objects.get(pk=user.pk)
    assert (after.is_superuser, after.first_name) == (False, "D")
    assert after.get_all_permissions() == before
    assert not after.groups.filter(pk=finance.pk).exists()


def test_who_is_stronger_is_shown_and_not_changed(delegate: Delegate, admin: User) -> None:
    user = delegate("accounts.change_user", "accounts.view_user", "accounts.delete_user")
    browser, base = client_of(user), "/admin/accounts/user/"
    assert browser.get(f"{base}{admin.pk}/change/").status_code == 200
    password = {"password1": "CANARY-new-password", "password2": "CANARY-new-password"}
    for address, values in (
        (f"{admin.pk}/password/", password),
        (f"{admin.pk}/change/", {}),
        (f"{admin.pk}/delete/", {}),
    ):
        assert browser.post(base + address, {**values, "post": "yes"}).status_code == 403
    browser.post(base, {"action": "delete_selected", "_selected_action": [str(admin.pk)], "post": "yes"})
    assert User.objects.get(pk=admin.pk).check_password(cast.PASSWORD)


def test_the_second_step_of_who_is_stronger_stays(delegate: Delegate, admin: User, amira: User) -> None:
    for user in (admin, amira):
        proofs.app_of(user)
    browser, base = (
        client_of(delegate("mfa.view_authenticator", "mfa.delete_authenticator")),
        "/admin/mfa/authenticator/",
    )
    for user in (admin, amira):
        one = proofs.stored(user)
        browser.post(f"{base}{one.pk}/delete/", {"post": "yes"})
        browser.post(base, {"action": "delete_selected", "_selected_action": [str(one.pk)], "post": "yes"})
    assert (mfa.is_on(admin), mfa.is_on(amira)) == (True, False)


def test_a_group_is_no_way_up(delegate: Delegate) -> None:
    user = delegate("auth.change_group", "auth.view_group", "auth.add_group")
    finance = Group.objects.create(name="Finance")
    browser = client_of(user)
    role = Group.objects.get(name="Personal Auth User")
    permission_id = Permission.objects.get(codename="add_user").pk
    assert browser.post(f"/admin/auth/group/{finance.pk}/change/", {"name": "Mine"}).status_code == 403
    for address in (f"/admin/auth/group/{role.pk}/change/", "/admin/auth/group/add/"):
        assert browser.post(address, {"name": "Mine", "permissions": [permission_id]}).status_code == 200
    assert not Permission.objects.get(pk=permission_id).group_set.exists()


def test_a_superuser_may_all_of_it(admin: User, amira: User) -> None:
    browser, address = client_of(admin), f"/admin/accounts/user/{amira.pk}/change/"
    finance = Group.objects.create(name="Finance")
    permission_id = Permission.objects.get(codename="add_user").pk
    values = form_of(browser, address) | {
        "groups": [finance.pk],
        "user_permissions": [permission_id],
        "is_superuser": "on",
    }
    assert browser.post(address, values).status_code == 302
    amira.refresh_from_db()
    assert (amira.is_superuser, amira.groups.get()) == (True, finance)


@pytest.mark.parametrize("address", ["password/", "change/", "delete/"])
def test_who_is_stronger_stays_so_while_deactivated(delegate: Delegate, amira: User, address: str) -> None:
    amira.user_permissions.add(Permission.objects.get(codename="change_applicationregistry"))
    User.objects.filter(pk=amira.pk).update(is_active=False)
    browser = client_of(delegate("accounts.change_user", "accounts.view_user", "accounts.delete_user"))
    values = {"password1": "CANARY-new-password", "password2": "CANARY-new-password", "post": "yes"}
    assert browser.post(f"/admin/accounts/user/{amira.pk}/{address}", values).status_code == 403
    assert User.objects.get(pk=amira.pk).check_password(cast.PASSWORD)
