"""What is restricted to groups stays restricted when a group is deleted: no group would mean everybody."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import ProtectedError
from django.test import Client

from accounts.models import User
from integrations.models import Alias, admission
from integrations.models.flows import Subflow
from integrations.models.remote_tables import RemoteTable
from integrations.models.tool_sets import ToolSet
from tests import cast, walks
from tests.accounts.tokens import caller, make_token
from tests.conftest import client_of
from tests.integrations import flowing, tables
from tests.servers.hostile import HostileServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def payroll(server: HostileServer) -> Alias:
    return cast.integration_at(cast.registry_at(server.url), name="payroll", label="Payroll")


@pytest.fixture
def sales(payroll: Alias) -> Group:
    group = Group.objects.create(name="Sales")
    payroll.groups.add(group)
    return group


def may_use(user: User) -> bool:
    return bool(admission.filter_admitted(user.pk).exists())


def delete_in_admin(admin: User, *groups: Group) -> Any:
    form = {"action": "delete_selected", "_selected_action": [group.pk for group in groups], "post": "yes"}
    return client_of(admin).post("/admin/auth/group/", form)


def delete_by_api(admin: User, *groups: Group) -> Any:
    browser = caller(make_token(admin, "administration")[1])
    return [browser.delete(f"/api/v1/admin/groups/{group.name}/") for group in groups][-1]


@pytest.mark.parametrize("delete", [delete_in_admin, delete_by_api])
def test_the_only_group_of_an_integration_is_not_deleted(delete: Any, sales: Group, amira: User, admin: User) -> None:
    answer = delete(admin, sales)
    assert Group.objects.filter(name="Sales").exists()
    assert "“Payroll” is restricted to" in answer.content.decode()
    assert not may_use(amira)


def test_nor_by_a_script(sales: Group, amira: User) -> None:
    for delete in (sales.delete, Group.objects.filter(name="Sales").delete):
        with pytest.raises(ProtectedError, match="Payroll"), transaction.atomic():
            delete()
    assert not may_use(amira)


def test_two_groups_that_restrict_it_are_not_deleted_together(
    sales: Group, payroll: Alias, amira: User, admin: User
) -> None:
    others = Group.objects.create(name="Others")
    payroll.groups.add(others)
    assert "“Payroll”" in delete_in_admin(admin, sales, others).content.decode()
    with pytest.raises(ProtectedError), transaction.atomic():
        Group.objects.filter(name__in=["Sales", "Others"]).delete()
    assert not may_use(amira)
    delete_in_admin(admin, sales)
    assert list(payroll.groups.all()) == [others]
    assert not may_use(amira)


def test_the_page_says_what_to_do(sales: Group, admin: User) -> None:
    page = client_of(admin).get(f"/admin/auth/group/{sales.pk}/delete/").content.decode()
    assert "would be open to everybody" in page
    assert 'value="yes"' not in page


def test_it_holds_for_all_that_groups_restrict(server: HostileServer, amira: User) -> None:
    alias = walks.northwind(server)
    subflow = flowing.subflow_of(flowing.open_incidents(alias))
    rows: list[Any] = [alias, subflow, tables.incidents(alias), ToolSet.objects.create(name="Sales set")]
    assert {type(row) for row in rows} == {Alias, Subflow, RemoteTable, ToolSet}
    for row in rows:
        group = Group.objects.create(name=f"Only {row}")
        row.groups.add(group)
        with pytest.raises(ProtectedError), transaction.atomic():
            group.delete()


def test_a_group_that_restricts_nothing_is_deleted(admin: User, as_amira: Client) -> None:
    group = Group.objects.create(name="Sales")
    delete_in_admin(admin, group)
    assert not Group.objects.filter(name="Sales").exists()
