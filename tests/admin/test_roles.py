"""Narrow administrators: what each role opens in the admin, and that it opens nothing else."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS
from django.test import Client
from django.urls import reverse

from accounts.models import User
from integrations.models import Alias, ApplicationRegistry, OAuth2Credential, Token
from integrations.provider_setup import roles
from tests import cast, walks
from tests.conftest import client_of
from tests.servers.hostile import HostileServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

# By role: the lists that it can add to, and those that it can only read. Inlines have no list.
ADDS = {
    "Connection Admin": {"alias", "httpconnection"},
    "Credential Admin": {"oauth2credential"},
    "OAuth Admin": {
        "applicationregistry",
        "oauthentityprofile",
        "oauthentityscope",
        "configurationtemplate",
        "application",
    },
    "Flow Designer": {"action", "subflow", "remotetable", "toolset"},
    "Auditor": set[str](),
}  # fmt: skip
READS = {
    "Connection Admin": {"oauth2credential"},
    "Credential Admin": {"applicationregistry", "oauthentityprofile", "oauthentityscope"},
    "OAuth Admin": {"token", "revocation"},
    "Flow Designer": {"alias", "subflowrun"},
    "Auditor": {
        "applicationregistry", "oauthentityprofile", "oauthentityscope", "configurationtemplate", "oauth2credential",
        "alias", "httpconnection", "token", "revocation", "connectlink", "action", "subflow", "subflowrun",
        "remotetable", "toolset", "application", "user", "permanenttoken", "applicationpassword", "twosteprequirement",
        "event", "group",
    },
}  # fmt: skip
NAMES = list(roles.ROLES)


def member_of(*groups: str) -> User:
    user = cast.person("narrow", role=False, is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def opened(browser: Client, page: str) -> set[str]:
    """Names of the models whose page of this kind opens."""
    models = [model._meta for model in admin.site._registry]
    addresses = {each.model_name: reverse(f"admin:{each.app_label}_{each.model_name}_{page}") for each in models}
    return {str(name) for name, address in addresses.items() if browser.get(address).status_code == 200}


@pytest.mark.parametrize("role", NAMES)
def test_a_role_opens_its_pages_and_no_others(role: str) -> None:
    browser = client_of(member_of(role))
    assert opened(browser, "add") == ADDS[role]
    assert opened(browser, "changelist") == ADDS[role] | READS[role]


@pytest.mark.parametrize("role", NAMES)
def test_no_role_gives_the_dashboard_or_other_peoples_accounts(role: str, amira: User, server: HostileServer) -> None:
    alias = walks.northwind(server)
    cast.signed_in(amira, alias)
    browser = client_of(member_of(role))
    assert browser.get("/integrations/").status_code == 403
    assert browser.get(f"/accounts/users/{amira.pk}/security/").status_code == 403
    assert browser.get("/admin/integrations/connectlink/add/").status_code == 403
    for address in (f"/admin/accounts/user/{amira.pk}/change/", "/admin/accounts/user/add/", "/admin/auth/group/add/"):
        assert browser.post(address, {"username": "x"}).status_code == 403
    may_explain = browser.get("/admin/explain-access/").status_code == 200
    assert may_explain == (role == "Auditor")


@pytest.mark.parametrize("role", NAMES)
def test_rows_outside_a_role_stay_as_they_are(role: str, server: HostileServer, amira: User) -> None:
    alias = walks.northwind(server)
    cast.signed_in(amira, alias)
    credential = walks.credential_of(alias)
    browser = client_of(member_of(role))
    rows = {"alias": alias, "oauth2credential": credential, "applicationregistry": credential.registry,
            "token": Token.objects.get()}  # fmt: skip
    for name, row in rows.items():
        deletes = name in ADDS[role] or (role, name) == ("OAuth Admin", "token")
        answer = browser.get(f"/admin/integrations/{name}/{row.pk}/delete/")
        assert (answer.status_code == 200) == deletes, name
        if name not in ADDS[role]:
            assert browser.post(f"/admin/integrations/{name}/{row.pk}/change/", {}).status_code == 403
    for model in (Alias, OAuth2Credential, ApplicationRegistry, Token):
        assert model.objects.exists()


@pytest.mark.parametrize("role", NAMES)
def test_only_credential_admins_sign_in_for_the_system(role: str, server: HostileServer) -> None:
    alias = cast.integration_at(cast.registry_at(server.url), integration_type="system")
    url = walks.start_url(alias).replace("personal=true", "personal=false")
    starts = client_of(member_of(role)).get(url).status_code == 302
    assert starts == (role == "Credential Admin")


def test_nobody_gives_away_a_role_that_they_lack(amira: User) -> None:
    narrow = member_of("Auditor")
    narrow.groups.add(Group.objects.create(name="Managers"))
    for name in ("Flow Designer", "OAuth Admin"):
        group = Group.objects.get(name=name)
        answer = client_of(narrow).post(f"/admin/auth/group/{group.pk}/change/", {"name": name})
        assert answer.status_code == 403
    assert amira.groups.count() == 1


def test_migrating_again_leaves_changed_groups_alone() -> None:
    Group.objects.get(name="Auditor").permissions.clear()
    Group.objects.get(name="Flow Designer").delete()
    call_command("migrate", verbosity=0, database=DEFAULT_DB_ALIAS)
    assert Group.objects.get(name="Auditor").permissions.count() == 0
    assert Group.objects.get(name="Flow Designer").permissions.count() > 20
