"""Statements of cards that are compiled once find what the ORM finds: the same aliases, with all that they have."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import Model, Q

from accounts.models import User
from integrations.models import Alias, HttpConnection, OAuth2Credential, admission
from integrations.models.card import integration_named, queries
from integrations.models.registry import AliasQuerySet
from integrations.models.registry.aliases import AliasType
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def northwind(db: None) -> Alias:
    """One of many aliases: with a connection, with a credential only, turned off, for a group, without a connection."""
    for number, name in enumerate(("off", "restricted", "unused", "northwind")):
        alias = cast.integration_at(cast.registry_at(f"https://{name}.example", name=name), name=name)
        alias.description = f"Number {number}"
        alias.active = name != "off"
        alias.save()
    Alias.objects.get(name="restricted").groups.add(Group.objects.create(name="Sales"))
    HttpConnection.objects.filter(alias__name="unused").update(active=False)
    Alias.objects.create(name="bare", type=AliasType.CREDENTIAL, credential=OAuth2Credential.objects.all()[0])
    return alias


def everything(row: Any) -> Any:
    """All attributes of a row, and of the rows that it has. A connection leads back to its alias."""
    if not isinstance(row, Model):
        return row
    state = {name: everything(value) for name, value in vars(row).items() if name != "_state"}
    related = {name: everything(each) for name, each in row._state.fields_cache.items() if name != "alias"}
    return type(row), state, related


def listed(aliases: Any) -> list[Any]:
    return sorted(map(everything, aliases), key=lambda row: row[1]["name"])


def by_orm(aliases: AliasQuerySet) -> list[Any]:
    return listed(admission.annotate_switches(aliases))


@pytest.mark.parametrize("name", ["amira", "jonas"])
def test_a_compiled_statement_finds_what_the_orm_finds(name: str, northwind: Alias) -> None:
    cast.person("amira").groups.add(Group.objects.get(name="Sales"))
    cast.person("jonas")
    user = User.objects.get(username=name)
    visible = by_orm(admission.filter_visible(user.pk, Alias.objects.personal()))
    assert listed(queries.aliases_by(queries.all_visible, user)) == visible
    assert queries.listed_ids(user) == [row.alias.pk for row in queries.integrations_of(user)]
    assert [row[1]["name"] for row in visible] == ["bare", "northwind", "off", *["restricted"][name == "jonas" :]]
    for alias in Alias.objects.all():
        one = by_orm(admission.filter_visible(user.pk, Alias.objects.filter(pk=alias.pk).personal()))
        assert listed(queries.aliases_by(queries.one_visible, user, id=alias.pk)) == one
        for reference in (alias.name, alias.hex, str(alias.pk)):
            integration = integration_named(user, reference)
            admitted = by_orm(admission.filter_admitted(user.pk, Alias.objects.named(reference).personal()))
            assert ([everything(integration.alias)] if integration else []) == admitted


def test_a_rule_that_is_added_applies_to_compiled_statements(northwind: Alias, monkeypatch: pytest.MonkeyPatch) -> None:
    amira = cast.person("amira")
    assert integration_named(amira, "northwind")
    fields: dict[str, Any] = {"code": "night", "title": "It is day", "refusal": "It is night."}
    rule = admission.Rule(about=admission.About.ALIAS, condition=lambda: ~Q(name="northwind"), **fields)
    monkeypatch.setattr(admission, "RULES", [*admission.RULES, rule])
    assert integration_named(amira, "northwind") is None
    assert "northwind" not in [row.alias.name for row in queries.integrations_of(amira)]
    assert queries.integration_of(amira, northwind.pk) is None
