"""Permanent tokens that an administrator creates for another user never extend the administrator's rights."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied

from accounts import scopes
from accounts.access_tokens import operations
from accounts.access_tokens.models import PermanentToken
from accounts.audit.models import Event
from accounts.models import User
from integrations.models import Alias, Token
from tests import cast, walks
from tests.accounts import proofs
from tests.accounts.tokens import BASE, caller, make_token, permitted, status
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def northwind(server: HostileServer, amira: User) -> Alias:
    alias = walks.northwind(server)
    Alias.objects.update(allow_token_export=True)
    cast.signed_in(amira, alias)
    return alias


@pytest.fixture
def helper(db: None) -> User:
    """An administrator with few permissions."""
    return permitted("helper", "accounts.change_user", "accounts.add_permanenttoken")


@pytest.mark.slow
def test_a_token_made_for_another_acts_as_the_other(helper: User, amira: User, northwind: Alias) -> None:
    token, secret = make_token(amira, by=helper)
    assert [row["state"] for row in caller(secret).get(BASE).json()] == ["connected"]
    assert (token.created_by, token.created_by_name, token.is_own) == (helper, "helper", False)
    event = Event.objects.get(kind="token_created")
    assert (event.whose, event.who, event.subject) == (amira, helper, "nightly-report")


@pytest.mark.slow
@pytest.mark.parametrize("stronger", ["superuser", "staff", "group", "permission"])
def test_nobody_makes_one_for_somebody_stronger_and_none_gains_by_a_promotion(
    stronger: str, helper: User, amira: User, northwind: Alias
) -> None:
    _token, secret = make_token(amira, by=helper)
    assert status(secret) == 200
    promote(amira, stronger)
    with pytest.raises(PermissionDenied):
        make_token(User.objects.get(pk=amira.pk), by=helper)
    assert status(secret) == 403
    assert "Its creator lacks rights that you have" in client_of(amira).get("/accounts/security/").content.decode()


def promote(user: User, how: str) -> None:
    if how == "group":
        user.groups.add(Group.objects.create(name="Finance"))
    elif how == "permission":
        user.user_permissions.add(Permission.objects.get(codename="view_alias"))
    else:
        User.objects.filter(pk=user.pk).update(**{f"is_{how}": True})


@pytest.mark.slow
def test_it_holds_only_services_that_both_may_use(helper: User, amira: User, northwind: Alias) -> None:
    finance = Group.objects.create(name="Finance")
    helper.groups.add(finance)
    registry = walks.registry_of(northwind)
    cast.integration_at(registry, name="ledger").groups.add(finance)
    with pytest.raises(PermissionDenied):
        make_token(amira, "service:ledger", by=helper)
    _token, secret = make_token(amira, "tokens:read", "service:northwind", by=helper)
    assert status(secret, f"{BASE}northwind/token/") == 200
    helper.groups.remove(Group.objects.get(name="Personal Auth User"))
    assert status(secret, f"{BASE}northwind/token/") == 403


def test_it_holds_nothing_that_only_its_owner_may_do(
    helper: User, amira: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source of scopes as another app would register it: here, by username."""
    only = {"amira": {"read": "Read", "write": "Write"}, "helper": {"read": "Read", "write": "Write"}}
    monkeypatch.setattr(scopes, "_sources", [(dict, lambda user, _wanted: only[user.username])])
    token, _shown = make_token(amira, "read", "write", by=helper)
    assert operations.effective_scopes(token) == {"read", "write"}
    del only["helper"]["write"]
    assert operations.effective_scopes(token) == {"read"}
    del only["amira"]["read"]
    assert operations.effective_scopes(token) == set()


@pytest.mark.slow
def test_all_integrations_are_those_that_both_may_use(helper: User, amira: User, northwind: Alias) -> None:
    User.objects.filter(pk=helper.pk).update(is_superuser=True)  # so that a group of the owner is no obstacle
    finance = Group.objects.create(name="Finance")
    amira.groups.add(finance)
    ledger = cast.integration_at(walks.registry_of(northwind), name="ledger")
    ledger.groups.add(finance)
    Alias.objects.update(allow_token_export=True)
    cast.signed_in(amira, ledger)
    _token, secret = make_token(amira, "tokens:read", "service:*", by=User.objects.get(pk=helper.pk))
    pages = [f"{BASE}{name}/token/" for name in ("northwind", "ledger")]
    assert [status(secret, page) for page in pages] == [200, 403]
    helper.groups.add(finance)
    assert [status(secret, page) for page in pages] == [200, 200]


def test_it_takes_permissions_to_make_one_for_another_and_an_active_account(helper: User, amira: User) -> None:
    for maker in (cast.person("nobody"), permitted("half", "accounts.change_user")):
        with pytest.raises(PermissionDenied):
            make_token(amira, by=maker)
    User.objects.filter(pk=amira.pk).update(is_active=False)
    with pytest.raises(PermissionDenied):
        make_token(User.objects.get(pk=amira.pk), by=helper)


@pytest.mark.parametrize("how", ["deactivated", "deleted"])
def test_it_dies_with_its_maker(how: str, helper: User, amira: User, northwind: Alias) -> None:
    token, secret = make_token(amira, by=helper)
    if how == "deleted":
        helper.delete()
    else:
        User.objects.filter(pk=helper.pk).update(is_active=False)
    assert status(secret) == 401
    assert PermanentToken.objects.get(pk=token.pk).created_by_name == "helper"


@pytest.mark.slow
def test_a_page_without_the_button_says_why(helper: User, amira: User) -> None:
    page = f"/accounts/users/{amira.pk}/security/"
    looker = permitted("looker", "accounts.change_user")
    assert "lacks the permission “Can add Permanent Token”" in walks.words(client_of(looker).get(page))
    assert "why-no-token" not in walks.words(client_of(helper).get(page))
    User.objects.filter(pk=amira.pk).update(is_superuser=True)
    assert "permissions or groups that you don’t have" in walks.words(client_of(helper).get(page))
    User.objects.filter(pk=amira.pk).update(is_superuser=False, is_active=False)
    assert "the account is deactivated" in walks.words(client_of(helper).get(page))
    refused = proofs.just_shown(client_of(helper), helper).get(f"{page}tokens/new/")
    assert refused.status_code == 403
    assert "the account is deactivated" in walks.words(refused)


def test_a_bot_is_not_told_that_its_password_opens_it(helper: User, amira: User) -> None:
    page = f"/accounts/users/{amira.pk}/security/"
    assert "A password alone opens this account." in walks.words(client_of(helper).get(page))
    amira.set_unusable_password()
    amira.save()
    words = walks.words(client_of(helper).get(page))
    assert "This account has no password" in words
    assert "password alone" not in words
    assert "Password only" not in words


@pytest.mark.slow
def test_who_made_a_token_is_called_by_the_full_name(helper: User, amira: User) -> None:
    make_token(amira, by=helper)
    page = "/accounts/security/"
    assert "<bdi>helper</bdi>" in walks.words(client_of(amira).get(page))
    User.objects.filter(pk=helper.pk).update(first_name="Hana", last_name="Okafor")
    assert "<bdi>Hana Okafor</bdi>" in walks.words(client_of(amira).get(page))
    make_token(amira, by=amira, name="own")
    assert "<bdi>Amira Haddad</bdi>" in walks.words(client_of(helper).get(f"/accounts/users/{amira.pk}/security/"))
    PermanentToken.objects.filter(created_by=helper).update(created_by=None)
    assert "<bdi>helper</bdi>" in walks.words(client_of(amira).get(page))


def test_the_last_use_names_the_token(amira: User, northwind: Alias) -> None:
    _token, secret = make_token(amira, "tokens:read", "service:northwind")
    assert caller(secret).get(f"{BASE}northwind/token/").status_code == 200
    assert Token.objects.get(user=amira).last_used_by == "REST (nightly-report)"
